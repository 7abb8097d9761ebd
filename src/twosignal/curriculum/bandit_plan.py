"""The run that the bandit works in: takes its rows and targets, gives windows, how far they tilt, and what epochs allow.

Tilts shrink as the run goes on and end before it does, because what is drawn last weighs most in what the target is left
with; sources are held from the start to shares that keep them within the epochs that pay, so that nothing is used up early.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twosignal.curriculum.bounds import fit, relaxed
from twosignal.curriculum.limits import PAYING_EPOCHS
from twosignal.curriculum.policy import Arm, Shares
from twosignal.curriculum.still import row_shares

LEAST_WINDOW = 10
"""Steps; shorter windows show noise."""
TILT = 0.4
"""How far a source's share is raised or lowered in the first windows, as a part of itself."""
STILL = 0.2
"""Last part of a run that is not tilted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the bandit must know of its run."""

    targets: Mapping[str, float]
    """Weight of each target, by the names that probes use."""
    window: int
    """Steps from one reading of the targets to the next, see `window_for`."""
    trial: int = 0
    """Steps of a window of the opening trial, see `trial_for`; 0: none."""
    rows: int | None = None
    """Rows of the whole run, if known."""

    def swing(self, drawn: int) -> float:
        """Return how far windows tilt after `drawn` rows: 0 in the last part of a run whose end is known."""
        if not self.rows:
            return TILT / 2
        return TILT * max(0.0, 1 - drawn / ((1 - STILL) * self.rows))

    def within_epochs(self, wanted: Shares, arms: Sequence[Arm], drawn: Mapping[str, int]) -> Shares:
        """Return the shares held to what keeps every source within the paying epochs until the end of the run.

        Where all sources together have too few rows for that, all give way alike.
        """
        left = (self.rows or 0) - sum(drawn.values())
        if left <= 0:
            return wanted
        most = {arm.name: max(0.0, PAYING_EPOCHS * arm.rows - drawn[arm.name]) / left for arm in arms}
        if not any(most.values()):
            return wanted
        bounds = relaxed({name: (0.0, min(1.0, share)) for name, share in most.items()}, ())
        return fit(wanted, bounds, spare=row_shares(arms))


def window_for(probe_rows: int, step_rows: int, *, budget: float = 0.015) -> int:
    """Return the steps of a window, at least 10, in which reading `probe_rows` costs at most `budget` of the training.

    A row read costs a third of a row learned: forward alone, against forward and backward.
    """
    return max(LEAST_WINDOW, math.ceil(probe_rows / (3 * step_rows * budget)))
