"""From their batches to pieces: takes a collated batch, gives each conversation in it with its own labels.

Where one conversation ends and the next begins is taken from what the model is told: positions
that start again, cumulative lengths, numbered masks, or rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from twosignal.packs.pack import NO_TARGET

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One stretch of a row that the model is told is one text."""

    row: int
    """Row of the batch it lies in."""
    start: int
    """Its first column there."""
    ids: Ints
    """Token ids, shape [tokens]."""
    labels: Ints
    """For every token its own id where it is learned, NO_TARGET where not (unshifted), shape [tokens]."""

    @property
    def end(self) -> int:
        """The column behind its last token."""
        return self.start + len(self.ids)

    @property
    def is_learned(self) -> npt.NDArray[np.bool_]:
        """Which tokens the loss is taken over: the first never, nothing stands before it."""
        learned: npt.NDArray[np.bool_] = self.labels != NO_TARGET
        learned[:1] = False
        return learned

    @property
    def num_targets(self) -> int:
        """Tokens of it the loss is taken over."""
        return int(self.is_learned.sum())


def pieces_of(batch: Mapping[str, Any], *, pad_id: int | None) -> list[Piece]:
    """Cut a batch into pieces, without padding; none when it holds no token ids of shape [rows, tokens]."""
    ids = as_rows(batch.get("input_ids"))
    if ids is None:
        return []
    labels = own_labels(batch, ids.shape)
    found = []
    for row in range(len(ids)):
        first, last = _real_part(batch, row, ids[row])
        edges = [first, *(edge for edge in _edges(batch, row, ids.shape) if first < edge < last), last]
        parts = [slice(a, b) for a, b in pairwise(edges) if b > a]
        pieces = [Piece(row=row, start=p.start, ids=ids[row, p], labels=labels[row, p]) for p in parts]
        while pieces and _is_padding(pieces[-1], pad_id):
            pieces.pop()
        found += pieces
    return found


def as_rows(values: Any) -> Ints | None:  # noqa: ANN401 (whatever a collator gives)
    """Return a two-dimensional integer tensor as an array, or None for anything else."""
    if not isinstance(values, torch.Tensor) or values.ndim != 2 or values.is_floating_point():
        return None
    array: Ints = values.detach().cpu().numpy().astype(np.int64)
    return array


def own_labels(batch: Mapping[str, Any], shape: tuple[int, int]) -> Ints:
    """Return the labels, each at its own token, whichever way the batch holds them; all NO_TARGET without any."""
    shifted = as_rows(batch.get("shift_labels"))
    labels = np.full(shape, NO_TARGET, np.int64)
    if shifted is not None and shifted.shape == shape:
        labels[:, 1:] = shifted[:, :-1]
        return labels
    given = as_rows(batch.get("labels"))
    return given if given is not None and given.shape == shape else labels


def _real_part(batch: Mapping[str, Any], row: int, ids: Ints) -> tuple[int, int]:
    """Return where the row's tokens begin and end, without padding on either side."""
    mask = as_rows(batch.get("attention_mask"))
    if mask is not None and len(mask) > row and mask.shape[1] == len(ids):
        real = np.flatnonzero(mask[row])
        return (int(real[0]), int(real[-1]) + 1) if len(real) else (0, 0)
    return 0, len(ids)


def _edges(batch: Mapping[str, Any], row: int, shape: tuple[int, int]) -> list[int]:
    """Return the columns at which the model is told that another text begins."""
    positions = as_rows(batch.get("position_ids"))
    if positions is not None and positions.shape[1] == shape[1]:
        steps = np.diff(positions[min(row, len(positions) - 1)])
        return (np.flatnonzero(steps != 1) + 1).tolist()
    lengths = next((batch[k] for k in ("cu_seq_lens_q", "cu_seqlens") if k in batch), None)
    if isinstance(lengths, torch.Tensor) and shape[0] == 1:
        return [int(edge) for edge in lengths.flatten().tolist()]
    for name in ("seq_idx", "attention_mask"):
        numbers = as_rows(batch.get(name))
        if numbers is not None and numbers.shape == shape:
            return (np.flatnonzero(np.diff(numbers[row])) + 1).tolist()
    return []


def _is_padding(piece: Piece, pad_id: int | None) -> bool:
    """Return whether a piece at a row's end is filler: nothing but padding of which nothing is learned."""
    return pad_id is not None and bool((piece.ids == pad_id).all() and (piece.labels == NO_TARGET).all())
