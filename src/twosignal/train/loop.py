"""The loop: takes a run that is set up, gives its outcome. Everything it sees goes through the recorder."""

from dataclasses import dataclass

from twosignal.audits.copying.findings import copy_findings
from twosignal.audits.diagnosis import diagnose
from twosignal.audits.finding import Finding, Verdict
from twosignal.audits.monitors import Expected, Seen, check_step, non_finite_weights
from twosignal.records.saved import Place
from twosignal.train.actions import go_on_after, mix_again
from twosignal.train.canaries import measure_exposure
from twosignal.train.forecast import carried_targets, loss_tolerance, non_finite_names
from twosignal.train.held_out import held_out
from twosignal.train.running import Running
from twosignal.train.setup import Setup
from twosignal.train.step import StepFigures, take_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    step: int
    """Last step done."""
    probe: float
    """Last held-out loss, nats per target; NaN without a probe."""
    verdict: Verdict
    interrupted: bool = False
    """The user stopped it; it can go on."""


def fit(run: Running) -> Outcome:
    """Train to the last planned step, or until the gate, an alarm or the user stops the run."""
    if run.step == 0:
        probe(run)
    while run.step < run.setup.steps:
        if must_stop(run):
            if not go_on_after(run, run.verdict):
                return stop(run)
        elif run.watch.interrupted and run.step < run.setup.steps:
            return pause(run)
    exposed = measure_exposure(run.setup, step=run.step)
    if exposed is not None:
        run.recorder.finding(run.step, exposed)
    run.recorder.end(run.step, "finished", run.verdict.reason, gate_step=run.gate.heartbeat)
    run.alerts.send("finished", step=run.step, reason=run.verdict.reason)
    return outcome(run)


def must_stop(run: Running) -> bool:
    """Take one step and do all that is due after it; return whether the run must not go on as it is."""
    config = run.setup.config
    alarms = advance(run)
    if alarms and is_halted(run, alarm(run, alarms[0])):
        return True
    is_last = run.step == run.setup.steps
    if (is_last or run.step % config.probes.every == 0) and is_halted(run, probe(run)):
        return True
    if is_last or run.step % config.samples.every == 0:
        if is_halted(run, sample(run)) or is_halted(run, look_at_loss(run)):
            return True
        mix_again(run)
    every = config.checkpoints.every or config.samples.every
    return (is_last or run.step % every == 0) and is_halted(run, save(run))


def advance(run: Running) -> tuple[Finding, ...]:
    """Take one step; return what the monitors M1 to M4 say of it."""
    run.steering.before(run.step)
    factor = run.rate.factor(run.step + 1) * run.spent.rate
    figures = take_step(run.setup, run.mover, step=run.step + 1, factor=factor, predicts=run.step == 0)
    run.step = figures.step
    run.recorder.step(figures)
    run.watch.step(figures, run.recorder.smoothed)
    run.steering.after(figures)
    return watched(run.setup, figures)


def watched(setup: Setup, figures: StepFigures) -> tuple[Finding, ...]:
    """Compare a step with what its rows carry and what was measured before it."""
    whole = figures.loss.whole
    seen = Seen(
        step=figures.step, loss_sum=whole.total, targets=whole.count, gradient_norm=figures.gradient_norm
    )
    expected = Expected(
        targets=carried_targets(setup.sources, figures.packs),
        loss=figures.predicted,
        tolerance=loss_tolerance(setup.learner),
        random_chance=setup.random_chance,
    )
    return check_step(seen, expected)


def is_halted(run: Running, verdict: Verdict) -> bool:
    """Keep the newest verdict; return whether it stops the run."""
    run.verdict = verdict
    if verdict.kind == "halt" and run.setup.config.gate.action == "note":
        run.alerts.note(verdict.rule, step=verdict.step, reason=verdict.reason, evidence=verdict.evidence)
        return False
    return verdict.kind == "halt"


def probe(run: Running) -> Verdict:
    """Measure the held-out loss of every source; return what the gate says of it."""
    seen = held_out(run.setup)
    if not seen.by_source:
        return Verdict(kind="continue", reason="no source has a held-out part", step=run.step)
    run.probe = seen.loss
    verdict = run.gate.observe_probe(run.step, run.probe)
    run.recorder.probe(run.step, run.probe, seen.by_source, more=run.steering.told(seen))
    run.recorder.verdict(verdict)
    run.watch.probe(run.step, run.probe, seen.by_source)
    run.steering.judge(run.step, run.probe)
    return verdict


def sample(run: Running) -> Verdict:
    """Let the model speak; return what the gate says of it."""
    bodies = run.sampler.draw(run.step)
    verdict = run.gate.observe_samples(run.step, bodies)
    run.recent = run.recent.after(run.step, bodies)
    if run.gate.is_clear:
        run.sound_step = run.step
    run.recorder.samples(run.step, bodies)
    run.recorder.verdict(verdict)
    run.watch.samples(bodies, verdict)
    return verdict


def look_at_loss(run: Running) -> Verdict:
    """Record what the curve of the loss and the copies among the newest texts say for the first time.

    The loss halts a run only where it is worse than guessing and the texts are degenerate too.
    """
    found = list(copy_findings([one.as_sample() for one in run.recent.texts]))
    if run.news.is_due(run.step):
        curve = run.recorder.curve(run.step)
        chance = run.setup.random_chance
        found += diagnose(curve.steps, curve.losses, probes=curve.probes, random_chance=chance)
    run.news, new = run.news.after(run.step, found)
    for finding in new:
        run.recorder.finding(run.step, finding)
        run.watch.finding(finding)
    above = next((one for one in found if one.id == "above-chance" and one.steps[-1] == run.step), None)
    if above is None or not run.recent.has_degenerate:
        return run.verdict
    verdict = Verdict(
        kind="halt",
        reason=f"{above.message}; most texts are degenerate too",
        evidence=above.evidence,
        step=run.step,
        rule=above.id,
    )
    run.recorder.verdict(verdict)
    return verdict


def save(run: Running) -> Verdict:
    """Save a checkpoint; it is the best one when its texts are coherent and its held-out loss is the lowest so far.

    Weights that are not finite are not saved: the verdict says so.
    """
    if broken := non_finite_names(run.setup.learner.model):
        return alarm(run, non_finite_weights(run.step, broken))
    if run.probe < run.best_probe and run.gate.is_coherent:
        run.best_probe, run.best = run.probe, Place(run.spent.rollbacks, run.step).name
    run.recorder.checkpoint(run.parts(), run.state())
    return run.verdict


def pause(run: Running) -> Outcome:
    """Save where an interrupted run is, unless its weights are not finite: then it goes on from its last checkpoint."""
    if non_finite_names(run.setup.learner.model):
        run.recorder.give_up("interrupted")
    else:
        run.recorder.pause(run.parts(), run.state())
    return outcome(run, interrupted=True)


def alarm(run: Running, finding: Finding) -> Verdict:
    """Record what is wrong with a step; return the verdict it asks for."""
    run.recorder.finding(run.step, finding)
    evidence = finding.evidence
    verdict = Verdict(kind="halt", reason=finding.message, evidence=evidence, step=run.step, rule=finding.id)
    run.recorder.verdict(verdict)
    return verdict


def stop(run: Running) -> Outcome:
    """Record why the run is halted; the last checkpoint stays the last healthy one."""
    reason, evidence = run.verdict.reason, dict(run.verdict.evidence)
    run.recorder.action(run.step, "halt", reason, evidence=evidence, budget_left=0)
    run.recorder.end(run.step, "halted", reason, gate_step=run.gate.heartbeat)
    run.alerts.send("halt", step=run.step, reason=reason, evidence=evidence)
    return outcome(run)


def outcome(run: Running, *, interrupted: bool = False) -> Outcome:
    """Return how the run stands."""
    return Outcome(step=run.step, probe=run.probe, verdict=run.verdict, interrupted=interrupted)
