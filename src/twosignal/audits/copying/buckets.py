"""Which entries of an index have a hash: takes sorted checks and buckets of them, gives first place and number of each."""

from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)

_GLANCE: Final = 16


def rows_of(array: npt.NDArray[Scalar], width: int) -> npt.NDArray[Scalar]:
    """Return the `width` values at every place, shape [len(array) - width + 1, width], without a copy."""
    step = array.itemsize
    return np.ndarray((len(array) - width + 1, width), array.dtype, array, strides=(step, step))


def stretches(
    checks: npt.NDArray[np.uint16], wanted: npt.NDArray[np.uint16], buckets: tuple[Numbers, Numbers]
) -> tuple[Numbers, Numbers]:
    """Return first place and number of the entries of each bucket that have the wanted check, shapes [wanted].

    `buckets` are the begins and ends. Most buckets are no longer than one glance; the rest is bisected.
    """
    begins, ends = buckets
    first, counts = np.zeros_like(begins), np.zeros_like(begins)
    if len(checks) < _GLANCE:
        is_long = begins < ends
    else:
        at = np.minimum(begins, len(checks) - _GLANCE)
        seen = rows_of(checks, _GLANCE)[at]
        same = seen == wanted[:, None]
        # Eight answers as one number: a reduction over booleans would take longer than all the rest.
        eights = same.view(np.uint64)
        some = np.flatnonzero(eights[:, 0] | eights[:, 1])
        places = at[some, None] + np.arange(_GLANCE)
        inside = same[some] & (places >= begins[some, None]) & (places < ends[some, None])
        first[some], counts[some] = at[some] + inside.argmax(axis=1), inside.sum(axis=1)
        is_long = (ends - begins > _GLANCE) & (seen[:, -1] <= wanted)
    long = np.flatnonzero(is_long)
    if len(long):
        bounds = begins[long], ends[long]
        first[long] = _bisect(checks, wanted[long], bounds, after=False)
        counts[long] = _bisect(checks, wanted[long], bounds, after=True) - first[long]
    return first, counts


def _bisect(
    sorted_parts: npt.NDArray[np.uint16],
    wanted: npt.NDArray[np.uint16],
    bounds: tuple[Numbers, Numbers],
    *,
    after: bool,
) -> Numbers:
    """Return for each wanted value its place in its own stretch of an array, which is sorted there.

    `bounds` are the stretches' begins and ends; `after` places it behind equal values.
    """
    low, high = bounds
    while (low < high).any():
        is_open = low < high
        middle = (low + high) >> 1
        values = sorted_parts[np.where(is_open, middle, 0)]
        goes_up = is_open & (values <= wanted if after else values < wanted)
        low, high = np.where(goes_up, middle + 1, low), np.where(is_open & ~goes_up, middle, high)
    return low
