"""The numbers of every step at any zoom: takes a run's two files of rows, gives buckets of any formula over any track.

A pyramid is built for every series that somebody asks for, and goes on where it left off when rows are added. Those
that were not asked for lately are dropped when they hold too much memory together.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twosignal.dashboard.buckets import EMPTY, LAST, Buckets, Series, Values, merged
from twosignal.dashboard.formulas import Formula, step_formulas
from twosignal.dashboard.pyramid import FAN, Pyramid
from twosignal.dashboard.tracks import Track, first_at_least
from twosignal.records.columns import ColumnHeader, Rows, read_header, read_rows
from twosignal.records.folder import CLOCK, LEARNING

CHUNK: Final = 1 << 16
"""Rows turned into values at once."""
MOST_BYTES: Final = 1 << 28
"""Memory that the pyramids of one run may hold, in bytes."""
_NO_ROWS: Final = np.empty(0, dtype=[("step", "<i8"), ("attempt", "<i4")])


class _Key(NamedTuple):
    name: str
    attempt: int


@dataclass(slots=True, kw_only=True)
class _Grown:
    """A pyramid, and where it is to go on."""

    track: Track
    pyramid: Pyramid = field(default_factory=Pyramid)
    before: float = np.nan


@dataclass(slots=True, kw_only=True)
class Curves:
    """The rows of one run, and a pyramid of every series that was asked for."""

    folder: Path
    """The run folder."""
    formulas: dict[str, Formula] = field(default_factory=dict)
    """What can be asked for, by name."""
    learning: Rows = field(default_factory=lambda: _NO_ROWS)
    """The rows of learning.bin as `refresh` found them."""
    clock: Rows = field(default_factory=lambda: _NO_ROWS)
    """The rows of clock.bin as `refresh` found them."""
    _headers: tuple[ColumnHeader, ColumnHeader] | None = None
    _grown: "OrderedDict[_Key, _Grown]" = field(default_factory=OrderedDict)

    def refresh(self) -> None:
        """Map the rows as they stand now; raise RunError where they cannot be read."""
        learning, clock = self.folder / LEARNING, self.folder / CLOCK
        headers = read_header(learning), read_header(clock)
        if headers != self._headers:
            self.formulas = step_formulas(headers[0].columns, headers[1].columns)
            self._grown.clear()
            self._headers = headers
        self.learning, self.clock = read_rows(learning), read_rows(clock)

    def span(self, track: Track, *, first_step: int | None, last_step: int | None) -> range:
        """Return the rows of a track whose steps lie between two, both included; None leaves an end open."""
        first = 0 if first_step is None else track.row_at(self.learning, first_step)
        stop = track.count if last_step is None else track.row_at(self.learning, last_step + 1)
        return range(first, max(first, stop))

    def steps(self, track: Track, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the steps of rows of a track, shape as `numbers`."""
        steps: npt.NDArray[np.int64] = self.learning["step"][track.places(numbers)].astype(np.int64)
        return steps

    def buckets(self, name: str, track: Track, *, width: int, span: range) -> Buckets:
        """Return the buckets of `width` rows that hold the rows `span` of a track; bucket 0 begins at its row 0.

        The first bucket may hold rows before the span, and the last rows behind it. `width` is a power of two.
        Raises KeyError for an unknown name.
        """
        formula = self.formulas[name]
        first, stop = span.start // width, -(-span.stop // width)
        if width < FAN:
            near = range(first * width, min(stop * width, track.count))
            return Buckets(figures=merged(self._near(formula, track, near), width))
        figures = self._pyramid(formula, track).buckets(width, first=first, stop=stop).figures
        lacking = np.tile(EMPTY, (stop - first - len(figures), 1))
        return Buckets(figures=np.concatenate([figures, lacking]) if len(lacking) else figures)

    def _near(self, formula: Formula, track: Track, span: range) -> Series:
        """Return every row of a short span as a bucket of its own, from the rows themselves."""
        begin = span.start // FAN * FAN
        before = np.nan
        if formula.periods and begin:
            before = float(self._pyramid(formula, track).finished[begin // FAN - 1, LAST])
        values = self._values(formula, track, range(begin, span.stop), before=before)
        return values.figures()[span.start - begin :]

    def _pyramid(self, formula: Formula, track: Track) -> Pyramid:
        """Return the pyramid of a series over a track, brought up to date."""
        key = _Key(formula.name, track.attempt)
        grown = self._grown.pop(key, None)
        if grown is None or not track.continues(grown.track):
            grown = _Grown(track=track)
        count = self._settled(formula, track)
        for begin in range(grown.pyramid.count, count, CHUNK):
            span = range(begin, min(begin + CHUNK, count))
            values = self._values(formula, track, span, before=grown.before)
            grown.pyramid.extend(values)
            grown.before = float(values.values[-1])
        grown.track = track
        self._grown[key] = grown
        self._forget()
        return grown.pyramid

    def _settled(self, formula: Formula, track: Track) -> int:
        """Return how many rows of a track have all their columns: the timing of a step is written behind its row."""
        if not formula.is_clock or not track.count:
            return track.count
        last = track.take(self.learning, track.count - 1, track.count)
        return track.count - (not len(self._timing(last)))

    def _values(self, formula: Formula, track: Track, span: range, *, before: float) -> Values:
        rows = track.take(self.learning, span.start, span.stop)
        if not formula.is_clock:
            return formula.values(rows, before=before)
        timing = self._timing(rows)
        known = np.isin(_keys(rows), _keys(timing))
        values: Series = np.full(len(rows), np.nan)
        values[known] = formula.compute(timing).values
        return Values(values=values, present=known)

    def _timing(self, rows: Rows) -> Rows:
        """Return the rows of clock.bin that belong to rows of learning.bin, in their order."""
        parts = [self.clock[:0]]
        for attempt in np.unique(rows["attempt"]).tolist():
            steps = rows["step"][rows["attempt"] == attempt]
            first, stop = (self._clock_at(attempt, int(step)) for step in (steps[0], steps[-1] + 1))
            found = self.clock[first:stop]
            if len(found) != len(steps):
                found = found[np.isin(found["step"], steps)]
                found = found[np.unique(found["step"], return_index=True)[1]]
            parts.append(found)
        return np.concatenate(parts) if len(parts) > 2 else parts[-1]

    def _clock_at(self, attempt: int, step: int) -> int:
        clock = self.clock
        return first_at_least(
            range(len(clock)), _key(attempt, step), lambda i: _key(*clock[["attempt", "step"]][i])
        )

    def _forget(self) -> None:
        """Drop the pyramids that were not asked for lately while all of them hold too much memory."""
        while (
            len(self._grown) > 1 and sum(one.pyramid.num_bytes for one in self._grown.values()) > MOST_BYTES
        ):
            self._grown.popitem(last=False)


def _key(attempt: int, step: int) -> int:
    return (int(attempt) << 40) + int(step)


def _keys(rows: Rows) -> npt.NDArray[np.int64]:
    keys: npt.NDArray[np.int64] = (rows["attempt"].astype(np.int64) << 40) + rows["step"]
    return keys
