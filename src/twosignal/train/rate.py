"""The learning rate of a run that changes under way: takes the schedule and what happened, gives each step's factor.

Two things bend the schedule. A *rewarm* follows a change of the sources: from there the factor climbs linearly from 0 to where
the schedule is, over `rewarm` steps. A *restart* follows a plateau: the factor climbs from where it stands to 1 and falls
again, as the schedule would over the steps that are left (warm restarts, Loshchilov and Hutter 2017; with rewarming, as in
Ibrahim et al. 2024).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from twosignal.train.optimizer import LearningRate

RESTART_BELOW = 0.5
"""Above this share of the peak a restart would change little: the rate is not what holds the run."""
RESTART_WARMUP = 0.02
"""Share of the steps left over which a restart climbs."""


@dataclass(slots=True, kw_only=True)
class Rate:
    """The learning rate as a share of the peak."""

    schedule: LearningRate
    """As the run file asks for."""
    rewarm: float = 0.0
    """Steps of a rewarm; below 1 a share of all steps, 0 none."""
    rewarmed_at: int | None = None
    """Last step before the newest rewarm."""
    restarted_at: int | None = None
    """Last step before the restart; a run has one at most."""
    restarted_from: float = 1.0
    """Factor of that step."""

    def factor(self, step: int) -> float:
        """Return the share of the peak used in step `step`, counted from 1."""
        whole = self._scheduled(step)
        steps = self.rewarm_steps
        if self.rewarmed_at is None or not steps:
            return whole
        return whole * min(1.0, max(0, step - self.rewarmed_at) / steps)

    @property
    def rewarm_steps(self) -> int:
        """Steps of a rewarm."""
        share = math.ceil(round(self.rewarm * self.schedule.steps, 6))
        return share if self.rewarm < 1 else int(self.rewarm)

    def sources_changed(self, step: int) -> bool:
        """Begin a rewarm after `step`; return whether the run has any."""
        if not self.rewarm_steps:
            return False
        self.rewarmed_at = step
        return True

    def restart(self, step: int) -> bool:
        """Begin a restart after `step`; return False where there was one, or the rate is still high."""
        factor = self.factor(step)
        if self.restarted_at is not None or factor >= RESTART_BELOW or step >= self.schedule.steps:
            return False
        self.restarted_at, self.restarted_from = step, factor
        return True

    def state(self) -> dict[str, Any]:
        """Return what has happened, as plain data."""
        return {
            "rewarmed_at": self.rewarmed_at,
            "restarted_at": self.restarted_at,
            "restarted_from": self.restarted_from,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self.rewarmed_at, self.restarted_at = state["rewarmed_at"], state["restarted_at"]
        self.restarted_from = state["restarted_from"]

    def _scheduled(self, step: int) -> float:
        if self.restarted_at is None or step <= self.restarted_at:
            return self.schedule.factor(step)
        left = self.schedule.steps - self.restarted_at
        again = replace(self.schedule, steps=left, warmup=RESTART_WARMUP)
        since = step - self.restarted_at
        climb = math.ceil(round(RESTART_WARMUP * left, 6))
        if since <= climb:
            return self.restarted_from + (1 - self.restarted_from) * since / climb
        return again.factor(since)
