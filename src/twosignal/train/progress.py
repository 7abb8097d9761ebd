"""How a run gets on: takes steps and probes, gives what of the change of loss is learning, and when it stands still.

Everything it keeps is plain data for the checkpoint: sums of two windows, each from one probe to the next, and one held-out
loss for every stretch of steps that a twentieth more ends.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twosignal.audits.diagnosis import GROWTH
from twosignal.audits.finding import Finding
from twosignal.audits.mix import SourceSum, split_change
from twosignal.audits.starvation import plateau_finding
from twosignal.curriculum.policy import Shares
from twosignal.train.loss import Tally


@dataclass(slots=True)
class Stretch:
    """Training loss by source from one probe to the next."""

    first: int = 0
    """First step; 0 before any."""
    last: int = 0
    """Last step."""
    sums: dict[str, list[float]] = field(default_factory=dict)
    """Nats and targets by source."""

    def add(self, step: int, by_source: Mapping[str, Tally]) -> None:
        """Take in a step; losses that are not finite are left out."""
        self.first, self.last = self.first or step, step
        for name, tally in by_source.items():
            if tally.count and math.isfinite(tally.total):
                own = self.sums.setdefault(name, [0.0, 0.0])
                own[0] += tally.total
                own[1] += tally.count

    def window(self) -> dict[str, SourceSum]:
        """Return the sums as the audits take them."""
        return {
            name: SourceSum(total=total, targets=int(count)) for name, (total, count) in self.sums.items()
        }

    def state(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {"first": self.first, "last": self.last, "sums": self.sums}


class Progress:
    """What a run remembers of its losses."""

    def __init__(self) -> None:
        self._before, self._now = Stretch(), Stretch()
        self._probes: dict[str, list[float]] = {}
        self._told_at = 0

    def step(self, step: int, by_source: Mapping[str, Tally]) -> None:
        """Take in the training loss of a step."""
        self._now.add(step, by_source)

    def split(self) -> dict[str, Any] | None:
        """Return what of the newest change of loss is learning and what is mix, and begin the next window.

        None while there are not two windows with targets.
        """
        found = split_change(self._before.window(), self._now.window())
        steps = [[self._before.first, self._before.last], [self._now.first, self._now.last]]
        if self._now.first:
            self._before, self._now = self._now, Stretch()
        return None if found is None else {"steps": steps, **found.as_dict()}

    def plateau(
        self, step: int, loss: float, *, epochs: Mapping[str, float], shares: Shares
    ) -> Finding | None:
        """Take in a held-out loss; return the finding when a plateau is first seen at this probe."""
        if not step or not math.isfinite(loss):
            return None
        self._probes[str(int(math.log(step) / math.log(GROWTH) + 1e-9))] = [step, loss]
        probes = [(int(at), value) for at, value in self._probes.values()]
        finding = plateau_finding(probes, epochs=epochs, shares=shares)
        if finding is None or finding.steps[0] < self._told_at:
            return None
        self._told_at = step
        return finding

    def state(self) -> dict[str, Any]:
        """Return everything it remembers."""
        return {
            "before": self._before.state(),
            "now": self._now.state(),
            "probes": self._probes,
            "told_at": self._told_at,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._before, self._now = Stretch(**state["before"]), Stretch(**state["now"])
        self._probes, self._told_at = dict(state["probes"]), state["told_at"]
