"""One path through a run's records: takes forks and rows, gives the rows and event lines that lead up to an attempt.

The newest attempt's track is what counts. The track of an earlier one is what was seen then: the same records up to
where the run turned back, and behind it those that no longer count.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twosignal.records.columns import Rows
from twosignal.records.lineage import Fork


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Records in the order in which they were lived through."""

    attempt: int
    """The attempt it leads to."""
    rows: tuple[range, ...]
    """Stretches of learning.bin."""
    lines: tuple[range, ...]
    """Stretches of events.jsonl, in lines after the header."""

    @property
    def count(self) -> int:
        """Rows in all."""
        return sum(map(len, self.rows))

    def holds_line(self, number: int) -> bool:
        """Return whether an event line is on the track."""
        return any(number in stretch for stretch in self.lines)

    def continues(self, earlier: "Track") -> bool:
        """Return whether this is the same track, perhaps longer."""
        *before, last = self.rows
        *ours, ends = earlier.rows
        return before == ours and last.start == ends.start and last.stop >= ends.stop

    def take(self, rows: Rows, first: int, stop: int) -> Rows:
        """Return rows `first` to `stop` of the track; `rows` are all of learning.bin."""
        parts, begin = [], 0
        for stretch in self.rows:
            low, high = max(first - begin, 0), min(stop - begin, len(stretch))
            if low < high:
                parts.append(rows[stretch.start + low : stretch.start + high])
            begin += len(stretch)
        return parts[0] if len(parts) == 1 else np.concatenate([rows[:0], *parts])

    def places(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return where rows of the track stand in learning.bin, both counted from 0."""
        ends = np.cumsum([len(stretch) for stretch in self.rows])
        starts = np.array([stretch.start for stretch in self.rows], dtype=np.int64)
        inside = np.searchsorted(ends, numbers, side="right")
        before = np.concatenate([[0], ends[:-1]])
        places: npt.NDArray[np.int64] = starts[inside] + numbers - before[inside]
        return places

    def row_at(self, rows: Rows, step: int) -> int:
        """Return the first row of the track whose step is `step` or more."""
        begin = 0
        for stretch in self.rows:
            found = first_at_least(stretch, step, lambda place: int(rows[place]["step"]))
            if found < stretch.stop:
                return begin + found - stretch.start
            begin += len(stretch)
        return begin


def first_at_least(places: range, wanted: int, value: Callable[[int], int]) -> int:
    """Return the first of `places` whose rising `value` is `wanted` or more, or where they stop."""
    return places.start + bisect_left(places, wanted, key=value)


def track_to(attempt: int, forks: Sequence[Fork], *, rows: Rows, num_lines: int) -> Track:
    """Return the track that leads to an attempt, from the first row and line on.

    `rows` are all of learning.bin: their attempts never fall. Raises IndexError for an attempt that never was.
    """
    if not 0 <= attempt <= len(forks):
        message = f"attempt {attempt} of {len(forks)}"
        raise IndexError(message)
    if not forks:
        return Track(attempt=0, rows=(range(len(rows)),), lines=(range(num_lines),))

    def begin(number: int) -> int:
        return first_at_least(range(len(rows)), number, lambda place: int(rows[place]["attempt"]))

    starts = [0, *(fork.index for fork in forks), num_lines]
    row_parts = [range(begin(attempt), begin(attempt + 1))]
    line_parts = [range(starts[attempt], starts[attempt + 1])]
    at = attempt
    while at:
        fork = forks[at - 1]
        at = fork.parent
        row_parts.append(range(begin(at), fork.steps))
        line_parts.append(range(starts[at], fork.events))
    return Track(attempt=attempt, rows=tuple(row_parts[::-1]), lines=tuple(line_parts[::-1]))
