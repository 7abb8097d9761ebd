"""A long series in few numbers: takes values in order, gives for every bucket of them the last, lowest, highest and broken.

A value that is nan or infinite counts as broken and never as lowest or highest, so one broken step does not hide
the others; a value that is missing, a step without targets, is nan and counts as nothing.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]

LAST, LOW, HIGH, BROKEN = range(4)
FIGURES: Final = 4
EMPTY: Final = (np.nan, np.nan, np.nan, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Consecutive values of a series."""

    values: Series
    """nan where missing, shape [values]."""
    present: npt.NDArray[np.bool_] | None = None
    """Whether there is a value, shape [values]; None: wherever it is not nan."""

    def figures(self) -> Series:
        """Return every value as a bucket of its own, shape [values, 4]."""
        finite = np.isfinite(self.values)
        present = ~np.isnan(self.values) if self.present is None else self.present
        alone: Series = np.empty((len(self.values), FIGURES))
        alone[:, :BROKEN] = np.where(finite, self.values, np.nan)[:, None]
        alone[:, BROKEN] = present & ~finite
        return alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Consecutive buckets of one series."""

    figures: Series
    """Last, lowest and highest finite value, nan without one, and number of broken values; shape [buckets, 4]."""

    @classmethod
    def of(cls, values: Values, width: int) -> Self:
        """Return the buckets of `width` values each; the last may hold fewer."""
        return cls(figures=merged(values.figures(), width))

    @property
    def last(self) -> Series:
        """Last finite value of each bucket, shape [buckets]."""
        return self.figures[:, LAST]

    @property
    def low(self) -> Series:
        """Lowest finite value of each bucket, shape [buckets]."""
        return self.figures[:, LOW]

    @property
    def high(self) -> Series:
        """Highest finite value of each bucket, shape [buckets]."""
        return self.figures[:, HIGH]

    @property
    def broken(self) -> Series:
        """Number of nan and infinite values in each bucket, shape [buckets]."""
        return self.figures[:, BROKEN]


def merged(figures: Series, width: int) -> Series:
    """Join every `width` buckets into one; the last may join fewer. Shape [buckets, 4] to [buckets / width, 4]."""
    width = min(width, max(len(figures), 1))
    if width == 1:
        return figures
    count = -(-len(figures) // width)
    whole = np.empty((count * width, FIGURES))
    whole[: len(figures)] = figures
    whole[len(figures) :] = EMPTY
    grouped = whole.reshape(count, width, FIGURES)
    joined: Series = np.empty((count, FIGURES))
    joined[:, LOW] = np.fmin.reduce(grouped[:, :, LOW], axis=1)
    joined[:, HIGH] = np.fmax.reduce(grouped[:, :, HIGH], axis=1)
    joined[:, BROKEN] = grouped[:, :, BROKEN].sum(axis=1)
    has_value = ~np.isnan(grouped[:, ::-1, LAST])
    newest = width - 1 - has_value.argmax(axis=1)
    joined[:, LAST] = grouped[np.arange(count), newest, LAST]
    return joined


def width_for(span: range, *, limit: int, wanted: int = 1) -> int:
    """Return the least power of two, `wanted` at least, that puts a span of values into `limit` buckets or fewer.

    Bucket 0 begins at value 0, wherever the span does; `limit` is 1 or more.
    """
    width = 1
    while width < wanted or -(-span.stop // width) - span.start // width > limit:
        width *= 2
    return width
