"""The audit of a recorded run: takes a `Run` and a window, gives a `Recording` of what it told, and the `Report` on it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from twosignal.audits.copying.exposure import read_finding
from twosignal.audits.diagnosis import OF_THE_CURVE, diagnose
from twosignal.audits.draws import draws_of, shares_at
from twosignal.audits.finding import Finding, Verdict
from twosignal.audits.fixed_mix import fixed_mix_losses
from twosignal.audits.gate import Gate
from twosignal.audits.grading.recorded import check_grading
from twosignal.audits.mix import window_split
from twosignal.audits.monitors import check_steps
from twosignal.audits.recorded import Probe, known_number
from twosignal.audits.report import (
    Recording,
    Report,
    Window,
    audit,
    default_window,
    read_recording,
    touches,
)
from twosignal.audits.tiers import stored_tiers
from twosignal.audits.warmup import warmup_findings
from twosignal.records.columns import Rows
from twosignal.records.events import Event
from twosignal.records.reader import Run


def audit_run(run: Run, *, steps: Window | None = None) -> Report:
    """Audit a window of a run from its records alone; raise RunError where they cannot be read."""
    recording, window = recording_of(run, steps=steps)
    return audit(recording, gate_of(run), steps=window)


def gate_of(run: Run) -> Gate:
    """Return a new gate with the settings of a run; what its trainer did not record, the gate does without."""
    start = next(run.events("start"), None)
    body = start.body if start else {}
    table = run.config.get("gate", {})
    return Gate(
        rule=table.get("rule", "default"),
        threshold=table.get("threshold", 30.0),
        patience=table.get("patience", 5),
        random_chance=known_number(body, "random_chance"),
        unigram_loss=known_number(body, "unigram_loss"),
    )


def recording_of(run: Run, *, steps: Window | None = None) -> tuple[Recording, Window]:
    """Return what an audit reads from a run, and the window: the one asked for, cut to the run, or the newest."""
    told = [event for event in run.events() if event.kind in ("start", "switch", "finding", "end")]
    rows, config = run.steps(), run.config
    recording = read_recording(
        run.id,
        [(event.step, event.body) for event in run.samples()],
        probes=[(event.step, event.body) for event in run.probes()],
        sources=list(config.get("sources", {})),
    )
    window = _window(recording, steps, last=max([0, run.last_step, *(event.step for event in told)]))
    until = rows[rows["step"] <= window[1]]
    inside = until[until["step"] >= window[0]]
    start = next((event.body for event in told if event.kind == "start"), {})
    shares = _shares(start)
    switches = [(event.step, _shares(event.body)) for event in told if event.kind == "switch"]
    recording = replace(
        recording,
        tiers=stored_tiers(config, where=str(run.path / "run.toml")),
        shares=shares_at(window[1] + 1, shares, switches),
        draws=draws_of(inside, shares, switches=switches),
        mix=window_split(inside),
        halted=_halted(told, window),
        health=(
            *_health(recording.probes, inside, until, chance=known_number(start, "random_chance")),
            *warmup_findings(inside, config.get("curriculum", {})),
        ),
    )
    recording = replace(recording, health=_with_told(recording.health, told, window))
    grading = check_grading(run, window)
    if grading is not None:
        health = (*recording.health, *grading.findings)
        recording = replace(recording, grading=grading.line, health=health)
    return recording, window


def _window(recording: Recording, steps: Window | None, *, last: int) -> Window:
    if steps is None:
        return default_window(recording)[0], last
    return steps[0], max(steps[0], min(steps[1], last))


def _health(
    probes: Sequence[Probe], inside: Rows, until: Rows, *, chance: float | None
) -> tuple[Finding, ...]:
    """Return what the monitors say of the steps in the window, and what the curve up to its end says."""
    if not len(inside):
        return ()
    monitors = check_steps(
        inside["step"],
        inside["loss_sum"],
        targets=inside["targets"],
        gradient_norms=inside["gradient_norm"],
        random_chance=chance,
    )
    curve = diagnose(
        until["step"],
        fixed_mix_losses(until),
        probes=[probe for probe in probes if probe.step <= int(until["step"][-1])],
        random_chance=chance,
    )
    return (*monitors, *curve)


def _with_told(health: Sequence[Finding], told: Sequence[Event], window: Window) -> tuple[Finding, ...]:
    """Return the findings with those that the run recorded within the window and its numbers cannot show again.

    What was said of the curve while it was young is not told again: the whole curve is read here.
    """
    known = OF_THE_CURVE | {finding.id for finding in health}
    found: dict[str, Finding] = {}
    for event in told:
        if event.kind == "finding" and window[0] <= event.step <= window[1]:
            finding = read_finding(event.body)
            is_inside = touches(finding, *window)
            found[finding.id] = finding if is_inside else replace(finding, steps=(event.step,))
    return (*health, *(finding for name, finding in found.items() if name not in known))


def _halted(told: Sequence[Event], window: Window) -> Verdict | None:
    """Return the verdict of a run that was halted within the window, by a gate or by an alarm; None of any other."""
    end = next((event for event in reversed(told) if event.kind == "end"), None)
    if end is None or end.body.get("state") != "halted" or not window[0] <= end.step <= window[1]:
        return None
    reason = str(end.body.get("reason", "") or "the run was halted")
    because = [
        event
        for event in told
        if event.kind == "finding"
        and str(event.body.get("message", "")) in reason
        and event.body.get("message")
    ]
    finding = read_finding(because[-1].body) if because else None
    return Verdict(
        kind="halt",
        reason=reason,
        evidence=finding.evidence if finding else {},
        step=end.step,
        rule=finding.id if finding else "",
    )


def _shares(body: Mapping[str, object]) -> dict[str, float]:
    """Return the shares an event tells, those that are numbers."""
    shares = body.get("shares")
    if not isinstance(shares, Mapping):
        return {}
    numbers = {str(name): known_number(shares, name) for name in shares}
    return {name: number for name, number in numbers.items() if number is not None and not math.isnan(number)}
