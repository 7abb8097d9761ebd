"""What no policy may pass: takes the run file's floors, caps, warmup phase and epochs; refuses what cannot be kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from twosignal.curriculum.policy import Arm
from twosignal.errors import ConfigError

EPOCH_CAP = 5.0
"""Epochs of one source after which it is not drawn again."""
PAYING_EPOCHS = 4.0
"""Epochs up to which repeated rows are almost as good as fresh ones (Muennighoff et al. 2023)."""
REPEAT_SCALE = 15.4
"""Repetitions after which a repeated row is worth 1/e of a fresh one (R* of the same paper)."""
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds that hold for every policy; floors and caps of single sources are the arms' own."""

    warmup_steps: int = 0
    """First steps that only `warmup_sources` are drawn in."""
    warmup_sources: tuple[str, ...] = ()
    """Sources of the warmup phase."""
    epoch_cap: float | None = EPOCH_CAP
    """Epochs of a source after which it is not drawn again; None: never."""
    paying_epochs: float = PAYING_EPOCHS
    """Whole epochs from which a source weighs what its next repetition is worth, see `repeat_worth`."""
    planned_rows: int | None = None
    """Rows of the whole run, if known: where the epoch cap would use up every source before the end, it is off."""
    pull: Literal["row", "step"] = "row"
    """What one draw decides. row: the rows of every step are mixed by the shares; step: all rows of a step come from
    one source, the steps are mixed by the shares (the second story; costs 0.3 nats and more)."""
    floors: Literal["share", "weight"] = "share"
    """What an arm's floor is. share: its least share of the whole; weight: the policy's own matter (classic)."""

    def is_warmup(self, step: int) -> bool:
        """Return whether the rows of `step` are drawn in the warmup phase; the first step is 1."""
        return step <= self.warmup_steps

    def epochs_allowed(self, arms: Sequence[Arm]) -> float | None:
        """Return the epoch cap as it can be kept: None with one source, and where the plan needs more rows than it leaves."""
        drawable = [arm for arm in arms if arm.cap > 0]
        if self.epoch_cap is None or len(arms) < 2:
            return None
        allowed = self.epoch_cap * sum(arm.rows for arm in drawable)
        return None if (self.planned_rows or 0) > allowed else self.epoch_cap

    def check(self, arms: Sequence[Arm]) -> None:
        """Raise ConfigError, with what to change, when the limits cannot all be kept."""
        _check_names(self, arms)
        for arm in arms:
            _check_arm(arm, floors_are_shares=self.floors == "share")
        if self.floors == "share" and (floors := sum(arm.floor for arm in arms)) > 1 + ROUNDING:
            message = "the floors of all sources together exceed the whole"
            raise ConfigError(message, where="[sources]", found=f"sum {floors:.2f}", expected="at most 1")
        _check_caps(arms, "all sources")
        if self.warmup_steps:
            _check_caps([arm for arm in arms if arm.name in self.warmup_sources], "the warmup sources")
        if self.epoch_cap is not None and self.epoch_cap < 1:
            message = "the epoch cap would stop a source before all of it was read"
            raise ConfigError(
                message, where="[curriculum]", found=f"{self.epoch_cap:g} epochs", expected="at least 1"
            )


def _check_names(limits: Limits, arms: Sequence[Arm]) -> None:
    names = [arm.name for arm in arms]
    if not names:
        message = "there is no source to draw from"
        raise ConfigError(message, where="[sources]", remedy="Add a [sources.NAME] table.")
    unknown = [name for name in limits.warmup_sources if name not in names]
    if unknown:
        message = f"the warmup phase names a source that the run does not have: {unknown[0]}"
        raise ConfigError(message, where="[curriculum]", expected=f"some of {', '.join(names)}")
    if limits.warmup_steps and not limits.warmup_sources:
        message = "the warmup phase has steps and no sources"
        raise ConfigError(message, where="[curriculum]", remedy="Name the sources that the run begins with.")


def _check_arm(arm: Arm, *, floors_are_shares: bool) -> None:
    where = f"[sources.{arm.name}]"
    if arm.rows < 1:
        message = "the source has no rows"
        raise ConfigError(message, where=where, found=f"{arm.rows} rows", expected="at least 1")
    if not (0 <= arm.floor <= 1 and 0 <= arm.cap <= 1):
        message = "floor and cap are shares of the rows"
        found = f"floor {arm.floor:g}, cap {arm.cap:g}"
        raise ConfigError(message, where=where, found=found, expected="each from 0 to 1")
    if floors_are_shares and arm.floor > arm.cap:
        message = "the floor stands above the cap"
        raise ConfigError(message, where=where, found=f"floor {arm.floor:g}, cap {arm.cap:g}")


def _check_caps(arms: Sequence[Arm], what: str) -> None:
    if (caps := sum(arm.cap for arm in arms)) < 1 - ROUNDING:
        message = f"the caps of {what} together leave part of every step to nobody"
        remedy = "Raise a cap, or add a source without one."
        raise ConfigError(
            message, where="[sources]", found=f"sum {caps:.2f}", expected="at least 1", remedy=remedy
        )


def repeat_worth(epochs: float) -> float:
    """Return what one more row is worth after `epochs` epochs, against a fresh row: 1 within the first, then less.

    The slope of `fresh_epochs`: 0.82 after 4 epochs, 0.38 after 16.
    """
    return math.exp(-max(0.0, epochs - 1) / REPEAT_SCALE)


def fresh_epochs(epochs: float) -> float:
    """Return how many epochs of fresh rows `epochs` epochs of the same rows are worth: 4 are worth 3.73, 16 are worth 10.6.

    U + U R* (1 - exp(-R / R*)), with U the rows of one epoch, R the repetitions (epochs - 1) and R* 15.4
    (Muennighoff et al. 2023, "Scaling data-constrained language models").
    """
    return min(epochs, 1.0) + REPEAT_SCALE * (1 - repeat_worth(epochs))
