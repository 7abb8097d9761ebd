"""Rule "soup", on held-out loss: takes one probe after the other, gives a sentence when the model has rotted.

When training blows up, a small model may draw words from a flat or plain frequency distribution. The classic
score calls such text diverse; the held-out loss cannot be fooled. Three ways to fire:

    rising     two probes running more than 1 nat above random chance, or not finite, and not falling
    stuck      not 0.1 below the baseline (loss of guessing tokens by their frequency), and no progress
    collapsed  above 1.5 times the best probe and more than 1 nat above it

Stuck and collapsed must last `patience` probes and 100 steps, so that dense probing cannot make a plateau
of the first minutes look like the end. Stuck gives the first `patience` probes for free, and any new low by
0.1 nats starts its count anew.
"""

import math
from dataclasses import dataclass, field

MARGIN = 0.1
"""Nats below the baseline that count as having learned something, and that count as progress."""
ABOVE_CHANCE = 1.0
"""Nats above random chance that no working model reaches."""
RISING_PROBES = 2
COLLAPSE_FACTOR = 1.5
COLLAPSE_NATS = 1.0
MIN_SPAN_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What held-out loss is measured against."""

    patience: int
    """Probes running that fire the rule."""
    random_chance: float | None = None
    """ln(vocabulary), in nats per token."""
    unigram_loss: float | None = None
    """Entropy of the target frequencies, in nats per token."""

    @property
    def baseline(self) -> float | None:
        """Loss that a model without any context reaches, as far as it is known."""
        return self.random_chance if self.unigram_loss is None else self.unigram_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """How long something has lasted."""

    count: int = 0
    """Probes running."""
    since: int = 0
    """Step of the first of them."""

    def after(self, step: int, *, holds: bool) -> "Streak":
        """Return the streak one probe later."""
        if not holds:
            return Streak()
        return Streak(count=self.count + 1, since=self.since if self.count else step)

    def lasts(self, step: int, *, patience: int) -> bool:
        """Return whether it has lasted `patience` probes and, unless one is enough, 100 steps."""
        return self.count >= patience and (patience == 1 or step - self.since >= MIN_SPAN_STEPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeHistory:
    """What the rule remembers of all probes so far."""

    num_probes: int = 0
    """Probes seen."""
    step: int = 0
    """Step of the newest probe."""
    loss: float | None = None
    """Nats per target of the newest probe; None when it was not finite, or before the first."""
    best: float | None = None
    """Lowest finite loss so far."""
    best_step: int = 0
    """Step of the lowest loss."""
    low: float | None = None
    """Loss from which progress is counted: the newest that was a new low by 0.1."""
    rising: Streak = field(default_factory=Streak)
    """Probes above random chance that did not fall."""
    stuck: Streak = field(default_factory=Streak)
    """Probes not below the baseline, without progress."""
    collapsed: Streak = field(default_factory=Streak)
    """Probes far above the best."""

    @property
    def is_bad(self) -> bool:
        """Whether the newest loss counts towards a halt, or is half as far above the best as one that would."""
        if self.num_probes and self.loss is None:
            return True
        if self.rising.count or self.stuck.count or self.collapsed.count:
            return True
        return self.loss is not None and self.best is not None and self.loss > _half_way(self.best)

    def after(self, step: int, loss: float, *, bars: Bars) -> "ProbeHistory":
        """Return the history with one more probe of `loss` nats per target; nan and inf are not finite."""
        is_finite = math.isfinite(loss)
        height = loss if is_finite else math.inf
        is_best = is_finite and (self.best is None or loss < self.best)
        is_progress = is_finite and (self.low is None or loss < self.low - MARGIN)
        is_falling = self.loss is not None and height < self.loss
        is_excused = is_progress or self.num_probes < bars.patience
        return ProbeHistory(
            num_probes=self.num_probes + 1,
            step=step,
            loss=loss if is_finite else None,
            best=loss if is_best else self.best,
            best_step=step if is_best else self.best_step,
            low=loss if is_progress else self.low,
            rising=self.rising.after(
                step, holds=_is_above(height, bars.random_chance, offset=ABOVE_CHANCE) and not is_falling
            ),
            stuck=self.stuck.after(
                step, holds=_is_above(height, bars.baseline, offset=-MARGIN) and not is_excused
            ),
            collapsed=self.collapsed.after(
                step, holds=self.best is not None and height > _collapse_bar(self.best)
            ),
        )


def soup_sentence(history: ProbeHistory, bars: Bars) -> str | None:
    """Return why the rule fires at the newest probe, or None when it does not."""
    now = "not a finite number" if history.loss is None else f"{history.loss:.2f} nats per token"
    here = f"the held-out loss is {now} at step {history.step:,}"
    if history.rising.count >= RISING_PROBES:
        chance = "" if bars.random_chance is None else f" and random chance is {bars.random_chance:.2f}"
        return f"{here}{chance}: worse than guessing, and not falling, since step {history.rising.since:,}"
    if history.best is not None and history.collapsed.lasts(history.step, patience=bars.patience):
        return (
            f"{here}, after {history.best:.2f} at step {history.best_step:,}: "
            f"{history.collapsed.count} probes running, since step {history.collapsed.since:,}, "
            "show that the model has lost what it had learned"
        )
    if history.stuck.lasts(history.step, patience=bars.patience):
        if bars.unigram_loss is None:
            yardstick = f"guessing at random ({bars.random_chance:.2f})"
        else:
            yardstick = f"guessing tokens by their frequency ({bars.unigram_loss:.2f})"
        return (
            f"{here}, no better than {yardstick}, without progress for {history.stuck.count} probes "
            f"running, since step {history.stuck.since:,}: what it writes has no context in it"
        )
    return None


def loss_clause(history: ProbeHistory) -> str:
    """Return what the held-out loss says beside a verdict on texts, as the end of a sentence; empty without probes."""
    if history.best is None or history.loss is None:
        return "; the held-out loss is not a finite number either" if history.num_probes else ""
    now = f"the held-out loss, {history.loss:.2f} at step {history.step:,},"
    best = f"{history.best:.2f} at step {history.best_step:,}"
    if history.loss > history.best + MARGIN:
        return f"; {now} has risen as well, from {best}"
    return f"; {now} does not show it: its lowest was {best}"


def _is_above(height: float, bar: float | None, *, offset: float) -> bool:
    """Return whether a loss (inf for not finite) is at or over `bar + offset`; only inf is over an unknown bar."""
    return height == math.inf if bar is None else height >= bar + offset


def _collapse_bar(best: float) -> float:
    return max(COLLAPSE_FACTOR * best, best + COLLAPSE_NATS)


def _half_way(best: float) -> float:
    return (best + _collapse_bar(best)) / 2
