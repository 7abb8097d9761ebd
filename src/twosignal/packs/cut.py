"""What fits: takes example lengths and the row length, gives the pieces to pack and a count of every target lost.

Documents longer than a row are always split and lose nothing: the last token of a piece
still has its true successor as target. Over-long conversations follow `too_long`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from twosignal.packs.store import ExampleStore
from twosignal.tokens.example import Mask

TooLong = Literal["refuse", "cut-turns", "split", "drop"]
PIECE = np.dtype([("example", "<i8"), ("start", "<i4"), ("length", "<i4")])
"""One row per piece: `length` tokens of `example` from token `start`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """The pieces of a source for one row length."""

    pieces: npt.NDArray[np.void]
    """Array of `PIECE`, in reading order."""
    num_split: int
    """Examples cut into several pieces."""
    num_cut: int
    """Conversations of which whole later turns were left out."""
    num_dropped: int
    """Conversations left out entirely."""
    tokens_lost: int
    """Tokens of the examples that no piece holds."""
    targets_lost: dict[str, int]
    """Targets lost, by cause; empty when nothing was lost."""


def cut(
    store: ExampleStore, numbers: npt.NDArray[np.int64], row_tokens: int, *, too_long: TooLong
) -> Cutting:
    """Cut the examples `numbers` of a store to at most `row_tokens` tokens each."""
    index = store.index[numbers]
    fits = index["length"] <= row_tokens
    pieces = np.zeros(int(fits.sum()), PIECE)
    pieces["example"] = numbers[fits]
    pieces["length"] = index["length"][fits]
    cut_short: list[tuple[int, int, int]] = []
    counts = {"split": 0, "cut": 0, "dropped": 0, "tokens": 0}
    lost: dict[str, int] = {}
    for number in numbers[~fits]:
        row = store.index[number]
        length, targets = int(row["length"]), int(row["targets"])
        if too_long == "split" or not row["is_conversation"]:
            counts["split"] += 1
            cut_short += [
                (number, start, min(row_tokens, length - start)) for start in range(0, length, row_tokens)
            ]
            continue
        supervised = store[int(number)].supervised
        kept = 0 if too_long == "drop" else whole_turns(supervised, row_tokens)
        counts["tokens"] += length - kept
        # The last token kept still has its successor as target, where that is supervised.
        left = targets - int(supervised[1 : kept + 1].sum()) if kept else targets
        cause = "conversation longer than a row, " + ("later turns cut" if kept else "dropped")
        lost[cause] = lost.get(cause, 0) + left
        counts["cut" if kept else "dropped"] += 1
        if kept:
            cut_short.append((number, 0, kept))
    return Cutting(
        pieces=np.concatenate([pieces, np.array(cut_short, PIECE)]),
        num_split=counts["split"],
        num_cut=counts["cut"],
        num_dropped=counts["dropped"],
        tokens_lost=counts["tokens"],
        targets_lost=lost,
    )


def whole_turns(supervised: Mask, row_tokens: int) -> int:
    """Return how many tokens to keep so that every supervised turn in them is whole; 0 if none fits.

    A conversation supervised throughout has no inner border and is cut at the row's length:
    no end is forged, so what is kept is still learned rightly.
    """
    if supervised[1:].all():
        return row_tokens
    ends = np.flatnonzero(supervised[:-1] & ~supervised[1:]) + 1
    if supervised[-1]:
        ends = np.append(ends, len(supervised))
    fitting = ends[ends <= row_tokens]
    return int(fitting[-1]) if len(fitting) else 0
