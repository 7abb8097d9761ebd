"""A run's grades beside its own record: takes a `Run`, gives the `Results` of a bundle, and what an audit says of them."""

from dataclasses import dataclass

from twosignal.audits.finding import Finding
from twosignal.audits.grading.folder import bundles, choose_bundle, read_graded, read_ledger
from twosignal.audits.grading.results import Results, results_of
from twosignal.records.reader import Run

LEAST_SAMPLES = 5
"""Graded samples that a window must hold to be judged by them."""
LAST_STEPS = 100
"""Training steps whose mean loss stands in where nothing was held out."""

Window = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradingCheck:
    """The fifth check of an audit."""

    line: str
    """What readers say, as one line."""
    findings: tuple[Finding, ...] = ()
    """The four-way reading, where the window holds enough graded samples."""


def run_results(run: Run, bundle: str, *, steps: Window | None = None) -> Results:
    """Return the results of one of the run's bundles; `steps` keeps samples between two steps, both included."""
    graded = read_graded(run.path, bundle)
    written = [one.step for one in graded.key.items if one.sort == "sample"]
    last = max([step for step in written if steps is None or step <= steps[1]], default=0)
    start = next(run.events("start"), None)
    chance = start.body.get("random_chance") if start else None
    return results_of(
        graded,
        loss=run_loss(run, last),
        random_chance=float(chance) if isinstance(chance, (int, float)) else None,
        steps=steps,
    )


def run_loss(run: Run, step: int) -> float | None:
    """Return the newest held-out loss up to a step, else the mean of the last training steps; None without either."""
    probes = [event for event in run.probes() if event.step <= step]
    if probes:
        return probes[-1].number("loss")
    rows = run.steps()
    rows = rows[rows["step"] <= step][-LAST_STEPS:]
    targets = int(rows["targets"].sum())
    return float(rows["loss_sum"].sum()) / targets if targets else None


def check_grading(run: Run, steps: Window) -> GradingCheck | None:
    """Return what the newest graded bundle says of a window; None where nobody has graded."""
    if not bundles(run.path) or not any(line["kind"] == "import" for line in read_ledger(run.path)):
        return None
    bundle = choose_bundle(run.path, graded=True)
    found = run_results(run, bundle, steps=steps)
    if not any(card.counts for card in found.graders):
        return GradingCheck(line="no grades that count: no grader put the controls in order")
    if len(found.samples) < LEAST_SAMPLES:
        whole = run_results(run, bundle)
        graded = [one.step for one in whole.samples]
        where = f"; graded ones lie at steps {min(graded):,} to {max(graded):,}" if graded else ""
        return GradingCheck(line=f"{len(found.samples)} graded samples in this window{where}")
    seen = tuple(sorted({one.step for one in found.samples}))
    worst = min(found.samples, key=lambda one: one.grade)
    line = f"{found.line}; the worst, {worst.grade:.1f}, at step {worst.step:,}"
    return GradingCheck(line=line, findings=(found.reading.finding(seen),))
