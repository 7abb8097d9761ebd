"""Which records count: takes the forks of a run, gives the stretches of its files that tell the newest attempt.

Nothing in a run folder is overwritten. Where a run leaves the path of its earlier records, it writes
a fork line and goes on at the end of the files under the next attempt number. The fork says after how
many lines and rows of its parent it left, so the records that count are the parent's up to there,
and the parent's parent's before, and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twosignal.records.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Where an attempt left its parent."""

    attempt: int
    """Number of the new attempt, from 1."""
    parent: int
    """Number of the attempt it left."""
    step: int
    """First step of the new attempt."""
    events: int
    """Lines of events.jsonl after the header that count, the parent's last included."""
    steps: int
    """Rows of learning.bin, one per step, that count, the parent's last included."""
    index: int
    """Where the fork line itself stands, in lines after the header."""

    def record(self) -> dict[str, Json]:
        """Return what the fork line says."""
        return {
            "fork": self.attempt,
            "parent": self.parent,
            "step": self.step,
            "events": self.events,
            "steps": self.steps,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of records of one attempt."""

    attempt: int
    """Number of the attempt."""
    events: range
    """Lines of events.jsonl after the header; a later attempt's first is its fork line."""
    rows: range
    """Rows of learning.bin."""


def live_segments(
    forks: Sequence[Fork], *, num_lines: int, row_attempts: npt.NDArray[np.int32]
) -> list[Segment]:
    """Return the stretches that count, oldest first.

    `row_attempts` is the attempt column of learning.bin, shape [rows]: it never falls, because a later
    attempt is written behind all earlier ones.
    """
    if not forks:
        return [Segment(attempt=0, events=range(num_lines), rows=range(len(row_attempts)))]
    starts = [0, *(fork.index for fork in forks), num_lines]
    bounds = np.searchsorted(row_attempts, np.arange(len(forks) + 2)).tolist()
    attempt = len(forks)
    live = [
        Segment(
            attempt=attempt,
            events=range(starts[attempt], num_lines),
            rows=range(bounds[attempt], len(row_attempts)),
        )
    ]
    while attempt:
        fork = forks[attempt - 1]
        attempt = fork.parent
        live.append(
            Segment(
                attempt=attempt,
                events=range(starts[attempt], fork.events),
                rows=range(bounds[attempt], fork.steps),
            )
        )
    return live[::-1]
