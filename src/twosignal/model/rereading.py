"""Reading texts that grow, by the model's own code: takes a model of any kind and prompts, gives the next logits.

For models that do not run under our attention. Each text has the memory that the model itself
hands out (key-value cache, state-space state); where that is measured to change the logits,
or there is none, the whole text is read anew for each token.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from twosignal.model.context import context_limit
from twosignal.model.probes import LONG, make_probe
from twosignal.model.separate import row_inputs
from twosignal.model.way import causal_model

MEMORIES = ("past_key_values", "cache_params", "state")
"""What models call their memory, as a result and as an argument."""
TOLERANCE = 1e-4
"""Largest difference of logits, as a share of the largest, that reading with a memory may make."""
FAULTS = (RuntimeError, ValueError, TypeError, AttributeError, LookupError)
"""What a model's code may raise when its memory is handed back."""


class OwnReader:
    """Reads rows of tokens that grow by one at a time, each for itself."""

    def __init__(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> None:
        self.model = causal_model(model)
        self.device = self.model.get_input_embeddings().weight.device
        self.limit = context_limit(self.model)
        self.rows = [list(prompt) for prompt in prompts]
        self.memory_name = working_memory(self.model)
        self.memories: list[Any] = [None] * len(self.rows)

    def append(self, tokens: Sequence[int], keep: Sequence[int]) -> None:
        """Drop the rows that are not kept and put one token to each of the others."""
        self.memories = [self.memories[row] for row in keep]
        self.rows = [[*self.rows[row], token] for row, token in zip(keep, tokens, strict=True)]

    def next_logits(self, *, room: int) -> Tensor:  # noqa: ARG002 (as much room as it takes)
        """Return [rows, vocabulary]."""
        return torch.cat([self._next(row) for row in range(len(self.rows))])

    def _next(self, row: int) -> Tensor:
        ids = self.rows[row]
        if len(ids) > self.limit:
            self.rows[row] = ids = ids[-max(1, self.limit // 2) :]
            self.memories[row] = None
        if self.memory_name is None:
            return last_logits(self.model, torch.tensor(ids).to(self.device))
        new = ids if self.memories[row] is None else ids[-1:]
        given = torch.tensor(new).to(self.device)
        logits, self.memories[row] = step(self.model, given, name=self.memory_name, memory=self.memories[row])
        return logits


def last_logits(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Return the logits [1, vocabulary] after the whole text, without a memory; ids: int64 [tokens]."""
    logits: Tensor = model(**row_inputs(model, ids[None])).logits[:, -1]
    return logits


def step(model: PreTrainedModel, ids: Tensor, *, name: str, memory: Any) -> tuple[Tensor, Any]:  # noqa: ANN401
    """Return the logits [1, vocabulary] after the new tokens, and the memory that then is."""
    given = {} if memory is None else {name: memory}
    out = model(input_ids=ids[None], use_cache=True, return_dict=True, **given)
    return out.logits[:, -1], getattr(out, name)


def working_memory(model: PreTrainedModel) -> str | None:
    """Return the name of the memory with which the model reads as without, measured on a short text; None for none."""
    probe = make_probe(model)
    ids = probe.ids[probe.documents[LONG]]
    start = max(1, len(ids) - 8)
    for name in MEMORIES:
        try:
            logits, memory = step(model, ids[:start], name=name, memory=None)
            found = [logits]
            for place in range(start, len(ids)):
                logits, memory = step(model, ids[place : place + 1], name=name, memory=memory)
                found.append(logits)
        except FAULTS:
            continue
        expected = [last_logits(model, ids[: place + 1]) for place in range(start - 1, len(ids))]
        largest = max(float(logits.abs().max()) for logits in expected)
        apart = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
        if memory is not None and apart <= TOLERANCE * largest:
            return name
    return None
