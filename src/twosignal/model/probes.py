"""Do documents of a row reach each other, measured: takes a model with a way, gives how far, and which layers did it.

Two independent tests. The poke exchanges tokens and looks at all states they must not reach.
The gradient of one document's states is taken with respect to every other embedding, and
must be exactly zero. Both run with the model in evaluation and in training mode, through
the same call that trains.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from twosignal.model.attention import hidden_states
from twosignal.model.context import context_limit
from twosignal.model.modes import evaluating, training
from twosignal.model.separate import row_states
from twosignal.model.way import own_attention, way_of

LENGTHS = (7, 1, 40, 33, 5, 5)
"""Documents of the probe: a single token, two far longer than `REACH` that share a padded call, a run of equal ones."""
LONG = 2
"""The longest document."""
REACH = 16
"""Windows and chunks of a model are shortened to this while it is probed, so that the long document exceeds them."""
MOST_IDS = 4096
"""Ids that probes are made of at most."""
REACHES = re.compile(r"window|chunk|topk|local_attention|block_size")
"""Attributes that say how far a layer sees."""
PARTS = len(LENGTHS) + 1
"""The documents, the long one in two halves: each part has ids that no other has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How far tokens influence each other that must not, as shares of the largest hidden state."""

    leak: float
    """Largest change in other documents when one is exchanged."""
    ahead: float
    """Largest change in earlier tokens when later ones of the same document are exchanged."""
    gradient: float | None
    """Largest gradient of a document's states by a token it must not see; None if the embedding is not called."""
    drift: float
    """Largest difference between a packed document and the same document alone, by the model's own code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A row of short documents, and what is exchanged in it."""

    lengths: tuple[int, ...]
    """Tokens of each document."""
    ids: Tensor
    """int64 [tokens]."""
    spare: Tensor
    """Ids to exchange others by, int64 [tokens]; each differs from the one it replaces."""

    @property
    def positions(self) -> Tensor:
        """Places within the documents, int64 [tokens]."""
        return torch.cat([torch.arange(length, device=self.ids.device) for length in self.lengths])

    @property
    def documents(self) -> list[slice]:
        """The tokens of each document."""
        return [slice(end - n, end) for n, end in zip(self.lengths, accumulate(self.lengths), strict=True)]

    @property
    def later_half(self) -> slice:
        """The second half of the long document."""
        long = self.documents[LONG]
        return slice(long.stop - self.lengths[LONG] // 2, long.stop)

    @property
    def parts(self) -> list[slice]:
        """Tokens that share ids with no others: the documents, the long one in two."""
        return [*_split(self.documents, self.later_half)]

    @property
    def pokes(self) -> list[slice]:
        """What is exchanged in turn: every document but the last, then the end of the long one."""
        last = self.documents[LONG].stop
        return [*self.documents[:-1], self.later_half, slice(last - 1, last)]

    def exchanged(self, part: slice | Tensor) -> Tensor:
        """Return the ids with others in their place at `part`, bool [tokens] or a span."""
        ids = self.ids.clone()
        ids[part] = self.spare[part]
        return ids


def make_probe(model: PreTrainedModel) -> Probe:
    """Return a row of ordinary ids: ids that the configuration gives a meaning (padding, images) are avoided.

    Documents are shorter where the model cannot read so many tokens.
    """
    weight = model.get_input_embeddings().weight
    limit = context_limit(model)
    lengths = tuple(min(length, limit) for length in LENGTHS)
    special = _special_ids(model.config.to_dict())
    usual = torch.tensor([i for i in range(min(weight.shape[0], MOST_IDS)) if i not in special])
    groups = max(1, len(usual) // PARTS)
    empty = torch.zeros(sum(lengths), dtype=torch.int64)
    probe = Probe(lengths=lengths, ids=empty, spare=empty.clone())
    for number, part in enumerate(probe.parts):
        places = torch.arange(part.stop - part.start) * 7 % groups * PARTS + number
        probe.ids[part] = usual[places % len(usual)]
        probe.spare[part] = usual[(places + 1) % len(usual)]
    return replace(probe, ids=probe.ids.to(weight.device), spare=probe.spare.to(weight.device))


def measured_isolation(model: PreTrainedModel) -> Isolation:
    """Probe the model in the way it has; its modes, weights and the random state are left as they were."""
    probe = make_probe(model)
    with same_randomness(model), shortened(model) if way_of(model).is_isolated else nullcontext():
        with evaluating(model):
            leak, ahead = _poked(model, probe)
            drift = _drift(model, probe)
        with training(model):
            leak_training, ahead_training = _poked(model, probe)
            gradient = crossing_gradient(model, probe)
    return Isolation(
        leak=max(leak, leak_training), ahead=max(ahead, ahead_training), gradient=gradient, drift=drift
    )


def probe_states(model: PreTrainedModel, probe: Probe, ids: Tensor) -> Tensor:
    """Return the states [tokens, width] of the probe's documents with these ids, always with the same dropout."""
    torch.manual_seed(0)
    return hidden_states(model, ids, probe.positions, probe.lengths)


def _poked(model: PreTrainedModel, probe: Probe) -> tuple[float, float]:
    """Return the largest changes in other documents and in earlier tokens, over all pokes."""
    with torch.no_grad():
        before = probe_states(model, probe, probe.ids).float()
        largest = before.abs().max()
        leak = ahead = torch.zeros(())
        for part in probe.pokes:
            moved = (probe_states(model, probe, probe.exchanged(part)).float() - before).abs().amax(-1)
            document = next(d for d in probe.documents if part.start < d.stop)
            others = torch.cat([moved[: document.start], moved[document.stop :]])
            leak = torch.maximum(leak.to(moved), others.max())
            if part.start > document.start:
                ahead = torch.maximum(ahead.to(moved), moved[document.start : part.start].max())
    return float(leak / largest), float(ahead / largest)


def _drift(model: PreTrainedModel, probe: Probe) -> float:
    shares = []
    for ids in (probe.ids, probe.spare):
        packed = probe_states(model, probe, ids).float().split(list(probe.lengths))
        with own_attention(model):
            alone = [row_states(model, one[None])[0].float() for one in ids.split(list(probe.lengths))]
        shares += [(a - b).abs().max() / b.abs().max() for a, b in zip(packed, alone, strict=True)]
    return float(torch.stack(shares).max())


def crossing_gradient(model: PreTrainedModel, probe: Probe) -> float | None:
    """Return the largest gradient of some states by embeddings of tokens that they must not depend on.

    Asked of the last document, which all others precede, and of the first half of the long one.
    """
    first, last = probe.parts[LONG], probe.documents[-1]
    with torch.enable_grad(), _embeddings(model) as called:
        states = probe_states(model, probe, probe.ids).float()
        found = [_gradient(states, part, probe=probe, called=called) for part in (first, last)]
    return float(torch.stack(found).max()) if called else None


def _gradient(
    states: Tensor, part: slice, *, probe: Probe, called: Sequence[tuple[Tensor, Tensor]]
) -> Tensor:
    kept = states[part]
    # Not the plain sum, which is the same for whatever a last normalization is given.
    loss = (kept * torch.cos(torch.arange(kept.numel(), device=kept.device)).view_as(kept)).mean()
    leaves = [embedding for _, embedding in called]
    gradients = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
    crossing = [torch.zeros(1, device=states.device)]
    for (ids, _), gradient in zip(called, gradients, strict=True):
        if gradient is not None:
            by_token = gradient.float().flatten(ids.ndim).abs().amax(-1)
            crossing.append(by_token[~torch.isin(ids, probe.ids[part])])
    return torch.cat(crossing).max()


@contextmanager
def _embeddings(model: PreTrainedModel) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Gather the ids and the embedding of every call of the input embedding."""
    called: list[tuple[Tensor, Tensor]] = []

    def cut(_: nn.Module, *seen: Any) -> Tensor:  # noqa: ANN401 (what torch hands to hooks)
        given, named, output = seen
        leaf: Tensor = output.detach().requires_grad_()
        called.append((given[0] if given else named["input"], leaf))
        # A copy: some models change their embedding in place.
        return leaf * 1.0

    hook = model.get_input_embeddings().register_forward_hook(cut, with_kwargs=True)
    try:
        yield called
    finally:
        hook.remove()


def _split(documents: Sequence[slice], tail: slice) -> Iterator[slice]:
    """Yield the documents, the one that ends with `tail` as two."""
    for document in documents:
        if document.stop == tail.stop and document.start < tail.start:
            yield slice(document.start, tail.start)
            yield tail
        else:
            yield document


@contextmanager
def same_randomness(model: PreTrainedModel) -> Iterator[None]:
    """Let a block seed the random generators; afterwards they are as before."""
    device = model.get_input_embeddings().weight.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def shortened(model: PreTrainedModel) -> Iterator[None]:
    """Shorten windows and chunks of the model for a while, so that a short probe reaches beyond them."""
    holders: list[object] = list(model.modules())
    holders += {id(m.config): m.config for m in model.modules() if isinstance(m, PreTrainedModel)}.values()
    changed = [
        (holder, name, value)
        for holder in holders
        for name, value in vars(holder).items()
        if isinstance(value, int) and value > REACH and REACHES.search(name)
    ]
    try:
        for holder, name, _ in changed:
            setattr(holder, name, REACH)
        yield
    finally:
        for holder, name, value in changed:
            setattr(holder, name, value)


def _special_ids(settings: Mapping[str, Any]) -> set[int]:
    found: set[int] = set()
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _special_ids(value)
        elif str(name).endswith(("token_id", "token_index", "token_ids")):
            found |= {value} if isinstance(value, int) else set(value or [])
    return found
