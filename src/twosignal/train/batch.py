"""One forward pass: takes packed rows, gives their loss by source, with gradients if they are wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from twosignal.model.attention import hidden_states
from twosignal.model.head import Head
from twosignal.model.modes import evaluating
from twosignal.packs.pack import NO_TARGET, Pack
from twosignal.train.loss import Tally, TokenLoss, summed_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A model with what a forward pass needs to know about it."""

    model: PreTrainedModel
    head: Head
    token_bytes: Tensor
    """UTF-8 bytes of every token id, shape [vocabulary], on the CPU."""
    device: torch.device
    autocast: torch.dtype | None
    """Lower precision of the pass, or None for float32."""

    def precision(self) -> torch.autocast:
        """Return the context in which passes run."""
        return torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows laid end to end; every tensor has shape [tokens] unless it says otherwise."""

    ids: Tensor
    positions: Tensor
    lengths: list[int]
    """Tokens of each segment, in order: attention never crosses from one to the next."""
    supervised: Tensor
    """Places of the supervised tokens, shape [targets]."""
    targets: Tensor
    """Ids to predict there, shape [targets]."""
    row_of_target: Tensor
    """Number of the row each target is in, shape [targets], on the CPU."""
    sources: list[str]
    """Source of each row."""


def lay_batch(packs: Sequence[Pack], device: torch.device) -> Batch:
    """Join rows into one sequence of segments; nothing is padded."""
    targets = torch.from_numpy(np.concatenate([p.targets for p in packs]).astype(np.int64))
    rows = torch.repeat_interleave(torch.tensor([len(p.ids) for p in packs]))
    supervised = torch.nonzero(targets != NO_TARGET).squeeze(1)
    return Batch(
        ids=torch.from_numpy(np.concatenate([p.ids for p in packs]).astype(np.int64)).to(device),
        positions=torch.from_numpy(np.concatenate([p.positions for p in packs]).astype(np.int64)).to(device),
        lengths=[length for p in packs for length in p.lengths],
        supervised=supervised.to(device),
        targets=targets[supervised].to(device),
        row_of_target=rows[supervised],
        sources=[p.source for p in packs],
    )


def batch_loss(learner: Learner, batch: Batch) -> tuple[Tensor, TokenLoss]:
    """Return the differentiable sum of the loss and the same by source, undivided."""
    with learner.precision():
        hidden = hidden_states(learner.model, batch.ids, batch.positions, batch.lengths)
        total, each = summed_loss(hidden[batch.supervised], learner.head, batch.targets)
    return total, _by_source(learner, batch, each)


def measure(learner: Learner, packs: Sequence[Pack], *, rows_per_pass: int) -> TokenLoss:
    """Return the loss over rows, in evaluation mode and without gradients; the model is left as it was."""
    loss = TokenLoss()
    with evaluating(learner.model):
        for rows in passes(packs, rows_per_pass):
            loss += batch_loss(learner, lay_batch(rows, learner.device))[1]
    return loss


def passes(packs: Sequence[Pack], rows_per_pass: int) -> Iterator[Sequence[Pack]]:
    """Cut rows into forward passes; rows without targets carry no loss and are left out."""
    useful = [p for p in packs if p.num_targets]
    for start in range(0, len(useful), rows_per_pass):
        yield useful[start : start + rows_per_pass]


def _by_source(learner: Learner, batch: Batch, each: Tensor) -> TokenLoss:
    num_rows = len(batch.sources)
    rows = batch.row_of_target
    totals = torch.zeros(num_rows, dtype=torch.float64).index_add_(0, rows, each.double().cpu())
    counts = torch.bincount(rows, minlength=num_rows)
    sizes = learner.token_bytes[batch.targets.cpu()]
    num_bytes = torch.zeros(num_rows, dtype=torch.int64).index_add_(0, rows, sizes)
    loss = TokenLoss()
    for row, source in enumerate(batch.sources):
        tally = Tally(total=float(totals[row]), count=int(counts[row]), num_bytes=int(num_bytes[row]))
        loss += TokenLoss(by_source={source: tally})
    return loss
