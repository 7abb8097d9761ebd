"""The loss of knowing only how often each token occurs: takes sources and targets, gives nats per target token."""

from collections.abc import Mapping, Sequence

import numpy as np

from twosignal.audits.mix import mix_adjusted
from twosignal.curriculum.policy import Shares
from twosignal.packs.pack import NO_TARGET
from twosignal.packs.prepare import PreparedSource
from twosignal.tokens.example import Ids
from twosignal.train.steering.target import Target

UNIGRAM_TOKENS = 2_000_000
"""Training targets per source that frequencies are counted on."""


def unigram_loss(
    sources: Mapping[str, PreparedSource], base: Shares, *, targets: Sequence[Target], vocabulary: int
) -> float | None:
    """Return what a model that knows only how often each token occurs would lose on the targets, in nats per target token.

    Frequencies are those of the training targets, one count added to every token, mixed by
    the sources' base shares; the held-out rows are weighed as the run's targets are.
    """
    mixed = np.zeros(vocabulary)
    for name, source in sources.items():
        counts = np.bincount(_some_targets(source), minlength=vocabulary) + 1.0
        mixed += base[name] * counts / counts.sum()
    costs = -np.log(mixed)
    losses = {}
    for target in targets:
        ids = [pack.targets[pack.targets != NO_TARGET] for pack in target.rows]
        if sum(map(len, ids)):
            losses[target.name] = float(costs[np.concatenate(ids)].mean())
    return mix_adjusted(losses, {target.name: target.weight for target in targets})


def _some_targets(source: PreparedSource) -> Ids:
    found: list[Ids] = []
    size = 0
    for number in source.store.numbers(held_out=False):
        example = source.store[int(number)]
        found.append(example.ids[example.supervised])
        size += len(found[-1])
        if size > UNIGRAM_TOKENS:
            break
    return np.concatenate(found) if found else np.empty(0, np.int32)
