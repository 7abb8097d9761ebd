"""The five-check audit of a run: takes what the run recorded and a new gate, gives a `Report`.

The five checks: tiers, outliers, texts, breadth, grading. The verdict is

    halt      a rule of the gate fired within the window, or an alarm halted the run there
    pivot     a finding asks to change something before going on (severity alarm)
    continue  otherwise
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from twosignal.audits.advice import advice_of
from twosignal.audits.breadth import Breadth, breadth_findings, measure_breadth, panel_of
from twosignal.audits.copying.findings import copy_findings
from twosignal.audits.diagnosis import STRETCHES
from twosignal.audits.draws import Draws, draw_findings
from twosignal.audits.finding import Finding, Verdict
from twosignal.audits.gate import Gate, replay
from twosignal.audits.mix import Split, mix_findings
from twosignal.audits.outliers import Outlier, find_outliers, outlier_findings
from twosignal.audits.progress import SourceProgress, progress_findings, source_progress
from twosignal.audits.recorded import Body, Probe, Sample, newest_telling, read_probe, read_sample
from twosignal.audits.sample_audit import (
    TextCheck,
    TierCount,
    check_texts,
    count_tiers,
    text_findings,
    tier_findings,
)
from twosignal.audits.tiers import TIERS, Tiers

WINDOW_STEPS = 700
WINDOW_SAMPLINGS = 8
MIN_STRIKES = 2
NO_GRADES = "no grades yet"

Window = tuple[int, int]
"""First and last step, both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What an audit reads from a run."""

    run: str
    """Id of the run."""
    samples: tuple[Sample, ...]
    """Every sample, in step order."""
    probes: tuple[Probe, ...]
    """Every probe, in step order."""
    sources: tuple[str, ...] = ()
    """Names of the sources in the run file; tells a run stuck in one domain from a run that has only one."""
    health: tuple[Finding, ...] = ()
    """Findings on the training loss itself, from `monitors.py`."""
    grading: str = NO_GRADES
    """What readers say of the window, from `grading/`."""
    tiers: Tiers = TIERS
    """Tiers of sample losses, with the bounds of the run file."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Shares of the rows by source at the end of the window; empty where not recorded."""
    draws: Draws | None = None
    """Training rows of the window by source; None where not recorded."""
    mix: Split | None = None
    """What of the training loss's change within the window is learning; None where it cannot be told."""
    halted: Verdict | None = None
    """Why the run was halted within the window; None when it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Results of the five checks over the window."""

    tiers: tuple[TierCount, ...]
    """Samples by tier, lowest loss first."""
    outliers: tuple[Outlier, ...]
    """Samples under the alert, 0.20 nats per token unless the run file says otherwise."""
    texts: tuple[TextCheck, ...]
    """Every text of the window, oldest first."""
    breadth: Breadth
    """Domains of the window."""
    grading: str
    """What people outside the project say, as one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An audit of one window of a run."""

    run: str
    """Id of the run."""
    steps: Window
    """First and last step of the window."""
    checks: Checks
    """The five checks."""
    progress: tuple[SourceProgress, ...]
    """Held-out loss by source, from the start of the run to the end of the window."""
    findings: tuple[Finding, ...]
    """Everything noticed, gravest first."""
    verdict: Verdict
    """Whether to go on, and why."""
    advice: str
    """What to do, as a sentence."""
    draws: Draws | None
    """Training rows of the window by source, drawn and due; None where not recorded."""
    mix: Split | None = None
    """What of the training loss's change within the window is learning; None where it cannot be told."""

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain JSON values, in the shape of `audit --json`."""
        checks = asdict(self.checks)
        checks["texts"] = [_text_dict(text) for text in self.checks.texts]
        return {
            "run": self.run,
            "steps": list(self.steps),
            "checks": _finite(checks),
            "probes": _finite([asdict(one) for one in self.progress]),
            "draws": None if self.draws is None else _finite(asdict(self.draws)),
            "mix": None if self.mix is None else _finite(self.mix.as_dict()),
            "findings": [finding.as_dict() for finding in self.findings],
            "verdict": self.verdict.kind,
            "reason": self.verdict.reason,
            "rule": self.verdict.rule,
            "advice": self.advice,
        }


def read_recording(
    run: str,
    samples: Iterable[tuple[int, Body]],
    *,
    probes: Iterable[tuple[int, Body]],
    sources: Sequence[str] = (),
    health: Sequence[Finding] = (),
) -> Recording:
    """Return what an audit needs from (step, body) pairs, as recorded; steps told twice count once."""
    return Recording(
        run=run,
        samples=tuple(newest_telling(read_sample(step, body) for step, body in samples)),
        probes=tuple(newest_telling(read_probe(step, body) for step, body in probes)),
        sources=tuple(sources),
        health=tuple(health),
    )


def audit(recording: Recording, gate: Gate, *, steps: Window | None = None) -> Report:
    """Return the audit of a window.

    `gate` is a new gate with the run's settings; it is fed everything recorded up to the window's end.
    `steps` is the window, both ends included; by default the last 700 steps or the last 8 samplings,
    whichever is more.
    """
    first, last = steps or default_window(recording)
    samples = [sample for sample in recording.samples if first <= sample.step <= last]
    probes = [probe for probe in recording.probes if probe.step <= last]
    progress = source_progress(probes)
    known = [sample for sample in recording.samples if sample.step <= last]
    verdicts = [verdict for verdict in replay(gate, known, probes=probes) if first <= verdict.step]
    checks = run_checks(samples, recording, gate=gate)
    findings = _gravest_first(
        [
            *(one for one in recording.health if touches(one, first, last)),
            *outlier_findings(checks.outliers, num_samples=len(samples)),
            *copy_findings(samples, tiers=recording.tiers, shares=recording.shares),
            *tier_findings(samples, tiers=recording.tiers, random_chance=gate.random_chance),
            *text_findings(checks.texts, threshold=gate.threshold),
            *breadth_findings(checks.breadth, step=last),
            *draw_findings(recording.draws, step=last),
            *mix_findings(recording.mix, steps=(first, last)),
            *strike_findings(gate),
            *progress_findings(progress),
            *sample_count_findings(samples, steps=(first, last)),
        ]
    )
    verdict = _decide(verdicts, recording.halted, findings, step=last)
    return Report(
        run=recording.run,
        steps=(first, last),
        checks=checks,
        progress=progress,
        findings=findings,
        verdict=verdict,
        advice=advice_of(verdict, findings),
        draws=recording.draws,
        mix=recording.mix,
    )


def touches(finding: Finding, first: int, last: int) -> bool:
    """Return whether a finding on single steps names one of a window, or one on a stretch of steps overlaps it."""
    if finding.id in STRETCHES and finding.steps:
        return finding.steps[0] <= last and finding.steps[-1] >= first
    return any(first <= step <= last for step in finding.steps)


def default_window(recording: Recording) -> Window:
    """Return the last 700 steps or the last 8 samplings, whichever is more; all steps where nothing was sampled."""
    sampled = sorted({sample.step for sample in recording.samples})
    if not sampled:
        return (0, max((probe.step for probe in recording.probes), default=0))
    last = sampled[-1]
    first = min(last - WINDOW_STEPS, sampled[-WINDOW_SAMPLINGS:][0])
    return (next(step for step in sampled if step >= first), last)


def run_checks(samples: Sequence[Sample], recording: Recording, *, gate: Gate) -> Checks:
    """Return the five checks over `samples`, which are those of the window; `gate` gives the settings."""
    domains = {sample.domain for sample in recording.samples if sample.domain}
    return Checks(
        tiers=count_tiers(samples, tiers=recording.tiers, random_chance=gate.random_chance),
        outliers=find_outliers(samples, tiers=recording.tiers),
        texts=check_texts(
            samples, threshold=gate.threshold, tiers=recording.tiers, random_chance=gate.random_chance
        ),
        breadth=measure_breadth(
            samples,
            panel=panel_of(recording.samples),
            shares=recording.shares,
            is_alone=max(len(domains), len(recording.sources)) < 2,
        ),
        grading=recording.grading,
    )


def sample_count_findings(samples: Sequence[Sample], *, steps: Window) -> tuple[Finding, ...]:
    """Return a warning when the window of `steps` holds no sample at all."""
    if samples:
        return ()
    finding = Finding(
        id="no-samples",
        severity="warning",
        message=f"no samples between steps {steps[0]:,} and {steps[1]:,}: what the model says is not known",
        remedy="Wait for the next sampling, or lower samples.every.",
    )
    return (finding,)


def strike_findings(gate: Gate) -> tuple[Finding, ...]:
    """Return an alarm when strikes stand in a row at the end, not yet enough to halt the run."""
    if not MIN_STRIKES <= gate.strikes < gate.patience:
        return ()
    finding = Finding(
        id="strikes",
        severity="alarm",
        message=f"{gate.strikes} samplings running were strikes, and {gate.patience} halt the run",
        evidence={"strikes": gate.strikes, "patience": gate.patience},
        steps=() if gate.heartbeat is None else (gate.heartbeat,),
        remedy="Keep the last checkpoint from before them, and read the samples.",
    )
    return (finding,)


def _text_dict(text: TextCheck) -> dict[str, object]:
    """Return a text as plain values, its classic score rounded."""
    return asdict(replace(text, copied=None)) | {
        "score": text.score.as_dict(),
        "copied": None if text.copied is None else dict(text.copied),
    }


def _gravest_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    order = ("alarm", "warning", "note")
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def _finite(value: object) -> object:
    """Return `value` with None in place of every nan and inf, which JSON cannot say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value


def _decide(
    verdicts: Sequence[Verdict], halted: Verdict | None, findings: Sequence[Finding], *, step: int
) -> Verdict:
    fired = [verdict for verdict in verdicts if verdict.kind == "halt"]
    if fired:
        return fired[-1]
    if halted is not None:
        return halted
    alarms = [finding for finding in findings if finding.severity == "alarm"]
    if alarms:
        more = f"; {len(alarms) - 1} more alarms" if len(alarms) > 1 else ""
        return Verdict(
            kind="pivot",
            reason=alarms[0].message + more,
            evidence=alarms[0].evidence,
            step=step,
            rule=alarms[0].id,
        )
    reason = "no rule fired and no alarm"
    warnings = [finding.id for finding in findings if finding.severity == "warning"]
    if warnings:
        reason += f", but look at: {', '.join(dict.fromkeys(warnings))}"
    return Verdict(kind="continue", reason=reason, step=step)
