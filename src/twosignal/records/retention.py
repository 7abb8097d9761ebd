"""Which checkpoints stay: takes the steps of those that are told, gives the steps to keep, and how many that will be.

The newest few stay, and behind them a ladder that gets wider with age: of a run of 2,000 checkpoints about eleven, each
about twice as old as the one before it. A checkpoint on a rung was on every rung before, so nothing that is thinned
out is ever needed again. The newest at or before a verdict that changed anything stays, too.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

BESIDES: Final = 4
"""Checkpoints kept at any time besides the newest and the ladder: the best, two to roll back to, one being written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What the run file says of keeping."""

    keep: int
    """Newest checkpoints that stay."""
    every: int
    """Steps between checkpoints."""
    ladder: bool = True
    """Whether older ones stay at growing distances."""

    def steps_to_keep(self, steps: Sequence[int], *, verdicts: Collection[int] = ()) -> set[int]:
        """Return which of the checkpoints' `steps`, ascending, stay; `verdicts` are the steps of those that count."""
        newest = steps[-1] if steps else 0
        kept = set(steps[-self.keep :])
        kept |= {step for step in steps if self.ladder and self.is_rung(step, newest=newest)}
        before = ([step for step in steps if step <= verdict] for verdict in verdicts)
        return kept | {found[-1] for found in before if found}

    def is_rung(self, step: int, *, newest: int) -> bool:
        """Return whether a checkpoint stands on the ladder while `newest` is the newest.

        Checkpoint number n stays until it is 2 d old, counted in checkpoints, where d is the largest power of two
        that divides n: of every two neighbours on one rung the one that divides better climbs to the next.
        """
        number, rest = divmod(step, self.every)
        return not rest and number > 0 and newest // self.every - number < 2 * (number & -number)

    def most(self, steps: int) -> int:
        """Return how many checkpoints a run of `steps` steps keeps at most, apart from those of verdicts."""
        saved = math.ceil(steps / self.every)
        rungs = saved.bit_length() if self.ladder else 0
        return min(saved, self.keep + rungs + BESIDES)


def changes(verdicts: Sequence[tuple[int, str]]) -> list[int]:
    """Return the steps of the verdicts that differ from the one before them and are not `continue`.

    `verdicts` are steps and kinds in order. A gate that says the same at every sampling has said it once.
    """
    before = ["continue", *(kind for _, kind in verdicts)]
    return [
        step for (step, kind), last in zip(verdicts, before, strict=False) if kind not in (last, "continue")
    ]
