"""The opening trial: takes the targets' losses around a few windows, says whether the prior's mix or the mix by rows does more.

The windows draw by the prior, by rows, by the prior, each wholly by the one or the other, so that what training does anyway,
which slows down, falls to both alike or favours the prior; where neither is clearly better, two more follow, and two more.
Before them the run has left its first steep part, where any text teaches the same things. Where the mix by rows clearly does
more for the targets, the prior is wrong and is given up; a trial that misses a reading says nothing, and the prior is trusted.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

LEAST_WINDOW = 5
"""Steps."""
PART = 50
"""Windows of the trial that the run would hold: a good prior pays with a fiftieth of the rows, drawn early."""
WAIT = 5
"""Windows before the trial: past the warmup of the learning rate, and past what any text teaches."""
LATEST = 16
"""Windows after which a run that goes on under another run file has no trial: its base windows would weigh too much."""
LARGEST_PART = 0.25
"""Of the run, within which the first three windows must fit; shorter runs have none."""
LEAST_WINDOWS, MOST_WINDOWS = 3, 7
"""Windows before the first verdict, and before the last."""
CLEARLY = 0.1
"""How much more the better mix must do, as a part of what a window of each does."""
WANDER = 0.012
"""How much more it must do at least, as a part of the loss: readings of the same few rows wander by about a third of that."""

Turn = Literal["prior", "rows"]
TURNS: tuple[Turn, ...] = ("prior", "rows")


def trial_for(steps: int, window: int) -> int:
    """Return the steps of one window of the trial in a run of `steps` with windows of `window`; 0 where it is too short.

    No less than half of `window`, which keeps the readings within what they may cost.
    """
    length = max(LEAST_WINDOW, math.ceil(steps / PART), math.ceil(window / 2))
    return length if length * (WAIT + LEAST_WINDOWS) <= LARGEST_PART * steps else 0


class Trial:
    """Readings of the targets, around windows of `length` steps."""

    def __init__(self, targets: Mapping[str, float], length: int) -> None:
        self.targets = dict(targets)
        """Weight of each target; they sum to 1."""
        self.length = length
        self.is_open = length > 0
        """Whether a verdict is still to come."""
        self.began: int | None = None
        """Step before the first one seen; None until then."""
        self.readings: list[dict[str, float]] = []

    @property
    def last_step(self) -> int:
        """Step of the last reading; where there was none the one before the first step."""
        return self.due - self.length if self.readings else self.began or 0

    @property
    def windows(self) -> int:
        """Windows that have ended."""
        return max(0, len(self.readings) - 1)

    @property
    def turn(self) -> Turn:
        """Whose mix the rows are drawn by; the prior's before the first reading and after the trial."""
        return TURNS[self.windows % 2] if self.is_open else "prior"

    @property
    def due(self) -> int:
        """Step of the next reading."""
        return (self.began or 0) + (WAIT + len(self.readings)) * self.length

    def pass_step(self, step: int) -> None:
        """Begin with the first step seen; close the trial where that is late in the run, or a reading was not taken."""
        if self.began is None:
            self.began = step - 1 if self.length else 0
            self.is_open = self.is_open and self.began <= LATEST * self.length
        self.is_open = self.is_open and step <= self.due

    def restart(self) -> None:
        """Begin anew with the next step: other sources may be drawn from there on."""
        self.is_open, self.began, self.readings = self.length > 0, None, []

    def read(self, step: int, losses: Mapping[str, float]) -> bool:
        """Take in a reading; return whether it was the last one. One that lacks a target closes the trial."""
        if step != self.due or not all(0 < losses.get(name, 0.0) < math.inf for name in self.targets):
            self.is_open = False
            return False
        self.readings.append({name: losses[name] for name in self.targets})
        if self.windows >= LEAST_WINDOWS and self.windows % 2:
            self.is_open = self.better() is None and self.windows < MOST_WINDOWS
        return not self.is_open

    def gains(self) -> dict[Turn, float]:
        """Return how far the targets' loss fell in a window of each mix, as a part of itself, targets by weight."""
        fallen: dict[Turn, list[float]] = {turn: [] for turn in TURNS}
        for place, (before, after) in enumerate(pairwise(self.readings)):
            falls = [weight * math.log(before[name] / after[name]) for name, weight in self.targets.items()]
            fallen[TURNS[place % 2]].append(math.fsum(falls))
        return {turn: math.fsum(falls) / len(falls) for turn, falls in fallen.items()}

    def better(self) -> Turn | None:
        """Return whose mix clearly does more; None where that is not clear."""
        gains = self.gains()
        ahead = gains["rows"] - gains["prior"]
        if abs(ahead) <= max(CLEARLY * (abs(gains["rows"]) + abs(gains["prior"])), WANDER):
            return None
        return "rows" if ahead > 0 else "prior"

    def told(self) -> str:
        """Return where the trial stands as one sentence."""
        if self.is_open:
            drawn = "the mix found before the run" if self.turn == "prior" else "the mix by rows"
            return f"trial: the next {self.length} steps draw by {drawn}"
        if self.windows < LEAST_WINDOWS or self.windows % 2 == 0:
            return "trial: it ends without a verdict, a reading was not whole"
        gains = self.gains()
        verdict = "the mix by rows takes over" if self.better() == "rows" else "the latter stays"
        return (
            f"trial: {self.length} steps by rows took {gains['rows']:.1%} off the targets' loss, as many by the mix found "
            f"before the run {gains['prior']:.1%}: {verdict}"
        )

    def state(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "length": self.length,
            "is_open": self.is_open,
            "began": self.began,
            "readings": [dict(losses) for losses in self.readings],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; raise KeyError, TypeError or ValueError when it does not fit."""
        began = state["began"]
        self.length, self.is_open = int(state["length"]), bool(state["is_open"])
        self.began = None if began is None else int(began)
        self.readings = [{name: float(losses[name]) for name in self.targets} for losses in state["readings"]]
