"""M1 to M4, the monitors of every step: takes a step's figures and what was expected of it, gives `Finding`s.

M1  no-targets         a step had nothing to learn from
    target-count       it had another number of targets than its rows carry
    mask-lost          it learned from every token though only answers were asked for
    stray-targets      targets are not the tokens they stand at, or are the first of a packed neighbour
M2  zero-loss          the loss is exactly 0 although there were targets
    worse-than-random  the first loss is more than 1 nat above ln(vocabulary)
    first-loss         the first loss is not what the same rows gave before the step
M3  non-finite         the loss, the gradient or a weight is nan or inf
M4  zero-gradient      the gradient is exactly 0 although there were targets

Every finding says which of three it is: no targets, wrong targets, or non-finite. M5 is in `hostlog.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twosignal.audits.finding import Finding

FIRST_STEP_NATS = 1.0
"""Nats above random chance from which a first loss is suspicious; an untrained model starts at chance."""
MAX_STEPS = 20
"""Steps a finding lists."""


class Monitor(NamedTuple):
    """Which monitor raises a finding, and which of three things the finding is."""

    id: str
    word: Literal["no-targets", "wrong-targets", "non-finite"]


MONITORS: Final[Mapping[str, Monitor]] = {
    "no-targets": Monitor("M1", "no-targets"),
    "target-count": Monitor("M1", "wrong-targets"),
    "mask-lost": Monitor("M1", "wrong-targets"),
    "stray-targets": Monitor("M1", "wrong-targets"),
    "zero-loss": Monitor("M2", "wrong-targets"),
    "worse-than-random": Monitor("M2", "wrong-targets"),
    "first-loss": Monitor("M2", "wrong-targets"),
    "non-finite": Monitor("M3", "non-finite"),
    "non-finite-weights": Monitor("M3", "non-finite"),
    "zero-gradient": Monitor("M4", "wrong-targets"),
}
"""Every alarm of this module by its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one optimizer step did, over all its forward passes."""

    step: int
    loss_sum: float | None
    """Nats over all targets; None where it was not measured."""
    targets: int | None
    """None where they could not be seen."""
    gradient_norm: float | None = None
    """None where it was not measured."""
    num_passes: int = 0
    """Forward passes of the step; 0 where they were not told apart."""
    bad_passes: tuple[int, ...] = ()
    """Numbers, from 1, of the passes whose loss was not finite."""

    @property
    def loss(self) -> float | None:
        """Nats per target; NaN without a target, None where it was not measured."""
        if self.loss_sum is None or self.targets is None:
            return None
        return self.loss_sum / self.targets if self.targets else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of a step beforehand; None where it is not."""

    targets: int | None = None
    """Targets that the step's rows carry."""
    loss: float | None = None
    """Nats per target of the step's rows before the step; compared at the first step."""
    tolerance: float = 0.01
    """Nats per target by which the first loss may miss `loss`."""
    random_chance: float | None = None
    """ln(vocabulary); compared at the first step."""


def check_step(seen: Seen, expected: Expected) -> tuple[Finding, ...]:
    """Return what is wrong with one optimizer step, the gravest first."""
    if seen.targets == 0:
        return (no_targets(seen.step, known=expected.targets),)
    loss, norm = seen.loss, seen.gradient_norm
    found = []
    if not _is_finite(loss) or not _is_finite(norm):
        found.append(non_finite(seen))
    elif loss == 0:
        found.append(zero_loss(seen.step, seen.targets or 0))
    elif loss is not None and seen.step <= 1:
        found += _first_loss(loss, expected, step=seen.step)
    if expected.targets is not None and seen.targets not in (None, expected.targets):
        found.append(target_count(seen.step, seen.targets or 0, known=expected.targets))
    if norm == 0 and not found:
        found.append(zero_gradient(seen.step, seen.targets))
    return tuple(found)


def no_targets(step: int, *, known: int | None = None) -> Finding:
    """Return the finding for a step without a single supervised target; its rows carry `known`."""
    rows = f", though the rows carry {known:,}" if known else ""
    return alarm(
        "no-targets",
        step,
        message=f"no targets at step {step:,}: 0 tokens were supervised{rows}, so there is no loss to speak of",
        evidence={"targets": 0, "expected": known},
        remedy="See which turns `supervise` selects and whether the rows still carry them: "
        "`twosignal show` prints them as the model sees them.",
    )


def target_count(step: int, targets: int, *, known: int) -> Finding:
    """Return the finding for a step that learned from another number of targets than its rows carry."""
    return alarm(
        "target-count",
        step,
        message=f"wrong targets at step {step:,}: the model was given {targets:,} targets, "
        f"and the rows of the step carry {known:,}",
        evidence={"targets": targets, "expected": known},
        remedy="Something between the rows and the model drops or ignores their mask: look at the collator.",
    )


def zero_loss(step: int, targets: int) -> Finding:
    """Return the finding for a loss of exactly 0 over `targets` targets."""
    return alarm(
        "zero-loss",
        step,
        message=f"wrong targets: the loss is exactly 0 at step {step:,} over {targets:,} targets, "
        "and no model is ever certain",
        evidence={"targets": targets, "loss": 0.0},
        remedy="Look at the targets with `twosignal show`: a lost mask or one repeated token does this.",
    )


def non_finite(seen: Seen) -> Finding:
    """Return the finding for a loss or a gradient norm that is nan or inf."""
    what = "the gradient norm" if _is_finite(seen.loss) else "the loss"
    loss, norm = _in_words(seen.loss), _in_words(seen.gradient_norm)
    where = f" in {passes_in_words(seen)}" if seen.bad_passes else ""
    return alarm(
        "non-finite",
        seen.step,
        message=f"non-finite: {what} is not a finite number at step {seen.step:,}{where} "
        f"(loss {loss}, gradient norm {norm}, {_count(seen.targets)})",
        evidence={
            "loss": loss,
            "gradient_norm": norm,
            "targets": seen.targets,
            "passes": list(seen.bad_passes),
        },
        remedy=_NON_FINITE_AT_ONCE if seen.step <= 1 else _NON_FINITE_LATER,
    )


_NON_FINITE_AT_ONCE = (
    "The weights have not moved yet, so it is the forward or backward pass itself: try the rows unpacked, another "
    "attention implementation, or float32."
)
_NON_FINITE_LATER = (
    "Lower train.learning_rate, keep train.clip at 1, or train in float32; "
    "then resume from the last checkpoint before this step."
)


def non_finite_weights(step: int, names: Sequence[str]) -> Finding:
    """Return the finding for weights, by name, that hold nan or inf."""
    more = f" and {len(names) - 1:,} others" if len(names) > 1 else ""
    return alarm(
        "non-finite-weights",
        step,
        message=f"non-finite: {names[0]}{more} hold nan or inf after step {step:,} and must not be saved",
        evidence={"weights": list(names[:MAX_STEPS]), "num_weights": len(names)},
        remedy=_NON_FINITE_LATER,
    )


def zero_gradient(step: int, targets: int | None) -> Finding:
    """Return the finding for a gradient of exactly 0 over `targets` targets."""
    return alarm(
        "zero-gradient",
        step,
        message=f"wrong targets: the gradient is exactly 0 at step {step:,} over {_count(targets)}, "
        "so the loss does not reach a weight that learns",
        evidence={"targets": targets, "gradient_norm": 0.0},
        remedy="See which parameters require gradients, and whether the loss is detached from the model.",
    )


def worse_than_random(step: int, loss: float, *, random_chance: float) -> Finding:
    """Return the finding for a first `loss` far above `random_chance`, both in nats per target."""
    return alarm(
        "worse-than-random",
        step,
        message=f"wrong targets: the loss is {loss:.2f} at step {step:,}, and guessing at random gives "
        f"{random_chance:.2f}",
        evidence={"loss": round(loss, 4), "random_chance": round(random_chance, 4)},
        remedy="A wrong tokenizer, a wrong chat template or targets shifted by one do this; "
        "compare the targets with the text in `twosignal show`.",
    )


def unlike_forecast(step: int, loss: float, *, known: float) -> Finding:
    """Return the finding for a first `loss` that is not the `known` one of the same rows, in nats per target."""
    return alarm(
        "first-loss",
        step,
        message=f"wrong targets: the loss is {loss:.4f} at step {step:,}, and {known:.4f} was predicted "
        "for it before the step",
        evidence={"loss": round(loss, 6), "expected": round(known, 6)},
        remedy="The step does not compute the loss that the proof measured: other rows, another mask or another mode.",
    )


def check_steps(
    steps: NDArray[np.integer],
    loss_sums: NDArray[np.floating],
    *,
    targets: NDArray[np.integer],
    gradient_norms: NDArray[np.floating] | None = None,
    random_chance: float | None = None,
) -> tuple[Finding, ...]:
    """Return what is wrong with many steps, one finding per alarm: its first step and how many more.

    The columns have one entry per step; `loss_sums` are nats over all targets of the step.
    """
    is_suspect = (targets == 0) | (loss_sums == 0) | ~np.isfinite(loss_sums) | (steps <= 1)
    if gradient_norms is not None:
        is_suspect |= ~np.isfinite(gradient_norms) | (gradient_norms == 0)
    found: dict[str, list[Finding]] = {}
    for index in np.flatnonzero(is_suspect):
        seen = Seen(
            step=int(steps[index]),
            loss_sum=float(loss_sums[index]),
            targets=int(targets[index]),
            gradient_norm=None if gradient_norms is None else float(gradient_norms[index]),
        )
        for finding in check_step(seen, Expected(random_chance=random_chance)):
            found.setdefault(finding.id, []).append(finding)
    return tuple(_together(findings) for findings in found.values())


def passes_in_words(seen: Seen) -> str:
    """Return the bad passes of a step, for example `micro-batches 3 and 5 of 8`."""
    numbers = [str(number) for number in seen.bad_passes]
    listed = " and ".join(filter(None, [", ".join(numbers[:-1]), numbers[-1]]))
    return f"micro-batch{'es' if len(numbers) > 1 else ''} {listed} of {seen.num_passes}"


def alarm(identity: str, step: int, *, message: str, evidence: Mapping[str, object], remedy: str) -> Finding:
    """Return an alarm of `MONITORS`; its evidence names the monitor and which of the three words it is."""
    monitor = MONITORS[identity]
    return Finding(
        id=identity,
        severity="alarm",
        message=message,
        evidence={"monitor": monitor.id, "kind": monitor.word, **evidence},
        steps=(step,),
        remedy=remedy,
    )


def _is_finite(value: float | None) -> bool:
    return value is None or math.isfinite(value)


def _count(targets: int | None) -> str:
    return "targets unknown" if targets is None else f"{targets:,} targets"


def _in_words(value: float | None) -> str:
    return "not measured" if value is None else f"{value:g}"


def _first_loss(loss: float, expected: Expected, *, step: int) -> list[Finding]:
    chance, known = expected.random_chance, expected.loss
    if chance is not None and loss > chance + FIRST_STEP_NATS:
        return [worse_than_random(step, loss, random_chance=chance)]
    if known is not None and math.isfinite(known) and abs(loss - known) > expected.tolerance:
        return [unlike_forecast(step, loss, known=known)]
    return []


def _together(findings: list[Finding]) -> Finding:
    first = findings[0]
    more = f", and at {len(findings) - 1:,} later steps" if len(findings) > 1 else ""
    return Finding(
        id=first.id,
        severity=first.severity,
        message=first.message + more,
        evidence={**first.evidence, "num_steps": len(findings)},
        steps=tuple(finding.steps[0] for finding in findings[:MAX_STEPS]),
        remedy=first.remedy,
    )
