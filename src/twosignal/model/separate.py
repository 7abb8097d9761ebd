"""Documents each in a row of their own: takes a flat row and its lengths, gives the states one packed sequence would.

For models whose layers mix whatever stands in one sequence. Documents of like length share
a call and are padded at the end, where a causal model cannot see it: less than a quarter of
a call is padding. The models' own code runs, with their own attention.
"""

from collections.abc import Iterator, Sequence
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from twosignal.model.context import context_limit
from twosignal.model.way import body

MOST_ROWS = 32
"""Documents of one call at most."""
MOST_TOKENS = 8_192
"""Tokens of one call at most, padding included; a longer document has a call of its own."""


def separate_states(
    model: PreTrainedModel, ids: Tensor, lengths: Sequence[int], *, is_padded: bool
) -> Tensor:
    """Return the last hidden states [tokens, width] of documents laid end to end, each run in its own row.

    is_padded: documents of like length share a call; otherwise every document has its own.
    """
    documents = ids.reshape(-1).split(list(lengths))
    states: list[Tensor] = [ids] * len(documents)
    limit = context_limit(model)
    for places in groups(lengths) if is_padded else ([place] for place in range(len(lengths))):
        longest = max(lengths[place] for place in places)
        size = max(longest, min(rounded(longest), limit)) if is_padded else longest
        found = row_states(model, _padded([documents[place] for place in places], size))
        for row, place in enumerate(places):
            states[place] = found[row, : lengths[place]]
    return torch.cat(states)


def groups(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of documents that share a call: their lengths lie within a quarter of each other."""
    by_size: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        by_size.setdefault(rounded(length), []).append(place)
    for size, places in sorted(by_size.items()):
        count = max(1, min(MOST_ROWS, MOST_TOKENS // size))
        yield from (places[start : start + count] for start in range(0, len(places), count))


def rounded(length: int) -> int:
    """Return the length rounded up to one of four sizes between each two powers of two."""
    step = max(1, (1 << (length - 1).bit_length()) // 8)
    return -(-length // step) * step


def row_states(model: PreTrainedModel, rows: Tensor) -> Tensor:
    """Return the last hidden states [rows, tokens, width] of ids [rows, tokens], by the model's own code."""
    inside = body(model)
    states: Tensor = inside(**row_inputs(inside, rows)).last_hidden_state
    return states


def row_inputs(module: torch.nn.Module, rows: Tensor) -> dict[str, Any]:
    """Return the keyword arguments of a call without a mask, a cache or positions: every row starts at its first token."""
    inputs: dict[str, Any] = {"input_ids": rows, "return_dict": True}
    known = signature(module.forward).parameters
    if "use_cache" in known or any(one.kind is Parameter.VAR_KEYWORD for one in known.values()):
        inputs["use_cache"] = False
    return inputs


def _padded(documents: Sequence[Tensor], size: int) -> Tensor:
    """Return [documents, size]; each is filled up with its own last id, since a padding id makes models ask for a mask.

    Sizes are few, so that few shapes of kernels are made (see `shape_step`).
    """
    return torch.stack([torch.cat([ids, ids[-1:].expand(size - len(ids))]) for ids in documents])
