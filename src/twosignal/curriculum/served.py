"""What the sources gave so far: takes every draw and every loss, gives rows, epochs, coverage and the newest losses."""

from collections.abc import Mapping, Sequence
from typing import Any

from twosignal.curriculum.policy import Arm, Shares


class Served:
    """Counts of one run, by source; plain data."""

    def __init__(self, arms: Sequence[Arm]) -> None:
        self._rows = {arm.name: arm.rows for arm in arms}
        self.drawn = dict.fromkeys(self._rows, 0)
        """Rows drawn."""
        self.owed = dict.fromkeys(self._rows, 0.0)
        """Rows that the shares in force promised, summed over all draws."""
        self.counted = dict.fromkeys(self._rows, 0.0)
        """Epochs as the run itself counts them."""
        self.pull_rows = 1
        """Most rows that one draw decided."""
        self.losses: dict[str, float] = {}
        """Newest training loss, nats per target."""
        self.probes: dict[str, float] = {}
        """Newest held-out loss by target, nats per target."""

    def draw(self, name: str, shares: Shares) -> None:
        """Count one row."""
        self.drawn[name] += 1
        for other, share in shares.items():
            self.owed[other] += share

    def epochs(self, name: str) -> float:
        """Return how often the source has been read, by its rows or by the run's own count, whichever is more."""
        return max(self.drawn[name] / self._rows[name], self.counted[name])

    def coverage(self, name: str) -> float:
        """Return the part of the source's rows seen at least once: an epoch draws every row once before any twice."""
        return min(1.0, self.epochs(name))

    def state(self) -> dict[str, Any]:
        """Return every count."""
        return {
            "drawn": dict(self.drawn),
            "owed": dict(self.owed),
            "counted": dict(self.counted),
            "pull_rows": self.pull_rows,
            "losses": dict(self.losses),
            "probes": dict(self.probes),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned, of the same sources."""
        self.drawn = {name: int(state["drawn"][name]) for name in self._rows}
        self.owed = {name: float(state["owed"][name]) for name in self._rows}
        self.counted = {name: float(state["counted"][name]) for name in self._rows}
        self.pull_rows = int(state["pull_rows"])
        self.losses = {name: float(loss) for name, loss in state["losses"].items()}
        self.probes = {name: float(loss) for name, loss in state["probes"].items()}
