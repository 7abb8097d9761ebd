"""One call of their loss: takes a trainer and a batch, gives the loss and, for every token, how likely the model finds it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from twosignal.packs.pack import NO_TARGET
from twosignal.prove.trainer.batches import Piece, own_labels
from twosignal.prove.trainer.sample import Batch
from twosignal.prove.trainer.subject import Subject
from twosignal.prove.trainer.trial import attempt, seeded


class Outcome(NamedTuple):
    """What a call of `compute_loss` gave."""

    loss: float
    scores: Tensor | None
    """What the model says at every place, shape [rows, tokens, values], float32; None where it does not say.
    Values are logits, or the log-probability of the token after that place."""


def own_batch(batch: Mapping[str, Any]) -> Batch:
    """Return a copy of a batch: trainers change what they are given."""
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in batch.items()}


def call_loss(subject: Subject, batch: Batch, *, count: int | None = 1, is_training: bool = False) -> Outcome:
    """Call the trainer's `compute_loss` as training does, without gradients.

    `count`: targets of the step, by which trainers divide; 1 asks for the sum.
    """
    trainer = subject.trainer
    number = None if count is None else torch.tensor(count, device=subject.device)
    with _mode(subject.model, is_training=is_training), torch.no_grad(), seeded():

        def call() -> tuple[Tensor, Any]:
            ready = trainer._prepare_inputs(own_batch(batch))
            with trainer.compute_loss_context_manager(), trainer.accelerator.autocast():
                result: tuple[Tensor, Any] = trainer.compute_loss(
                    subject.model, ready, return_outputs=True, num_items_in_batch=number
                )
            return result

        loss, outputs = attempt("compute_loss", call)
    tokens = int(batch["input_ids"].shape[1])
    return Outcome(float(loss.detach().float().sum()), _scores(outputs, tokens))


@contextmanager
def _mode(model: torch.nn.Module, *, is_training: bool) -> Iterator[None]:
    """Put the model into a mode; `untouched` puts it back."""
    model.train(is_training)
    yield


def _scores(outputs: Any, tokens: int) -> Tensor | None:  # noqa: ANN401 (a model's output)
    """Return what the outputs say for every token of the batch, without places that an adapter put in front."""
    if not isinstance(outputs, Mapping):
        return None
    logits, likely = outputs.get("logits"), outputs.get("log_probs")
    if isinstance(logits, Tensor) and logits.ndim == 3 and logits.shape[1] >= tokens:
        return logits[:, -tokens:].detach().float()
    if isinstance(likely, Tensor) and likely.ndim == 2 and likely.shape[1] >= tokens - 1:
        cut = likely[:, likely.shape[1] - tokens + 1 :].detach().float()
        return torch.nn.functional.pad(cut, (0, 1)).unsqueeze(-1)
    return None


def learning_all(batch: Batch, pieces: list[Piece]) -> Batch:
    """Return the batch with every token of every piece but its first as target."""
    labels = torch.full_like(batch["input_ids"], NO_TARGET)
    for piece in pieces:
        inner = slice(piece.start + 1, piece.end)
        labels[piece.row, inner] = batch["input_ids"][piece.row, inner]
    return with_labels(batch, labels)


def with_labels(batch: Batch, labels: Tensor) -> Batch:
    """Return the batch with these labels, each at its own token, in whichever way the batch holds labels."""
    changed = own_batch(batch) | {"labels": labels}
    if "shift_labels" in batch:
        changed["shift_labels"] = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=NO_TARGET)
    return changed


def labels_of(batch: Batch) -> Tensor:
    """Return the labels of a batch, each at its own token."""
    ids = batch["input_ids"]
    return torch.from_numpy(own_labels(batch, tuple(ids.shape))).to(ids.device)


def costs(outcome: Outcome, batch: Batch, piece: Piece) -> Tensor | None:
    """Return the negative log-likelihood of every token of a piece but its first, in nats, shape [tokens - 1]."""
    if outcome.scores is None:
        return None
    scores = outcome.scores[piece.row, piece.start : piece.end - 1]
    if scores.shape[-1] == 1:
        return -scores[:, 0].double()
    wanted = batch["input_ids"][piece.row, piece.start + 1 : piece.end].to(scores.device)
    return torch.nn.functional.cross_entropy(scores, wanted, reduction="none").double()


def alone(batch: Batch, piece: Piece) -> Batch:
    """Return a batch of one piece, unpacked and without padding, as the model reads any single text."""
    ids = batch["input_ids"][piece.row : piece.row + 1, piece.start : piece.end].clone()
    labels = ids.clone()
    labels[:, 0] = NO_TARGET
    single: Batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "position_ids" in batch:
        single["position_ids"] = torch.arange(ids.shape[1], device=ids.device)[None]
    if "token_type_ids" in batch:
        single["token_type_ids"] = batch["token_type_ids"][
            piece.row : piece.row + 1, piece.start : piece.end
        ].clone()
    return with_labels(single | ({"shift_labels": None} if "shift_labels" in batch else {}), labels)


def exchanged(batch: Batch, piece: Piece) -> Batch:
    """Return the batch with every token of a piece replaced by another that occurs in the batch."""
    return _replaced(batch, piece.row, slice(piece.start, piece.end))


def last_exchanged(batch: Batch, piece: Piece) -> Batch:
    """Return the batch with the last token of a piece replaced by another."""
    return _replaced(batch, piece.row, slice(piece.end - 1, piece.end))


def _replaced(batch: Batch, row: int, part: slice) -> Batch:
    changed = own_batch(batch)
    ids = changed["input_ids"]
    known = torch.unique(ids)
    places = torch.searchsorted(known, ids[row, part].contiguous())
    ids[row, part] = known[(places + 1) % len(known)]
    return changed
