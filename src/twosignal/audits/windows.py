"""Windows over the texts of a page: takes what was counted at each place, gives the spans where too much of it stands.

A collapse late in a text is invisible in the whole and plain in its worst window. Short windows find short
collapses and need stronger evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twosignal.audits.characters import Bools, Bytes, Floats, Ints

STRIDES = 4
"""Windows that begin within one window's length."""
NEVER = float("inf")
"""A limit that no share reaches."""
SUSTAINED = 0.1
"""Share of a long text that must be flagged, unless its end is: a stumble is no collapse."""


class Flagged(NamedTuple):
    """A flagged stretch of one text."""

    text: int
    """Number of the text."""
    start: int
    """First place, counted on the page."""
    stop: int
    """One past the last."""
    value: float
    """What the worst window measured."""


class Scale(NamedTuple):
    """Windows of one width, and what flags them."""

    width: int
    """Places in a window."""
    least: int
    """Places that must count in it before it says anything."""
    limits: tuple[float, float, float, float]
    """Least share, or mean, that flags it: prose, enumerations, lines, data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Overlapping windows of `STRIDES` cells; a text of fewer cells is one window, an empty text is none."""

    texts: Ints
    """Text of each window."""
    first: Ints
    """First cell of each window."""
    last: Ints
    """One past its last cell."""
    edges: Ints
    """Place where each cell begins, and one past the last place."""
    bounds: Ints
    """First place of every text, and one past the last text."""

    @property
    def sizes(self) -> Ints:
        """Places in each window."""
        return self.edges[self.last] - self.edges[self.first]

    def sums(self, values: NDArray[np.generic]) -> Ints:
        """Return the sum of small whole numbers or truth values, one per place, over each window."""
        if len(self.edges) == 1:
            return np.zeros(0, dtype=np.int64)
        cells = np.add.reduceat(values, self.edges[:-1], dtype=np.int32)
        totals = np.concatenate(([0], np.cumsum(cells)))
        found: Ints = totals[self.last] - totals[self.first]
        return found

    def stretches(self, is_flagged: Bools, values: Floats) -> list[Flagged]:
        """Return the worst flagged stretch of every text whose flagged part is long, or lasts to its end."""
        if not is_flagged.any():
            return []
        found = []
        starts, stops = self.edges[self.first], self.edges[self.last]
        for text in np.unique(self.texts[is_flagged]).tolist():
            first, last = np.searchsorted(self.texts, (text, text + 1)).tolist()
            picked = np.flatnonzero(is_flagged[first:last]) + first
            joined = np.split(picked, np.flatnonzero(starts[picked[1:]] > stops[picked[:-1]]) + 1)
            length = sum(int(stops[part[-1]] - starts[part[0]]) for part in joined)
            size = int(self.bounds[text + 1] - self.bounds[text])
            if length < SUSTAINED * size and picked[-1] != last - 1:
                continue
            part = max(joined, key=lambda part: values[part].max())
            found.append(
                Flagged(
                    text=text,
                    start=int(starts[part[0]]),
                    stop=int(stops[part[-1]]),
                    value=float(values[part].max()),
                )
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """Where texts lie end to end, and the windows over them, each kind made once."""

    bounds: Ints
    """First place of every text, and one past the last text."""
    made: dict[tuple[int, bool], Windows] = field(default_factory=dict, repr=False)
    """Windows by width, and whether long texts have only their last."""

    def windows(self, width: int, *, ends_of_long: bool = False) -> Windows:
        """Return windows of about `width` places, the last of each text ending with it.

        With `ends_of_long`, a text in which one window could not be sustained has only its last.
        """
        key = (width, ends_of_long)
        if len(self.bounds) == 2:
            return _windows_of_one(int(self.bounds[1]), width, ends_of_long=ends_of_long)
        if key not in self.made:
            self.made[key] = _windows(self.bounds, width, ends_of_long=ends_of_long)
        return self.made[key]


def flag(
    part: NDArray[np.generic],
    whole: NDArray[np.generic] | None,
    *,
    scales: Sequence[Scale],
    over: Ruler,
    profiles: Bytes,
    unit: float = 1.0,
) -> list[Flagged]:
    """Return the stretches in which the sum of `part` over that of `whole` reaches a scale's limit.

    Both have a number or truth value per place; without `whole`, places are counted. One stretch a text, by
    the first scale that flags it; scales after the first look at the ends of long texts only. The value is
    in `unit`.
    """
    found: dict[int, Flagged] = {}
    for scale in scales:
        wide = over.windows(scale.width, ends_of_long=scale is not scales[0])
        sums = wide.sums(part)
        limits = np.array(scale.limits) * unit
        if not (sums >= limits.min() * scale.least).any():
            continue
        counted = wide.sizes if whole is None else wide.sums(whole)
        values = sums / np.maximum(counted, 1)
        is_flagged = (counted >= scale.least) & (values >= limits[profiles[wide.texts]])
        for one in wide.stretches(is_flagged, values / unit):
            found.setdefault(one.text, one)
    return list(found.values())


@lru_cache(maxsize=1024)
def _windows_of_one(size: int, width: int, *, ends_of_long: bool) -> Windows:
    """Return the windows over one text; texts judged one by one are mostly of few sizes."""
    return _windows(np.array([0, size]), width, ends_of_long=ends_of_long)


def _windows(bounds: Ints, width: int, *, ends_of_long: bool) -> Windows:
    """Cut every text into cells of a stride each and return the windows over them.

    A text of which only the end is wanted has one cell for all that is before its last window.
    """
    stride = max(1, width // STRIDES)
    lengths = np.diff(bounds)
    is_cut = lengths > width / SUSTAINED if ends_of_long else np.zeros(len(lengths), dtype=np.bool_)
    num_cells = np.where(is_cut, STRIDES + 1, -(-lengths // stride))
    counts = np.where(is_cut, 1, np.where(num_cells, np.maximum(1, num_cells - STRIDES + 1), 0))
    after = np.cumsum(num_cells)
    before = after - num_cells
    cells = np.arange(int(after[-1])) - np.repeat(before, num_cells)
    edges = np.append(np.repeat(bounds[:-1], num_cells) + cells * stride, bounds[-1])
    if is_cut.any():
        shift = np.where(is_cut, lengths - num_cells * stride, 0)
        edges[:-1] += np.repeat(shift, num_cells) * (cells > 0)
    texts = np.repeat(np.arange(len(lengths)), counts)
    numbers = np.arange(len(texts)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = np.where(is_cut, after - STRIDES, before)[texts] + numbers
    last = np.minimum(first + STRIDES, after[texts])
    return Windows(texts=texts, first=first, last=last, edges=edges, bounds=bounds)
