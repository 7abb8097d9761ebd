"""Where a text stands in the training text: takes an index folder and a text, gives the verbatim runs they share.

The hash of every window of 32 bytes of the text is looked up (`anchors.py` says why none is missed); every hit
is compared with the training text itself, byte by byte and both ways, so that length and place are exact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twosignal.audits.copying.anchors import SEPARATOR, SHORTEST, STRIDE, WINDOW, Bytes, hash_windows
from twosignal.audits.copying.buckets import Numbers, rows_of, stretches
from twosignal.audits.copying.excerpt import Excerpt, cut_out
from twosignal.audits.copying.folder import CHECK_BITS, map_part, read_head
from twosignal.text.conversation import Origin

MOST_PLACES: Final = 8
"""Places of one window that are compared; the rest is counted. Only a run whose every window stands at more
places than these can be given too short, and by less than `SHORTEST`."""
MOST_ROWS: Final = 4096
"""Pairs of window and place that are compared without choosing."""
MOST_ALIGNMENTS: Final = 256
"""Ways to lay a text beside the training text that are compared where pairs are more, beyond every window's best."""
_BLOCK: Final = 256
_BLOCK_WINDOWS: Final = 1 << 16
"""Windows looked up at once: memory for a long text stays small."""
_BESIDE: Final = 48
_NEAR: Final = _BESIDE + WINDOW + _BESIDE
"""Bytes around a window that are compared for all hits at once; only longer runs are followed one by one."""
NO_NUMBERS: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A stretch of a text that stands in the training text, byte for byte."""

    start: int
    """First byte in the text."""
    end: int
    """Behind its last byte."""
    place: int
    """Its first byte in the index's text."""
    occurrences: int
    """About how many times it stands there; exact where that is once."""

    @property
    def length(self) -> int:
        """Bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Windows of a text that stand in the training text."""

    windows: Numbers
    """First bytes of the windows in the text, ascending, shape [hits]."""
    first: Numbers
    """First of each one's entries, shape [hits]."""
    counts: Numbers
    """How many entries each has, shape [hits]."""

    @classmethod
    def joined(cls, parts: Sequence["Hits"]) -> "Hits":
        """Return the hits of blocks that follow each other."""
        return cls(
            windows=np.concatenate([NO_NUMBERS, *(part.windows for part in parts)]),
            first=np.concatenate([NO_NUMBERS, *(part.first for part in parts)]),
            counts=np.concatenate([NO_NUMBERS, *(part.counts for part in parts)]),
        )


class CopyIndex:
    """Read access to an index; of it a fifth of the text's size is held in memory, at most 2 GiB."""

    def __init__(self, folder: Path) -> None:
        """Open an index; raise InputError where there is none, or it is damaged."""
        self.folder = folder
        self.head = read_head(folder)
        parts: dict[str, npt.NDArray[Any]] = {
            name: map_part(folder, name, size) for name, size in self.head.sizes.items()
        }
        self._text: Bytes = parts["text"]
        self._starts = parts["starts"]
        self._documents = parts["documents"]
        self._directory = parts["directory"]
        self._checks = parts["checks"]
        self._anchors = parts["anchors"]

    def runs(self, text: bytes, *, least: int = SHORTEST) -> list[Run]:
        """Return the runs of `text` of `least` bytes or more that stand in the training text, in order.

        No run lies inside another; of equal runs the first place is given. `least` below `SHORTEST` is taken
        as that, since shorter runs are found by chance only.
        """
        query = np.frombuffer(text, np.uint8)
        found: dict[tuple[int, int], int] = {}
        ends: dict[int, int] = {}
        blocks = [self._find(query, begin) for begin in range(0, len(query), _BLOCK_WINDOWS)]
        for shift, window, back, forth in (one for hits in blocks for one in self._alignments(hits, query)):
            if window + WINDOW <= ends.get(shift, 0):
                continue
            start, end = window - back, window + forth
            if back < 0:
                start, end = self._extend(query, window, shift)
            ends[shift] = end
            if end - start >= max(least, SHORTEST):
                place = start + shift
                found[start, end] = min(place, found.get((start, end), place))
        hits = Hits.joined(blocks)
        return [
            Run(start=start, end=end, place=found[start, end], occurrences=_times(hits, start, end))
            for start, end in _outermost(found)
        ]

    def origin(self, place: int) -> tuple[Origin, int]:
        """Return where a byte of the index's text comes from, and the number of its record in the source, from 1."""
        number = int(np.searchsorted(self._starts, place, side="right")) - 1
        row = self._documents[number]
        file = self.head.files[int(row["file"])]
        line = int(row["line"])
        if file.has_lines:
            line += int(np.count_nonzero(self._text[int(self._starts[number]) : place] == ord("\n")))
        return Origin(source=file.source, file=file.path, line=line), int(row["number"])

    def excerpt(self, place: int, *, length: int, around: int) -> Excerpt:
        """Return `length` bytes of the index's text with up to `around` bytes of the same document on either side."""
        number = int(np.searchsorted(self._starts, place, side="right"))
        end = int(self._starts[number]) - 1 if number < len(self._starts) else len(self._text)
        document = range(int(self._starts[number - 1]), end)
        return cut_out(self._text, range(place, place + length), document=document, around=around)

    def _find(self, query: Bytes, begin: int) -> Hits:
        """Look up a block of windows, the first at byte `begin`."""
        hashes = hash_windows(query[begin : begin + _BLOCK_WINDOWS + WINDOW - 1], stride=1)
        buckets = (hashes >> np.uint64(64 - self.head.bits)).astype(np.int64)
        wanted = (hashes >> np.uint64(64 - self.head.bits - CHECK_BITS)).astype(np.uint16)
        begins = self._directory[buckets].astype(np.int64)
        ends = self._directory[buckets + 1].astype(np.int64)
        first, counts = stretches(self._checks, wanted, (begins, ends))
        windows = np.flatnonzero(counts)
        return Hits(windows=begin + windows, first=first[windows], counts=counts[windows])

    def _alignments(self, hits: Hits, query: Bytes) -> Iterator[tuple[int, int, int, int]]:
        """Yield (place - window, window, bytes of the run before it, from it on) where a run of `SHORTEST` may be.

        Windows ascend. Both lengths are -1 where the run may be longer than was compared.
        """
        if not len(hits.windows):
            return
        taken = np.minimum(hits.counts, MOST_PLACES)
        rows = np.repeat(np.arange(len(taken)), taken)
        entries = hits.first[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(taken) - taken, taken)
        windows = hits.windows[rows]
        shifts = self._anchors[entries].astype(np.int64) * STRIDE - windows
        if len(rows) > MOST_ROWS:
            kept = _most_shared(shifts, taken)
            windows, shifts = windows[kept], shifts[kept]
        back, forth = self._near_lengths(query, windows, shifts)
        reaches = (back < 0) | (back + forth >= SHORTEST)
        found = (shifts[reaches], windows[reaches], back[reaches], forth[reaches])
        yield from zip(*(one.tolist() for one in found), strict=True)

    def _near_lengths(self, query: Bytes, windows: Numbers, shifts: Numbers) -> tuple[Numbers, Numbers]:
        """Return for each window, laid on the text, how many bytes agree before it, and from it on, shapes [windows].

        Both are -1 where they reach beyond the bytes compared here.
        """
        if len(self._text) < _NEAR:
            return np.full(len(windows), -1), np.full(len(windows), -1)
        first = max(0, int(windows.min()) - _BESIDE)
        block = query[first : int(windows.max()) + WINDOW + _BESIDE]
        edge = np.full(_BESIDE, SEPARATOR, np.uint8)
        here = rows_of(np.concatenate((edge, block, edge)), _NEAR)[windows - first]
        there = windows + shifts - _BESIDE
        clipped = np.clip(there, 0, len(self._text) - _NEAR)
        same = here == rows_of(self._text, _NEAR)[clipped]
        same[:, [0, -1]] = False
        back = np.argmin(same[:, _BESIDE::-1], axis=1) - 1
        forth = np.argmin(same[:, _BESIDE:], axis=1)
        is_open = (back >= _BESIDE - 1) | (forth >= WINDOW + _BESIDE - 1) | (there != clipped)
        # The edge is made of separators, which stand in the text too.
        is_open |= (windows - back <= 0) | (windows + forth >= len(query))
        return np.where(is_open, -1, back), np.where(is_open, -1, forth)

    def _extend(self, query: Bytes, window: int, shift: int) -> tuple[int, int]:
        """Return the longest run around `window` when byte i of the query lies on byte i + shift of the text."""
        forth = _agreement(query[window:], self._text[window + shift :])
        if not forth:
            return window, window
        least = max(0, -shift)
        back = _agreement(query[least:window][::-1], self._text[least + shift : window + shift][::-1])
        return window - back, window + forth


def _most_shared(shifts: Numbers, taken: Numbers) -> npt.NDArray[np.bool_]:
    """Return which (window, place) pairs to compare where they are many: of the `MOST_ALIGNMENTS` shifts that most
    windows share, and of each window's best. `taken` counts the places of each window, in order.
    """
    _, group, sizes = np.unique(shifts, return_inverse=True, return_counts=True)
    rank = np.argsort(np.argsort(-sizes, kind="stable"))
    best = np.minimum.reduceat(rank[group], np.cumsum(taken) - taken)
    is_chosen = np.arange(len(sizes)) < MOST_ALIGNMENTS
    is_chosen[best] = True
    kept: npt.NDArray[np.bool_] = is_chosen[rank[group]]
    return kept


def _agreement(some: Bytes, others: Bytes) -> int:
    """Return how many first bytes of two arrays are equal."""
    length, done, block = min(len(some), len(others)), 0, _BLOCK
    while done < length:
        end = min(done + block, length)
        differs = some[done:end] != others[done:end]
        first = int(differs.argmax())
        if differs[first]:
            return done + first
        done, block = end, 2 * block
    return length


def _outermost(found: dict[tuple[int, int], int]) -> list[tuple[int, int]]:
    """Return the stretches that lie inside no other, in order."""
    ordered = sorted(found, key=lambda one: (one[0], -one[1]))
    kept: list[tuple[int, int]] = []
    for one in ordered:
        if not kept or one[1] > kept[-1][1]:
            kept.append(one)
    return kept


def _times(hits: Hits, start: int, end: int) -> int:
    """Return about how often a run stands in the training text.

    Each time it does, one of 19 of its windows is an anchor. The stretches of 19 windows are counted apart and
    the fewest is given, so that a frequent phrase inside a run does not count for the whole.
    """
    inside = (hits.windows >= start) & (hits.windows + WINDOW <= end)
    totals = np.bincount(hits.windows[inside] - start, hits.counts[inside], minlength=end - start)
    edges = range(0, end - start - WINDOW + 2, STRIDE)
    return max(1, min(int(totals[low:high].sum()) for low, high in pairwise(edges)))
