"""Alarms on the training loss itself: takes the numbers of one step or of many, gives `Finding`s.

no-targets         a step had nothing to learn from
zero-loss          the loss is exactly 0 although there were targets
non-finite         the loss or the gradient norm is nan or inf
worse-than-random  the first loss is more than 1 nat above ln(vocabulary)
"""

import math

import numpy as np
from numpy.typing import NDArray

from twosignal.audits.finding import Finding

FIRST_STEP_NATS = 1.0
"""Nats above random chance from which a first loss is suspicious; an untrained model starts at chance."""
MAX_STEPS = 20
"""Steps a finding lists."""


def check_step(
    step: int,
    loss_sum: float,
    *,
    targets: int,
    gradient_norm: float | None = None,
    random_chance: float | None = None,
) -> tuple[Finding, ...]:
    """Return what is wrong with one optimizer step.

    `loss_sum` is in nats over all `targets` of the step; `gradient_norm` is before clipping;
    `random_chance` is ln(vocabulary) and matters at step 1 only.
    """
    if targets == 0:
        return (no_targets(step),)
    loss = loss_sum / targets
    if not math.isfinite(loss) or (gradient_norm is not None and not math.isfinite(gradient_norm)):
        return (non_finite(step, loss, gradient_norm=gradient_norm),)
    if loss == 0:
        return (zero_loss(step, targets),)
    if step <= 1 and random_chance is not None and loss > random_chance + FIRST_STEP_NATS:
        return (worse_than_random(step, loss, random_chance=random_chance),)
    return ()


def no_targets(step: int) -> Finding:
    """Return the finding for a step without a single supervised target."""
    return Finding(
        id="no-targets",
        severity="alarm",
        message=f"no targets at step {step:,}: 0 tokens were supervised, so there is no loss to speak of",
        evidence={"targets": 0},
        steps=(step,),
        remedy="See which turns `supervise` selects and whether the rows still carry them: "
        "`twosignal show` prints them as the model sees them.",
    )


def zero_loss(step: int, targets: int) -> Finding:
    """Return the finding for a loss of exactly 0 over `targets` targets."""
    return Finding(
        id="zero-loss",
        severity="alarm",
        message=f"the loss is exactly 0 at step {step:,} over {targets:,} targets: "
        "no model is ever certain, so the targets must be wrong",
        evidence={"targets": targets, "loss": 0.0},
        steps=(step,),
        remedy="Look at the targets with `twosignal show`: a lost mask or one repeated token does this.",
    )


def non_finite(step: int, loss: float, *, gradient_norm: float | None = None) -> Finding:
    """Return the finding for a `loss` (nats per target) or `gradient_norm` that is nan or inf."""
    what = "the loss" if not math.isfinite(loss) else "the gradient norm"
    norm = "not recorded" if gradient_norm is None else f"{gradient_norm:g}"
    return Finding(
        id="non-finite",
        severity="alarm",
        message=f"{what} is not a finite number at step {step:,} (loss {loss:g}, gradient norm {norm})",
        evidence={"loss": f"{loss:g}", "gradient_norm": norm},
        steps=(step,),
        remedy="Lower train.learning_rate, keep train.clip at 1, or train in float32; "
        "then resume from the last checkpoint before this step.",
    )


def worse_than_random(step: int, loss: float, *, random_chance: float) -> Finding:
    """Return the finding for a first `loss` far above `random_chance`, both in nats per target."""
    return Finding(
        id="worse-than-random",
        severity="alarm",
        message=f"the loss is {loss:.2f} at step {step:,}, and guessing at random gives {random_chance:.2f}: "
        "the targets are not what the model is asked for",
        evidence={"loss": round(loss, 4), "random_chance": round(random_chance, 4)},
        steps=(step,),
        remedy="A wrong tokenizer, a wrong chat template or targets shifted by one do this; "
        "compare the targets with the text in `twosignal show`.",
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

    The columns have one entry per step; see `check_step` for their units.
    """
    is_suspect = (targets == 0) | (loss_sums == 0) | ~np.isfinite(loss_sums) | (steps <= 1)
    if gradient_norms is not None:
        is_suspect |= ~np.isfinite(gradient_norms)
    found: dict[str, list[Finding]] = {}
    for index in np.flatnonzero(is_suspect):
        for finding in check_step(
            int(steps[index]),
            float(loss_sums[index]),
            targets=int(targets[index]),
            gradient_norm=None if gradient_norms is None else float(gradient_norms[index]),
            random_chance=random_chance,
        ):
            found.setdefault(finding.id, []).append(finding)
    return tuple(_together(findings) for findings in found.values())


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
