"""Learning told apart from a change of mix: takes losses by source of two windows, gives what each did to the whole.

The loss of a window is the sum over the sources of mix times loss. Between two windows it changes by

    learning      the change of each source's loss, at the mean of both mixes
    composition   the change of the mix, at the mean of both losses

and the two add up to the change exactly (the decomposition of Bennet 1920). A source that one window lacks has the loss of
the other window in both, so that it counts as composition alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twosignal.audits.finding import Finding
from twosignal.records.columns import Rows, source_column, sources_of

LEAST_NATS = 0.02
"""Composition below this is not worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSum:
    """Training loss of one source over a window, undivided."""

    total: float
    """Nats."""
    targets: int
    """Targets."""


Window = Mapping[str, SourceSum]
"""Sums by source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The change of the training loss between two windows, told apart."""

    before: float
    """Nats per target of the first window."""
    after: float
    """Nats per target of the second."""
    learning: float
    """What the sources' own losses did, in nats per target."""
    composition: float
    """What the change of the mix did."""

    @property
    def change(self) -> float:
        """Nats per target, below 0 where the loss fell."""
        return self.after - self.before

    def as_dict(self) -> dict[str, float]:
        """Return the split as plain values."""
        return {
            "before": self.before,
            "after": self.after,
            "learning": self.learning,
            "composition": self.composition,
        }


def split_change(before: Window, after: Window) -> Split | None:
    """Return the split of the change from one window to the next; None when either has no targets."""
    old, new = _parts(before), _parts(after)
    if not old or not new:
        return None
    learning = composition = 0.0
    for name in old | new:
        mix_old, loss_old = old.get(name, (0.0, new.get(name, (0.0, 0.0))[1]))
        mix_new, loss_new = new.get(name, (0.0, loss_old))
        learning += (mix_old + mix_new) / 2 * (loss_new - loss_old)
        composition += (loss_old + loss_new) / 2 * (mix_new - mix_old)
    return Split(before=_mean(old), after=_mean(new), learning=learning, composition=composition)


def window_split(rows: Rows) -> Split | None:
    """Return the split from the first half of the steps in `rows`, shape [steps], to the second; None for one source."""
    sources = sources_of(rows.dtype.names or ())
    middle = len(rows) // 2
    if len(sources) < 2 or not middle:
        return None
    return split_change(_window(rows[:middle], sources), _window(rows[middle:], sources))


def split_line(split: Split | None) -> str:
    """Return the split as one sentence."""
    if split is None:
        return "the change of the training loss cannot be told apart: fewer than two sources or two steps"
    return (
        f"training loss {split.before:.3f} in the first half, {split.after:.3f} in the second ({split.change:+.3f}): "
        f"learning {split.learning:+.3f}, change of mix {split.composition:+.3f}"
    )


def mix_adjusted(losses: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    """Return the losses mixed by fixed weights, over the sources that have both; None when none has.

    Where the weights of all measured sources are 0, they count alike.
    """
    known = {name: weights[name] for name in losses if name in weights}
    if not known:
        return None
    if not any(known.values()):
        known = dict.fromkeys(known, 1.0)
    return sum(weight * losses[name] for name, weight in known.items()) / sum(known.values())


def mix_findings(split: Split | None, *, steps: tuple[int, int]) -> tuple[Finding, ...]:
    """Return a warning when the loss fell and the change of the mix, not learning, is the larger part of it."""
    if split is None or split.change > -LEAST_NATS or split.composition > split.learning:
        return ()
    finding = Finding(
        id="mix-not-learning",
        severity="warning",
        message=f"the training loss fell by {-split.change:.3f} nats within steps {steps[0]:,} to {steps[1]:,}, and "
        f"{-split.composition:.3f} of it is the change of the mix: at a fixed mix it went by {split.learning:+.3f}",
        evidence={name: round(value, 4) for name, value in split.as_dict().items()},
        steps=steps,
        remedy="Judge progress by the held-out loss, which is weighed by the fixed target.",
    )
    return (finding,)


def _window(rows: Rows, sources: Sequence[str]) -> dict[str, SourceSum]:
    sums = {}
    for name in sources:
        totals, targets = rows[source_column("loss_sum", name)], rows[source_column("targets", name)]
        is_known = np.isfinite(totals)
        sums[name] = SourceSum(total=float(totals[is_known].sum()), targets=int(targets[is_known].sum()))
    return sums


def _parts(window: Window) -> dict[str, tuple[float, float]]:
    """Return (share of the targets, nats per target) of every source that had targets."""
    count = sum(one.targets for one in window.values())
    return {
        name: (one.targets / count, one.total / one.targets) for name, one in window.items() if one.targets
    }


def _mean(parts: Mapping[str, tuple[float, float]]) -> float:
    return sum(mix * loss for mix, loss in parts.values())
