"""How far graders agree: takes ratings with gaps, gives Krippendorff's alpha with an interval.

Alpha is 1 - observed / expected disagreement: 1 for full agreement, 0 for what chance would give, below 0 for
systematic disagreement. Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Level = Literal["nominal", "ordinal", "interval"]
Floats = NDArray[np.float64]

RESAMPLES = 1000
"""Bootstrap resamples behind an interval."""


class Interval(NamedTuple):
    """The middle 95 of 100 bootstrap values; nan where there are none."""

    low: float
    high: float


class _Units(NamedTuple):
    """What the ratings of items come to."""

    coincidences: Floats
    """Pairs of values given to the same item, shape [items, values, values]; each rating counts once."""
    values: Floats
    """The values that occur, ascending, shape [values]."""


def alpha(ratings: Floats, level: Level = "ordinal") -> float:
    """Return Krippendorff's alpha of `ratings`, shape [graders, items], nan where a grader gave none.

    An item with fewer than two ratings does not count. nan where nothing can be compared: no item has two
    ratings, or all ratings are the same value.
    """
    units = _pair(ratings)
    return _alpha(units.coincidences.sum(axis=0), units.values, level)


def alpha_interval(ratings: Floats, level: Level = "ordinal", *, seed: int = 0) -> Interval:
    """Return the interval of alpha when items are drawn anew; resamples without an alpha do not count."""
    units = _pair(ratings)
    found = [
        _alpha(np.tensordot(weights, units.coincidences, axes=1), units.values, level)
        for weights in _weights(len(units.coincidences), seed)
    ]
    return _middle(np.array(found))


def mean_interval(numbers: Floats, *, seed: int = 0) -> Interval:
    """Return the interval of the mean of `numbers`, shape [items], when items are drawn anew."""
    if not len(numbers):
        return Interval(np.nan, np.nan)
    return _middle(_weights(len(numbers), seed) @ numbers / len(numbers))


def rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation of two rows of numbers; nan for fewer than three or a constant row."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _pair(ratings: Floats) -> _Units:
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[:, :, None] == values).sum(axis=0).astype(float)
    counts = counts[counts.sum(axis=1) >= 2]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(values))
    return _Units(pairs / (counts.sum(axis=1) - 1)[:, None, None], values)


def _alpha(coincidences: Floats, values: Floats, level: Level) -> float:
    totals = coincidences.sum(axis=0)
    distances = _distances(totals, values, level)
    expected = ((np.outer(totals, totals) - np.diag(totals)) * distances).sum()
    if expected == 0:
        return float("nan")
    return float(1 - (totals.sum() - 1) * (coincidences * distances).sum() / expected)


def _distances(totals: Floats, values: Floats, level: Level) -> Floats:
    """Return the squared distance between every two values, shape [values, values]."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    # Ordinal: a value stands at the middle of its ranks, and ranks are counted over all ratings.
    places = values if level == "interval" else np.cumsum(totals) - totals / 2
    squared: Floats = (places[:, None] - places[None, :]) ** 2
    return squared


def _weights(num_items: int, seed: int) -> Floats:
    """Return how often each item was drawn in each resample, shape [resamples, items]."""
    if not num_items:
        return np.empty((0, 0))
    draw = np.random.default_rng(seed)
    return draw.multinomial(num_items, [1 / num_items] * num_items, RESAMPLES).astype(float)


def _middle(found: Floats) -> Interval:
    finite = found[np.isfinite(found)]
    if not len(finite):
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(finite, [0.025, 0.975])
    return Interval(float(low), float(high))


def _ranks(numbers: Floats) -> Floats:
    """Return ranks from 1; equal numbers share the mean of theirs."""
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
