"""Keys and values kept while generating: takes those of each new token, gives all of a prompt's so far.

One buffer for each layer, allocated once; prompts of different lengths end at the same
column and begin with padding, which `CacheView` masks.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache


class KeyValueBuffers(Cache):
    """A cache of fixed capacity for transformers' layers; `used` columns hold something."""

    def __init__(self, capacity: int) -> None:
        super().__init__(layers=[])
        self.capacity = capacity
        self.used = 0
        self._buffers: dict[int, tuple[Tensor, Tensor]] = {}

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        layer_idx: int,
        *_: Any,  # noqa: ANN401 (transformers' layers pass what they like)
        **__: Any,  # noqa: ANN401
    ) -> tuple[Tensor, Tensor]:
        """Write [batch, heads, new, size] behind the used columns; return views of all columns written.

        `used` moves on after the whole model has run, by `advance`.
        """
        if layer_idx not in self._buffers:
            self._buffers[layer_idx] = (self._empty(key_states), self._empty(value_states))
        end = self.used + key_states.shape[2]
        written = []
        for buffer, states in zip(self._buffers[layer_idx], (key_states, value_states), strict=True):
            buffer[:, :, self.used : end] = states
            written.append(buffer[:, :, :end])
        keys, values = written
        return keys, values

    def advance(self, new: int) -> None:
        """Count `new` columns as used."""
        self.used += new

    def keep(self, rows: Tensor) -> None:
        """Drop all prompts but these; rows: int64 [kept]."""
        self._buffers = {layer: (keys[rows], values[rows]) for layer, (keys, values) in self._buffers.items()}

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002 (all layers agree)
        """Return the used columns."""
        return self.used

    def _empty(self, states: Tensor) -> Tensor:
        batch, heads, _, size = states.shape
        return states.new_empty(batch, heads, self.capacity, size)


@dataclass(slots=True, kw_only=True)
class CacheView:
    """What the newest tokens of a batch see of the keys kept so far, themselves included."""

    new: int
    """Tokens of this call, for each prompt."""
    seen: int
    """Columns in use after this call, padding included."""
    padding: Tensor | None
    """Padding columns before each prompt, int64 [batch]; None if there are none."""
    _masks: dict[int | None, Tensor | None] = field(default_factory=dict)

    def mask(self, window: int | None, device: torch.device) -> Tensor | None:
        """Return the boolean mask [batch or 1, 1, new, seen], or None where causal order says it all.

        Made once for all layers of a window.
        """
        if window not in self._masks:
            self._masks[window] = self._make(window, device)
        return self._masks[window]

    def _make(self, window: int | None, device: torch.device) -> Tensor | None:
        is_windowed = window is not None and self.seen > window
        if self.padding is None and not is_windowed:
            return None
        keys = torch.arange(self.seen, device=device)
        queries = keys[-self.new :, None]
        visible = keys <= queries
        if window is not None:
            visible = visible & (queries - keys < window)
        if self.padding is not None:
            # Padding queries see themselves: a softmax over nothing is not a number.
            visible = (visible & (keys >= self.padding[:, None, None])) | (keys == queries)
        return visible.view(-1, 1, self.new, self.seen)
