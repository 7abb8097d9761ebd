"""Where the mix begins: takes token ids of every source and of the target, gives the mix that foretells the target best.

One interpolated n-gram model per source is a cheap stand-in for a network trained on that source. The mix of their
predictions that gives the target text the least loss is a convex problem, and expectation maximisation solves it (Jelinek
and Mercer 1980; Thudi and Maddison 2025, "MixMin", show that the weights carry over to the data mix of a network).
Repetition, noise and lists get next to nothing before the first step, because they foretell nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

ORDERS = 3
"""Longest context of the count models, in tokens."""
DISCOUNT = 0.75
"""Taken off every count and given to shorter contexts (Ney, Essen and Kneser 1994)."""
ROUNDS = 200
"""Of expectation maximisation; it stops earlier where nothing moves."""
PIECE = 8
"""Learned tokens that one source is taken to explain together: a network can tell from the text before which it reads."""
POWER = 2.0
"""What a target's mixture is raised to: a small network does better on a purer mix than count models, which never forget."""
LEAST_SAMPLE, MOST_SAMPLE = 20_000, 200_000
"""Tokens of a source's sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Token ids one after the other, and which of them are learned."""

    ids: Ints
    """Token ids, shape (tokens,)."""
    learned: Bools
    """True where the token is a target of the loss, shape (tokens,)."""


class CountModel:
    """An interpolated n-gram model with absolute discounting, of the learned tokens of one text."""

    def __init__(self, text: Text, *, vocabulary: int) -> None:
        self.vocabulary = vocabulary
        self._orders = [_Order(context, text) for context in _contexts(text.ids)]

    def probabilities(self, asked: "Asked") -> Floats:
        """Return the probability of every learned token of a text after its predecessors."""
        chances = np.full(asked.count, 1.0 / self.vocabulary)
        for order, (contexts, pairs) in zip(self._orders, asked.orders, strict=True):
            chances = order.refine(chances, contexts, pairs)
        return chances


class _Order:
    """Counts of the tokens that follow contexts of one length."""

    def __init__(self, contexts: Keys, text: Text) -> None:
        seen = contexts[text.learned]
        self.contexts, place = np.unique(seen, return_inverse=True)
        pairs = _joined(seen, text.ids[text.learned])
        order = np.argsort(pairs)
        begins = np.flatnonzero(np.diff(pairs[order], prepend=pairs[order[:1]] ^ np.uint64(1)))
        self.pairs = pairs[order[begins]]
        self.counts = np.diff(begins, append=len(order))
        self.totals = np.bincount(place, minlength=len(self.contexts))
        self.kinds = np.bincount(place[order[begins]], minlength=len(self.contexts))

    def refine(self, chances: Floats, contexts: "Sorted", pairs: "Sorted") -> Floats:
        """Return the chances of tokens under this order, `chances` being those of the next shorter one."""
        place, known = contexts.places_in(self.contexts)
        pair, met = pairs.places_in(self.pairs)
        own = np.maximum(np.where(met, self.counts[pair], 0) - DISCOUNT, 0)
        return np.where(known, (own + DISCOUNT * self.kinds[place] * chances) / self.totals[place], chances)


class Asked:
    """A text that many models are asked about."""

    def __init__(self, text: Text) -> None:
        tokens = text.ids[text.learned]
        self.count = len(tokens)
        keys = [contexts[text.learned] for contexts in _contexts(text.ids)]
        self.orders = [(Sorted(contexts), Sorted(_joined(contexts, tokens))) for contexts in keys]


class Sorted:
    """Keys in order, because a table is searched three times faster that way."""

    def __init__(self, keys: Keys) -> None:
        order = np.argsort(keys)
        self.keys = keys[order]
        self.back = np.empty_like(order)
        self.back[order] = np.arange(len(keys))

    def places_in(self, table: Keys) -> tuple[NDArray[np.intp], Bools]:
        """Return where the keys stand in a sorted table, and which of them do, in the order that they were given."""
        place = np.minimum(np.searchsorted(table, self.keys), len(table) - 1)
        return place[self.back], (table[place] == self.keys)[self.back]


def _contexts(ids: Ints) -> list[Keys]:
    """Return the keys of the contexts of 0, 1, ... ORDERS tokens before each place."""
    keys = [np.zeros(len(ids), dtype=np.uint64)]
    for length in range(1, ORDERS + 1):
        back = np.zeros(len(ids), dtype=np.uint64)
        back[length:] = ids[:-length].astype(np.uint64) + np.uint64(1)
        keys.append(_mixed(keys[-1] ^ back))
    return keys


def _joined(contexts: Keys, tokens: Ints) -> Keys:
    return _mixed(contexts ^ tokens.astype(np.uint64))


def _mixed(keys: Keys) -> Keys:
    """Return well spread keys (the finalizer of splitmix64, Steele, Lea and Flood 2014)."""
    keys = (keys + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def best_mixture(chances: Floats) -> Floats:
    """Return the convex weights of models that give a text the least loss.

    `chances` is (models, pieces): how likely each model finds each piece of the text, in any unit that is the same for
    all models of a piece.
    """
    mix: Floats = np.full(len(chances), 1.0 / len(chances))
    for _ in range(ROUNDS):
        shared = mix[:, None] * chances
        moved: Floats = (shared / shared.sum(0)).mean(1)
        if np.abs(moved - mix).max() < 1e-5:
            return moved
        mix = moved
    return mix


def in_pieces(losses: Floats) -> Floats:
    """Return the chance of every piece of `PIECE` tokens against the best model's, from losses (models, tokens) in nats."""
    pieces = np.add.reduceat(losses, np.arange(0, losses.shape[1], PIECE), axis=1)
    chances: Floats = np.exp(pieces.min(0) - pieces)
    return chances


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """A mix to begin with, and what it rests on."""

    shares: dict[str, float]
    """Share of the rows by source; sums to 1."""
    losses: dict[str, dict[str, float]]
    """Nats per learned token that each source's count model gave each target's text, by target and source."""

    def reason(self) -> str:
        """Return one sentence on why the mix begins as it does."""
        best = {target: min(losses, key=losses.__getitem__) for target, losses in self.losses.items()}
        told = ", ".join(
            f"{target} best by {name} ({self.losses[target][name]:.2f} nats)" for target, name in best.items()
        )
        mix = ", ".join(
            f"{name} {share:.1%}" for name, share in sorted(self.shares.items(), key=lambda item: -item[1])
        )
        return f"count models of the sources foretell {told}; the mix begins at {mix}"


def find_prior(
    sources: Mapping[str, Text], targets: Mapping[str, Text], *, weights: Mapping[str, float], vocabulary: int
) -> Prior:
    """Return the mix of sources that is best for the targets, each target counted by its weight.

    `sources` are samples of what is trained on, `targets` held-out text that no source holds, neither from what the run
    is judged by at the end. A target without learned tokens says nothing and is left out; if all are, so is the opinion:
    all sources get the same share.
    """
    models = {
        name: CountModel(text, vocabulary=vocabulary) for name, text in sources.items() if text.learned.any()
    }
    heard = {name: text for name, text in targets.items() if text.learned.any() and weights.get(name)}
    if not models or not heard:
        return Prior(shares=dict.fromkeys(sources, 1 / len(sources)), losses={})
    shares, losses = dict.fromkeys(sources, 0.0), {}
    whole = sum(weights[name] for name in heard)
    for target, text in heard.items():
        asked = Asked(text)
        told = -np.log(np.stack([model.probabilities(asked) for model in models.values()]))
        losses[target] = dict(zip(models, told.mean(1).tolist(), strict=True))
        mixture = best_mixture(in_pieces(told)) ** POWER
        for name, share in zip(models, (mixture / mixture.sum()).tolist(), strict=True):
            shares[name] += share * weights[target] / whole
    return Prior(shares=shares, losses=losses)


def sample_tokens(run_tokens: int, sources: int) -> int:
    """Return the tokens to sample of each source, so that all count models together cost about a hundredth of the run."""
    return min(MOST_SAMPLE, max(LEAST_SAMPLE, run_tokens // (4 * max(1, sources))))
