"""A page of texts as arrays: takes texts, gives a `Reading` with one row per character and one per token.

Tokens are what repeats: words in lower case, numbers, single characters of scripts without spaces, and the
characters of a run too long to be a word. Everything is NumPy over all texts of the page at once, since texts
are short and calls are dear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from twosignal.audits.characters import DENSE, UNSPACED, WORD, Bools, Bytes, Hashes, Ints, codes_of, kinds
from twosignal.audits.windows import Ruler

LONGEST_WORD = 40
"""Characters from which on a run without spaces is read character by character."""
_BASE = 0x9E3779B97F4A7C15
_MIX = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Texts, end to end."""

    codes: NDArray[np.uint16]
    """Code points in lower case, shape (characters,); a line break stands behind every text."""
    kinds: Bytes
    """Kind of every character, see `characters.py`."""
    characters: Ruler
    """Where the texts lie among the characters; the last ends with its line break."""
    starts: Ints
    """First character of every token, shape (tokens,)."""
    hashes: Hashes
    """What a token is: equal tokens have equal hashes."""
    tokens: Ruler
    """Where the texts lie among the tokens."""
    texts: Ints
    """Number of the text of every token."""

    @property
    def token_kinds(self) -> Bytes:
        """Kind of every token: that of its first character."""
        found: Bytes = self.kinds[self.starts]
        return found


def read_page(texts: Sequence[str]) -> Reading:
    """Return the reading of `texts`; offsets count characters of the texts as they were given."""
    lower = "".join([f"{_lower(text)}\n" for text in texts])
    codes = codes_of(lower)
    table = np.take(kinds(), codes, mode="clip")
    bounds = np.concatenate(([0], np.cumsum([len(text) + 1 for text in texts])))
    starts = _token_starts(table)
    token_bounds = np.searchsorted(starts, bounds)
    return Reading(
        codes=codes,
        kinds=table,
        characters=Ruler(bounds=bounds),
        starts=starts,
        hashes=hash_runs(codes, table >= WORD, starts),
        tokens=Ruler(bounds=token_bounds),
        texts=np.repeat(np.arange(len(texts)), np.diff(token_bounds)),
    )


def _lower(text: str) -> str:
    """Return `text` in lower case with every character in its place; one letter is two in lower case."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(map(itemgetter(0), map(str.lower, text)))


def hash_runs(codes: NDArray[np.uint16], is_content: Bools, starts: Ints) -> Hashes:
    """Return a hash for each run of content that begins at one of `starts` and ends before the next."""
    if not len(starts):
        return np.empty(0, dtype=np.uint64)
    powers, inverses = _powers(1 << (len(codes) - 1).bit_length())
    weighted = (codes * is_content) * powers[: len(codes)]
    found: Hashes = np.add.reduceat(weighted, starts) * inverses[starts]
    return mixed(found)


def mixed(hashes: Hashes) -> Hashes:
    """Return hashes whose every bit depends on every bit of the old."""
    found: Hashes = (hashes ^ (hashes >> np.uint64(32))) * _MIX
    return found ^ (found >> np.uint64(29))


def spread(hashes: Hashes, lengths: Ints | int) -> Hashes:
    """Return a hash of the `lengths` tokens from each token on; the last ones reach past the end and wrap."""
    powers, inverses = _powers(1 << max(1, len(hashes) - 1).bit_length())
    sums = np.zeros(len(hashes) + 1, dtype=np.uint64)
    np.cumsum(hashes * powers[: len(hashes)], out=sums[1:])
    ends = np.minimum(np.arange(len(hashes)) + lengths, len(hashes))
    found: Hashes = (sums[ends] - sums[:-1]) * inverses[: len(hashes)]
    return mixed(found)


@cache
def _powers(length: int) -> tuple[Hashes, Hashes]:
    """Return the powers of an odd number and of its inverse modulo 2**64."""
    return _row(_BASE, length), _row(pow(_BASE, -1, 1 << 64), length)


def _row(base: int, length: int) -> Hashes:
    row = np.full(length, base, dtype=np.uint64)
    row[0] = 1
    return np.cumprod(row)


def _token_starts(table: Bytes) -> Ints:
    """Return where tokens begin; `table` is changed where a run is too long to be a word."""
    starts = _starts(table)
    bounds = np.append(starts, len(table))
    is_changed = False
    for at in np.flatnonzero(np.diff(bounds) > LONGEST_WORD):
        run = table[bounds[at] : bounds[at + 1]]
        run = run[: np.argmax(run != run[0])] if (run != run[0]).any() else run
        if len(run) > LONGEST_WORD:
            run[:] = UNSPACED
            is_changed = True
    return _starts(table) if is_changed else starts


def _starts(table: Bytes) -> Ints:
    is_first = table >= WORD
    is_first[1:] &= (table[1:] != table[:-1]) | (table[1:] >= DENSE)
    return np.flatnonzero(is_first)
