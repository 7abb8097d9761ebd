"""What the model says by itself: takes prompts, gives the tokens it goes on with and how likely it found each.

Prompts run together, of whatever lengths, over one key-value cache, or one by one where the
model does not run under our attention (see rereading.py). Each draws from a random
generator of its own, so a prompt's text depends neither on its companions (but for rounding)
nor on the state of training, which stays as it was. When a text outgrows the model's
context, the newest half is read anew and the writing goes on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from twosignal.errors import InputError
from twosignal.model.cache import CacheView, KeyValueBuffers
from twosignal.model.compiled import uncompiled
from twosignal.model.context import context_limit
from twosignal.model.modes import evaluating
from twosignal.model.rereading import OwnReader
from twosignal.model.way import causal_model, way_of

PROMPTS_AT_ONCE = 32
"""Prompts that share a batch; more are worked off in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn."""

    max_tokens: int
    """New tokens of a text at most."""
    temperature: float = 0.8
    """Divides the logits; 0 takes the likeliest token."""
    top_p: float = 0.95
    """Draw from the likeliest tokens that hold this share of the probability."""
    stop_ids: Collection[int] = ()
    """Tokens that end a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One text."""

    ids: list[int]
    """The new tokens; the stop token, if one was drawn, is the last."""
    logprobs: NDArray[np.float32]
    """Log-probability of each new token at temperature 1, in nats, shape [len(ids)]."""
    stopped: bool
    """Whether a stop token ended the text."""


def generate(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], *, settings: Sampling, seed: int
) -> list[Generated]:
    """Go on with every prompt, in evaluation mode and without gradients; the model is left as it was.

    The generator of prompt i starts from seed + i. Raises InputError for an empty prompt.
    """
    for place, prompt in enumerate(prompts):
        if not len(prompt):
            raise InputError("there is nothing to go on with", where=f"prompt {place + 1}", found="no tokens")
    is_ours = way_of(model).is_isolated
    model = causal_model(model)
    texts: list[Generated] = []
    # Inference mode takes a fifth less time than gradients off, in a small model.
    with evaluating(model), uncompiled(model), torch.inference_mode():
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            batch = prompts[start : start + PROMPTS_AT_ONCE]
            reader = _Reader(model, batch) if is_ours else OwnReader(model, batch)
            texts += _write(reader, settings=settings, seed=seed + start)
    return texts


def _write(reader: "_Reader | OwnReader", *, settings: Sampling, seed: int) -> list[Generated]:
    prompts = list(reader.rows)
    chances = torch.stack(
        [
            torch.rand(settings.max_tokens, generator=torch.Generator().manual_seed(seed + n))
            for n in range(len(prompts))
        ]
    ).to(reader.device)
    ids: list[list[int]] = [[] for _ in prompts]
    logprobs: list[list[float]] = [[] for _ in prompts]
    stops = set(settings.stop_ids)
    going = list(range(len(prompts)))
    for step in range(settings.max_tokens):
        logits = reader.next_logits(room=settings.max_tokens - step)
        drawn, likely = draw(logits, settings, chances=chances[going, step])
        for text, token, logprob in zip(going, drawn, likely, strict=True):
            ids[text].append(token)
            logprobs[text].append(logprob)
        keep = [row for row, token in enumerate(drawn) if token not in stops]
        if not keep:
            break
        reader.append([drawn[row] for row in keep], keep)
        going = [going[row] for row in keep]
    return [
        Generated(
            ids=ids[text],
            logprobs=np.array(logprobs[text], dtype=np.float32),
            stopped=bool(ids[text]) and ids[text][-1] in stops,
        )
        for text in range(len(prompts))
    ]


def draw(logits: Tensor, settings: Sampling, *, chances: Tensor) -> tuple[list[int], list[float]]:
    """Draw one token for each row of logits [batch, vocabulary]; chances: uniform in [0, 1), shape [batch].

    Returns the tokens and their log-probabilities at temperature 1. Logits that are not
    numbers draw some token, whose log-probability is then not a number.
    """
    logits = logits.float()
    if settings.temperature == 0:
        tokens = logits.argmax(-1, keepdim=True)
    else:
        probabilities, order = (logits / settings.temperature).softmax(-1).sort(descending=True)
        totals = probabilities.cumsum(-1)
        # Kept: every token before which less than top_p is reached; the likeliest always.
        last = ((totals - probabilities) < settings.top_p).sum(-1, keepdim=True).sub(1).clamp_min(0)
        aims = chances.to(totals.dtype)[:, None] * totals.gather(-1, last)
        places = torch.searchsorted(totals, aims, right=True).minimum(last)
        tokens = order.gather(-1, places)
    likely = logits.log_softmax(-1).gather(-1, tokens)
    return tokens.squeeze(-1).tolist(), likely.squeeze(-1).tolist()


class _Reader:
    """Reads rows of tokens that grow by one at a time, and gives the logits of what comes next."""

    def __init__(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> None:
        self.model = model
        self.device = model.get_input_embeddings().weight.device
        self.limit = context_limit(model)
        self.rows = [list(prompt) for prompt in prompts]
        self.padding: Tensor | None = None
        self.cache: KeyValueBuffers | None = None

    def append(self, tokens: Sequence[int], keep: Sequence[int]) -> None:
        """Drop the rows that are not kept and put one token to each of the others."""
        if len(keep) < len(self.rows):
            self.rows = [self.rows[row] for row in keep]
            places = torch.tensor(keep, device=self.device)
            if self.padding is not None:
                self.padding = self.padding[places]
            if self.cache is not None:
                self.cache.keep(places)
        for row, token in zip(self.rows, tokens, strict=True):
            row.append(token)

    def next_logits(self, *, room: int) -> Tensor:
        """Return [rows, vocabulary]; `room` is how many tokens may still come."""
        if self.cache is not None and max(map(len, self.rows)) <= self.limit:
            return self._run([row[-1:] for row in self.rows], self.cache)
        # A row is cut by its own length alone, so that its text does not depend on its companions.
        half = max(1, self.limit // 2)
        self.rows = [row if len(row) <= self.limit else row[-half:] for row in self.rows]
        longest = max(map(len, self.rows))
        padding = [longest - len(row) for row in self.rows]
        self.padding = torch.tensor(padding, device=self.device) if any(padding) else None
        self.cache = KeyValueBuffers(min(self.limit, longest + room))
        return self._run(
            [row[:1] * pad + row for row, pad in zip(self.rows, padding, strict=True)], self.cache
        )

    def _run(self, tokens: list[list[int]], cache: KeyValueBuffers) -> Tensor:
        new = len(tokens[0])
        seen = cache.used + new
        places = [range(len(row) - new, len(row)) for row in self.rows]
        positions = torch.tensor([list(row) for row in places]).clamp_min(0)
        logits: Tensor = self.model(
            input_ids=torch.tensor(tokens).to(self.device),
            position_ids=positions.to(self.device),
            past_key_values=cache,
            use_cache=True,
            cache_view=CacheView(new=new, seen=seen, padding=self.padding),
            logits_to_keep=1,
        ).logits
        cache.advance(new)
        return logits[:, -1]
