"""Which places of the training text are remembered: takes bytes, gives a 64-bit hash for each window of them.

Of the training text every 19th window of 32 bytes is kept as an *anchor*; of a sample every window is looked
up. A run that stands in both and is `SHORTEST` = 32 + 19 - 1 = 50 bytes long or longer contains a window that
begins at a multiple of 19 of the training text, wherever the run begins. So no run of 50 bytes can be missed,
and an index needs one entry per 19 bytes, not one per byte.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]

WINDOW: Final = 32
"""Bytes of a window: about six words, few of which stand in a text by chance."""
STRIDE: Final = 19
"""Bytes of the training text from one anchor to the next."""
SHORTEST: Final = WINDOW + STRIDE - 1
"""Bytes from which a run is certain to be found."""
SEPARATOR: Final = 0xFF
"""Stands between texts, and never in UTF-8, so that no run reaches from one text into the next."""

_MULTIPLIERS: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
_MIXER: Final = np.uint64(0xFF51AFD7ED558CCD)
_HALF: Final = np.uint64(32)
_WORD: Final = 8


def hash_windows(text: Bytes, *, stride: int) -> Hashes:
    """Return the hash of the window at every `stride`-th byte of `text`, shape [windows]; those that fit in whole.

    The window's four words of 8 bytes, each mixed, times odd constants, summed modulo 2**64.
    """
    number = (len(text) - WINDOW) // stride + 1 if len(text) >= WINDOW else 0
    hashes = np.zeros(number, np.uint64)
    if not number:
        return hashes
    # Words begin at every byte, not only at multiples of 8: numpy reads them where they lie.
    for offset, multiplier in zip(range(0, WINDOW, _WORD), _MULTIPLIERS, strict=True):
        words: Hashes = np.ndarray(number, "<u8", text, offset=offset, strides=(stride,)).astype(np.uint64)
        words *= _MIXER
        words ^= words >> _HALF
        words *= np.uint64(multiplier)
        hashes += words
    return hashes ^ (hashes >> _HALF)


def within_one_text(text: Bytes, *, stride: int) -> npt.NDArray[np.bool_]:
    """Return for the same windows whether none holds a `SEPARATOR`, shape [windows]."""
    number = (len(text) - WINDOW) // stride + 1 if len(text) >= WINDOW else 0
    starts = np.arange(number) * stride
    separators = np.append(np.flatnonzero(text == SEPARATOR), len(text))
    same: npt.NDArray[np.bool_] = separators[np.searchsorted(separators, starts)] >= starts + WINDOW
    return same
