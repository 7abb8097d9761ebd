"""Which piece goes into which row: takes lengths, gives rows by best-fit decreasing over the histogram of lengths.

All pieces of one length are placed at once, so a million are packed in about a tenth of a
second. The result has exactly as many rows as textbook best-fit decreasing (Johnson 1973).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Packing = Literal["best-fit", "sequential"] | bool
"""Fullest rows, rows filled in the order of the pieces, or one piece per row (False); True is best-fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """Rows as lists of piece numbers, in one flat array."""

    members: Ints
    """Piece numbers, row after row."""
    offsets: Ints
    """Row r holds members[offsets[r]:offsets[r + 1]]; shape [rows + 1]."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Ints:
        return self.members[self.offsets[row] : self.offsets[row + 1]]


def plan_rows(lengths: Ints, row_tokens: int, *, seed: int, packing: Packing = True) -> RowPlan:
    """Pack pieces into rows of at most `row_tokens` tokens and shuffle the rows.

    The same lengths and seed give the same plan. Which of several pieces of equal length
    share a row changes with the seed; how full the rows are does not.
    """
    if len(lengths) and int(lengths.max()) > row_tokens:
        message = f"a piece of {int(lengths.max())} tokens cannot go into a row of {row_tokens}"
        raise ValueError(message)
    generator = np.random.Generator(np.random.PCG64(seed))
    shuffled = generator.permutation(len(lengths))
    if packing == "sequential":
        row_of = fill_in_order(lengths[shuffled], row_tokens)
    elif packing:
        row_of = best_fit_decreasing(lengths[shuffled], row_tokens)
    else:
        row_of = np.arange(len(lengths))
    num_rows = int(row_of.max()) + 1 if len(row_of) else 0
    row_of = generator.permutation(num_rows)[row_of]
    # The same as a stable argsort, and several times as fast: numbers are sorted, no places moved.
    order = np.sort(row_of * len(row_of) + np.arange(len(row_of))) % max(1, len(row_of))
    sizes = np.bincount(row_of, minlength=num_rows)
    return RowPlan(members=shuffled[order], offsets=np.concatenate([[0], np.cumsum(sizes)]))


def best_fit_decreasing(lengths: Ints, row_tokens: int) -> Ints:
    """Return the row number of each piece."""
    shelf = _Shelf(row_tokens)
    # Sixteen bits are sorted digit by digit.
    falling = row_tokens - lengths
    by_length = np.argsort(falling.astype(np.uint16) if row_tokens < 1 << 16 else falling, kind="stable")
    counts = np.bincount(lengths, minlength=row_tokens + 1)
    for length in range(row_tokens, 0, -1):
        if counts[length]:
            shelf.place(length, int(counts[length]))
    row_of = np.empty(len(lengths), np.int64)
    row_of[by_length] = shelf.rows()
    return row_of


def fill_in_order(lengths: Ints, row_tokens: int) -> Ints:
    """Return the row number of each piece when a new row begins with each piece that the last has no room for."""
    ends = np.cumsum(lengths)
    firsts: list[int] = []
    before = 0
    while not firsts or firsts[-1] < len(lengths):
        firsts.append(int(np.searchsorted(ends, before + row_tokens, side="right")))
        before = int(ends[firsts[-1] - 1]) if len(ends) else 0
    return np.repeat(np.arange(len(firsts)), np.diff(firsts, prepend=0))


class _Shelf:
    """Open rows, grouped by the space left in them; a bit set of spaces finds the best fit in one operation."""

    def __init__(self, row_tokens: int) -> None:
        self._row_tokens = row_tokens
        self._spaces = 0
        self._runs: dict[int, list[tuple[int, int]]] = {}
        self._num_rows = 0
        self._placed: list[tuple[int, int, int]] = []

    def place(self, length: int, count: int) -> None:
        """Place `count` pieces of one length."""
        while count:
            fitting = self._spaces >> length
            if fitting:
                space = length + (fitting & -fitting).bit_length() - 1
                first, rows = self._take(space)
            else:
                space, first = self._row_tokens, self._num_rows
                rows = -(-count // (space // length))
                self._num_rows += rows
            per_row = space // length
            full = min(rows, count // per_row)
            self._placed.append((first, full, per_row))
            self._put(space - per_row * length, first, full)
            first, rows, count = first + full, rows - full, count - full * per_row
            if rows and count and count < per_row:
                self._placed.append((first, 1, count))
                self._put(space - count * length, first, 1)
                first, rows, count = first + 1, rows - 1, 0
            self._put(space, first, rows)

    def rows(self) -> Ints:
        """Return the row of every piece, in the order they were placed."""
        first, rows, per_row = np.array(self._placed, np.int64).reshape(-1, 3).T
        ends = np.cumsum(rows)
        each = np.repeat(first - ends + rows, rows) + np.arange(int(rows.sum()))
        return np.repeat(each, np.repeat(per_row, rows))

    def _take(self, space: int) -> tuple[int, int]:
        run = self._runs[space].pop()
        if not self._runs[space]:
            self._spaces &= ~(1 << space)
        return run

    def _put(self, space: int, first: int, rows: int) -> None:
        if space and rows:
            self._runs.setdefault(space, []).append((first, rows))
            self._spaces |= 1 << space
