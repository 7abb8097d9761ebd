"""What the model would be handed: takes a trainer, gives the batches of its own data loader, cut into pieces."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from twosignal.prove.trainer.batches import Piece, pieces_of
from twosignal.prove.trainer.subject import Subject
from twosignal.prove.trainer.trial import ForeignError, attempt

MOST_TOKENS = 2_000_000
MOST_SECONDS = 8.0
"""Time spent on drawing batches."""
Batch = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Batches as the trainer's data loader gives them."""

    batches: tuple[Batch, ...]
    """The first few, for the model."""
    pieces: tuple[Piece, ...]
    rows: int
    room: int
    """Places for tokens in the rows, padding included."""
    is_whole: bool
    """The loader was read to its end: one epoch."""
    loader: Any

    @property
    def tokens(self) -> int:
        """Tokens of the pieces."""
        return sum(len(piece.ids) for piece in self.pieces)

    @property
    def targets(self) -> int:
        """Tokens the loss is taken over."""
        return sum(piece.num_targets for piece in self.pieces)

    def packed_rows(self) -> list[list[Piece]]:
        """Return the rows that hold several pieces, piece by piece."""
        rows: list[list[Piece]] = []
        for piece in self.pieces:
            if piece.start and rows and rows[-1][-1].row == piece.row and rows[-1][-1].end == piece.start:
                rows[-1].append(piece)
            else:
                rows.append([piece])
        return [row for row in rows if len(row) > 1]

    def batch_of(self, rows: Sequence[int]) -> Batch | None:
        """Return a batch collated of a few rows of the data set; None where rows cannot be picked."""
        dataset = getattr(self.loader, "dataset", None)
        if dataset is None or not hasattr(dataset, "__getitem__") or self.loader.collate_fn is None:
            return None
        picked = attempt("reading the data set", lambda: [dataset[row] for row in rows])
        return as_batch(attempt("the collator", lambda: self.loader.collate_fn(picked)))


BATCHES_KEPT = 8


def draw_sample(subject: Subject, *, most_tokens: int = MOST_TOKENS) -> Sample:
    """Read the trainer's data loader, one epoch at most; raises ForeignError where the trainer's code does."""
    trainer = subject.trainer
    if hasattr(trainer.train_dataset, "__len__") and not len(trainer.train_dataset):
        return Sample(batches=(), pieces=(), rows=0, room=0, is_whole=True, loader=None)
    loader = attempt("making the data loader", trainer.get_train_dataloader)
    batches: list[Batch] = []
    pieces: list[Piece] = []
    rows = room = tokens = 0
    began, is_whole = time.perf_counter(), True
    for batch in _batches(loader):
        found = pieces_of(batch, pad_id=subject.pad_id)
        pieces += found
        ids = batch.get("input_ids")
        rows += len(ids) if isinstance(ids, torch.Tensor) else 0
        room += ids.numel() if isinstance(ids, torch.Tensor) else 0
        tokens += sum(len(piece.ids) for piece in found)
        if len(batches) < BATCHES_KEPT:
            batches.append(batch)
        if tokens > most_tokens or time.perf_counter() - began > MOST_SECONDS:
            is_whole = False
            break
    return Sample(
        batches=tuple(batches), pieces=tuple(pieces), rows=rows, room=room, is_whole=is_whole, loader=loader
    )


def _batches(loader: Any) -> Iterator[Batch]:  # noqa: ANN401 (a prepared data loader)
    rows = attempt("the data loader", lambda: iter(loader))
    while True:
        batch = attempt("drawing a batch", lambda: next(rows, None))
        if batch is None:
            return
        yield as_batch(batch)


def as_batch(batch: object) -> Batch:
    """Return what a collator gave as a plain dictionary; raises ForeignError when it is none."""
    if not isinstance(batch, Mapping):
        message = f"the collator gives a {type(batch).__name__}, not a dictionary of tensors"
        raise ForeignError(message)
    return dict(batch)
