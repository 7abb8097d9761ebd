"""What a step must come to: takes its rows and the model, gives the targets the rows carry and how near a loss must be."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from twosignal.packs.pack import Pack
from twosignal.packs.prepare import PreparedSource
from twosignal.train.batch import Learner

EXACT_NATS = 0.01
"""By this much a first loss may differ in float32 from its measurement before the step."""
AUTOCAST_NATS = 0.1
"""The same in lower precision."""
DROPOUT_NATS = 1.0
"""The same when the step drops units and the measurement does not."""


def carried_targets(sources: Mapping[str, PreparedSource], rows: Sequence[Pack]) -> int:
    """Return the supervised tokens of the examples that rows are made of, counted in the store and not in the rows."""
    count = 0
    for row in rows:
        store = sources[row.source].store
        for segment in row.segments:
            end = segment.start + segment.length
            count += int(store[segment.example].supervised[segment.start + 1 : end + 1].sum())
    return count


def loss_tolerance(learner: Learner) -> float:
    """Return how far the first loss, in nats per target, may be from what was measured before the step."""
    if any(isinstance(module, nn.Dropout) and module.p > 0 for module in learner.model.modules()):
        return DROPOUT_NATS
    if getattr(learner.model.config.get_text_config(), "attention_dropout", 0):
        return DROPOUT_NATS
    return EXACT_NATS if learner.autocast is None else AUTOCAST_NATS


def non_finite_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the parameters that hold nan or inf; the device is waited for once."""
    named = [(name, p.detach()) for name, p in model.named_parameters() if p.is_floating_point()]
    if not named:
        return ()
    is_finite = torch.stack([torch.isfinite(p).all().to(named[0][1].device) for _, p in named]).tolist()
    return tuple(name for (name, _), good in zip(named, is_finite, strict=True) if not good)
