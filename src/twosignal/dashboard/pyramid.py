"""A series of any length, ready to be drawn at any zoom: takes values as they come, gives buckets of any power of two.

Every 16 values are a bucket of the lowest level, every 16 buckets one of the next. A question is answered from the
coarsest level that is fine enough, so it costs the same after a million steps as after ten.
"""

from typing import Final

import numpy as np

from twosignal.dashboard.buckets import FIGURES, Buckets, Series, Values, merged

FAN: Final = 16
"""Values in a bucket of the lowest level, and buckets in a bucket of the next."""
_CAPACITY: Final = 256


class _Level:
    """The whole buckets of one width; grows at the end."""

    def __init__(self) -> None:
        self._store: Series = np.empty((_CAPACITY, FIGURES))
        self.count = 0

    @property
    def figures(self) -> Series:
        return self._store[: self.count]

    def extend(self, figures: Series) -> None:
        needed = self.count + len(figures)
        if needed > len(self._store):
            larger: Series = np.empty((max(needed, 2 * len(self._store)), FIGURES))
            larger[: self.count] = self.figures
            self._store = larger
        self._store[self.count : needed] = figures
        self.count = needed


class Pyramid:
    """Buckets of one series, from 16 values a bucket up to as many as there are."""

    def __init__(self) -> None:
        self._levels = [_Level()]
        self._rest: Series = np.empty((0, FIGURES))
        self.count = 0
        """Values taken in."""

    @property
    def num_bytes(self) -> int:
        """Memory held, in bytes."""
        return sum(level.figures.nbytes for level in self._levels) + self._rest.nbytes

    @property
    def finished(self) -> Series:
        """The whole buckets of 16 values, shape [count // 16, 4]."""
        return self._levels[0].figures

    def extend(self, values: Values) -> None:
        """Take in the values that follow."""
        self.count += len(values.values)
        figures = np.concatenate([self._rest, values.figures()])
        whole = len(figures) // FAN * FAN
        self._levels[0].extend(merged(figures[:whole], FAN))
        self._rest = figures[whole:]
        self._raise(0)

    def _raise(self, number: int) -> None:
        """Bring the levels above `number` up to date."""
        below = self._levels[number].figures
        if len(below) < FAN:
            return
        if len(self._levels) == number + 1:
            self._levels.append(_Level())
        above = self._levels[number + 1]
        done, whole = above.count * FAN, len(below) // FAN * FAN
        if whole > done:
            above.extend(merged(below[done:whole], FAN))
            self._raise(number + 1)

    def buckets(self, width: int, *, first: int, stop: int) -> Buckets:
        """Return buckets `first` to `stop` of `width` values each, `width` a power of two from 16 on.

        Bucket 0 begins at value 0. The last may hold fewer values; none is given beyond the last value.
        """
        number, level_width = 0, FAN
        while number + 1 < len(self._levels) and level_width * FAN <= width:
            number, level_width = number + 1, level_width * FAN
        group = width // level_width
        figures = self._levels[number].figures[first * group : stop * group]
        if stop * group > self._levels[number].count:
            rest = self._unfinished(number)
            skipped = max(0, first * group - self._levels[number].count)
            figures = np.concatenate([figures, rest[skipped:]])
        return Buckets(figures=merged(figures, group))

    def _unfinished(self, number: int) -> Series:
        """Return what is not yet in a whole bucket of a level, as one bucket or none."""
        figures = self._rest
        for below in range(number):
            done = self._levels[below + 1].count * FAN
            figures = np.concatenate([self._levels[below].figures[done:], merged(figures, FAN)])
        return merged(figures, FAN)
