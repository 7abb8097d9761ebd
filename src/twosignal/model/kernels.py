"""The arithmetic of causal attention: takes queries, keys and values, gives what each token gathered.

CPU, and float32 on CUDA: one causal scaled-dot-product attention for each document.
CUDA in half precision: torch's variable-length flash kernel. That path was written from
torch's source and has not been run on a GPU.
"""

from dataclasses import dataclass
from inspect import signature
from itertools import accumulate, groupby
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

try:
    from torch.nn.attention.varlen import varlen_attn

    FLASH_OPTIONS = frozenset(signature(varlen_attn).parameters)
    """Arguments of torch's variable-length kernel, which have changed from release to release."""
except ImportError:
    FLASH_OPTIONS = frozenset()

LARGEST_FLASH_HEAD = 256
"""Head size that FlashAttention 2 takes at most."""


class Heads(NamedTuple):
    """Queries, keys and values of one layer, each [batch, heads, tokens, size]."""

    query: Tensor
    key: Tensor
    value: Tensor

    @property
    def groups(self) -> int:
        """Query heads that share one key head."""
        return self.query.shape[1] // self.key.shape[1]

    def with_repeated_keys(self) -> Self:
        """Return the same with one key head for each query head."""
        key, value = (x.repeat_interleave(self.groups, 1) for x in (self.key, self.value))
        return self._replace(key=key, value=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a layer asks of its attention beside queries, keys and values."""

    scale: float | None = None
    """Factor of the scores; None for one over the root of the head size."""
    dropout: float = 0.0
    """Share of the attention weights that is dropped; 0 outside training."""
    window: int | None = None
    """Newest keys a token sees, itself included; None for all."""
    softcap: float | None = None
    """Scores are bent to lie between minus and plus this (Gemma 2)."""
    sinks: Tensor | None = None
    """One more score for each head, which takes probability and gives nothing (gpt-oss), [heads]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The documents of a flat row, in order; no token attends from one to another."""

    lengths: tuple[int, ...]
    """Tokens of each document."""
    starts: Tensor | None
    """First token of each document and the end of the last, int32 [documents + 1] on CUDA; None on the CPU."""

    @classmethod
    def on(cls, device: torch.device, lengths: tuple[int, ...]) -> Self:
        """Return the documents with what the kernels of the device need."""
        starts = None
        if device.type == "cuda":
            starts = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32).to(device)
        return cls(lengths=lengths, starts=starts)

    @property
    def longest(self) -> int:
        """Upper bound of the lengths, a power of two so that compiled graphs can be used again."""
        return 1 << (max(self.lengths) - 1).bit_length()

    @property
    def runs(self) -> list[tuple[int, int]]:
        """(length, count) of consecutive documents of equal length, which share one call."""
        return [(length, len(list(group))) for length, group in groupby(self.lengths)]


def within_documents(heads: Heads, documents: Documents, settings: Settings) -> Tensor:
    """Attend within each document of a flat row of batch 1; returns [1, tokens, heads, size]."""
    heads = _in_working_type(heads)
    if documents.starts is not None and _fits_flash(heads, settings):
        return _flash(heads, documents, settings)
    out: Tensor = _by_document(heads, documents, settings)
    return out


def under_mask(heads: Heads, mask: Tensor | None, settings: Settings) -> Tensor:
    """Attend under a boolean mask that broadcasts to [batch, heads, new, seen], or in causal order.

    Without a mask the queries are all tokens or the newest one. Returns [batch, new, heads, size].
    """
    heads = _in_working_type(heads)
    with torch.autocast(heads.query.device.type, enabled=False):
        return _attend(heads, settings, mask=mask).contiguous()


def _in_working_type(heads: Heads) -> Heads:
    """Bring queries, keys and values to the type attention is computed in.

    Under autocast they arrive mixed, since rotary embeddings multiply queries and keys by
    float32 factors. On a CPU float32 is kept: measured with torch 2.13 on AMX, bfloat16
    takes up to four times as long for documents below 256 tokens, saves little above, and
    keeps a compiled kernel of megabytes for every new document length.
    """
    device = heads.query.device.type
    if not torch.is_autocast_enabled(device):
        return heads
    dtype = torch.float32 if device == "cpu" else torch.get_autocast_dtype(device)
    return Heads(*(x.to(dtype) for x in heads))


def _attend(heads: Heads, settings: Settings, *, mask: Tensor | None) -> Tensor:
    if settings.softcap is not None or settings.sinks is not None:
        out = _attend_explicitly(heads, settings, mask=mask)
    else:
        out = F.scaled_dot_product_attention(
            *heads,
            attn_mask=mask,
            dropout_p=settings.dropout,
            is_causal=mask is None and heads.query.shape[2] > 1,
            scale=settings.scale,
            enable_gqa=heads.groups > 1,
        )
    return out.transpose(1, 2)


@torch.compiler.disable
def _by_document(heads: Heads, documents: Documents, settings: Settings) -> Tensor:
    device = heads.query.device
    runs = documents.runs
    pieces = zip(*(x.split([n * count for n, count in runs], 2) for x in heads), strict=True)
    parts = []
    with torch.autocast(device.type, enabled=False):
        for (length, count), run in zip(runs, pieces, strict=True):
            batch = Heads(*(_as_batch(x, length, count) for x in run))
            mask = _window_mask(length, settings.window, device)
            out = _attend(batch, settings, mask=mask)
            parts.append(out.reshape(1, length * count, *out.shape[2:]))
        return torch.cat(parts, 1)


def _as_batch(states: Tensor, length: int, count: int) -> Tensor:
    """Turn [1, heads, count * length, size] into [count, heads, length, size]."""
    _, num_heads, _, size = states.shape
    return states.transpose(1, 2).reshape(count, length, num_heads, size).transpose(1, 2)


def _window_mask(length: int, window: int | None, device: torch.device) -> Tensor | None:
    if window is None or length <= window:
        return None
    places = torch.arange(length, device=device)
    distance = places[:, None] - places
    return (distance >= 0) & (distance < window)


def _attend_explicitly(heads: Heads, settings: Settings, *, mask: Tensor | None) -> Tensor:
    """Compute attention step by step, for what the fused kernels leave out."""
    query, key, value = heads.with_repeated_keys()
    new, seen = query.shape[2], key.shape[2]
    scale = query.shape[3] ** -0.5 if settings.scale is None else settings.scale
    scores = (query @ key.mT).float() * scale
    if settings.softcap is not None:
        scores = torch.tanh(scores / settings.softcap) * settings.softcap
    if mask is None:
        mask = torch.ones(new, seen, dtype=torch.bool, device=query.device).tril(seen - new)
    scores = scores.masked_fill(~mask, -torch.inf)
    if settings.sinks is not None:
        sinks = settings.sinks.float().view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
        scores = torch.cat([scores, sinks], -1)
    weights = scores.softmax(-1)[..., :seen].to(value.dtype)
    return F.dropout(weights, settings.dropout) @ value


def _fits_flash(heads: Heads, settings: Settings) -> bool:
    size = heads.query.shape[3]
    return (
        "cu_seq_q" in FLASH_OPTIONS
        and heads.query.dtype in (torch.float16, torch.bfloat16)
        and size == heads.value.shape[3]
        and size % 8 == 0
        and size <= LARGEST_FLASH_HEAD
        and settings.dropout == 0
        and settings.softcap is None
        and settings.sinks is None
        and (settings.window is None or "window_size" in FLASH_OPTIONS)
    )


def _flash(heads: Heads, documents: Documents, settings: Settings) -> Tensor:
    options: dict[str, Any] = {}
    if "window_size" in FLASH_OPTIONS:
        options["window_size"] = (-1 if settings.window is None else settings.window - 1, 0)
    else:
        options["is_causal"] = True
    if "enable_gqa" in FLASH_OPTIONS:
        options["enable_gqa"] = heads.groups > 1
    else:
        heads = heads.with_repeated_keys()
    if settings.scale is not None and "scale" in FLASH_OPTIONS:
        options["scale"] = settings.scale
    elif settings.scale is not None:
        size = heads.query.shape[3]
        heads = heads._replace(query=heads.query * (settings.scale * size**0.5))
    query, key, value = (x.squeeze(0).transpose(0, 1) for x in heads)
    starts, longest = documents.starts, documents.longest
    assert starts is not None
    out = varlen_attn(query, key, value, starts, starts, longest, longest, **options)
    # A pair only where auxiliary results were asked for.
    assert isinstance(out, Tensor)
    return out.unsqueeze(0)
