"""When each rule would have stopped a run that is over: takes a `Past` and rules, gives a `Backtest`.

After a rule has fired it starts anew, so that it is seen how often it would have. A firing was a false alarm when what came
after it was sound: at most a tenth of the next 20 texts that could be judged were degenerate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from twosignal.audits.degeneration import score_texts
from twosignal.audits.diagnosis import diagnose
from twosignal.audits.finding import Finding
from twosignal.audits.recorded import Probe, Sample
from twosignal.audits.rules import Context, Judged, Moment, Rule

AFTER = 20
"""Judged texts after a firing that say whether it was right."""
LEAST_AFTER = 5
"""With fewer nobody can say."""
FALSE_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of a run that is over."""

    samples: tuple[Sample, ...]
    """Every sample, in step order."""
    probes: tuple[Probe, ...] = ()
    """Every probe, in step order."""
    curve: tuple[tuple[int, float], ...] = ()
    """Training loss in nats per target by step, in step order."""
    clock: tuple[tuple[int, float], ...] = ()
    """Seconds since any moment by step, in step order."""
    context: Context = field(default_factory=Context)
    """What else is known."""

    @property
    def steps(self) -> tuple[int, int]:
        """First and last step of anything known; 0 and 0 when nothing is."""
        known = [sample.step for sample in self.samples] + [probe.step for probe in self.probes]
        known += [step for step, _ in self.curve]
        return (min(known, default=0), max(known, default=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What one rule would have done."""

    name: str
    """Name of the rule."""
    fired_at: int | None
    """First step at which it would have stopped the run; None when never."""
    steps_saved: int
    """Steps from there to the end of the run; 0 when it never fired."""
    hours_saved: float | None
    """Hours from there to the end; None when the record has no times."""
    flagged: int
    """Samples that it holds against the run."""
    firings: int
    """How often it fires when it starts anew after each."""
    false_alarms: int
    """How many of the firings were followed by sound texts."""
    reason: str
    """Why it fired first; empty when it never did."""

    def as_dict(self) -> dict[str, object]:
        """Return the result as plain JSON values."""
        return {
            "fired_at": self.fired_at,
            "steps_saved": self.steps_saved,
            "hours_saved": None if self.hours_saved is None else round(self.hours_saved, 2),
            "flagged": self.flagged,
            "firings": self.firings,
            "false_alarms": self.false_alarms,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What every rule would have done, and what the loss alone says."""

    num_samples: int
    """Samples of the run."""
    steps: tuple[int, int]
    """First and last step known."""
    rules: tuple[RuleResult, ...]
    """One result per rule, in the order given."""
    diagnosis: tuple[Finding, ...]
    """What the training loss says; these never stop a run."""

    def as_dict(self) -> dict[str, object]:
        """Return the whole as plain JSON values, in the shape of `backtest --json`."""
        return {
            "samples": self.num_samples,
            "first_step": self.steps[0],
            "last_step": self.steps[1],
            "rules": {result.name: result.as_dict() for result in self.rules},
            "diagnosis": [finding.as_dict() for finding in self.diagnosis],
        }


def backtest(past: Past, rules: Iterable[Rule]) -> Backtest:
    """Return what each of `rules` would have done in a past run."""
    moments = moments_of(past)
    return Backtest(
        num_samples=len(past.samples),
        steps=past.steps,
        rules=tuple(_result(rule, moments, past=past) for rule in rules),
        diagnosis=diagnose(
            [step for step, _ in past.curve],
            [loss for _, loss in past.curve],
            probes=past.probes,
            random_chance=past.context.random_chance,
        ),
    )


def moments_of(past: Past) -> list[Moment]:
    """Return what was recorded, step by step, with the scores of every sample."""
    scores = score_texts([one.text for one in past.samples], [one.prompt for one in past.samples])
    panels: dict[int, list[Judged]] = {}
    for sample, score in zip(past.samples, scores, strict=True):
        panels.setdefault(sample.step, []).append(Judged(sample=sample, score=score))
    probes = {probe.step: probe.loss for probe in past.probes}
    return [
        Moment(step=step, panel=tuple(panels.get(step, ())), probe=probes.get(step))
        for step in sorted(panels.keys() | probes.keys())
    ]


def _result(rule: Rule, moments: Sequence[Moment], *, past: Past) -> RuleResult:
    watcher = rule.start(past.context)
    firings: list[tuple[int, str]] = []
    for number, moment in enumerate(moments):
        reason = watcher.see(moment)
        if reason is not None:
            firings.append((number, reason))
            watcher = rule.start(past.context)
    fired_at = moments[firings[0][0]].step if firings else None
    return RuleResult(
        name=rule.name,
        fired_at=fired_at,
        steps_saved=0 if fired_at is None else past.steps[1] - fired_at,
        hours_saved=_hours_after(fired_at, past),
        flagged=sum(rule.flag(one) is True for moment in moments for one in moment.panel),
        firings=len(firings),
        false_alarms=sum(_is_false(moments[number + 1 :]) for number, _ in firings),
        reason=firings[0][1] if firings else "",
    )


def _is_false(moments: Sequence[Moment]) -> bool:
    """Return whether the texts that came next were sound."""
    judged: list[bool] = []
    for moment in moments:
        judged += [one.score.degenerate for one in moment.panel if one.score.degenerate is not None]
        if len(judged) >= AFTER:
            break
    judged = judged[:AFTER]
    return len(judged) >= LEAST_AFTER and sum(judged) <= FALSE_SHARE * len(judged)


def _hours_after(step: int | None, past: Past) -> float | None:
    """Return the hours from a step to the end of the record; 0 when no step is given, None without two times."""
    if len(past.clock) < 2:
        return None
    if step is None:
        return 0.0
    steps, seconds = zip(*past.clock, strict=True)
    return float(seconds[-1] - np.interp(step, steps, seconds)) / 3600
