"""How long a document a model can read: takes a model, gives a number of tokens."""

from typing import Any

from transformers import PreTrainedModel

LIMITS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_target_positions", "n_ctx")
"""What configurations call the number of positions."""
UNLIMITED = 1 << 30
"""Limit of models that know no positions, such as state-space models."""
LENGTH_DEPENDENT_ROPE = ("dynamic", "longrope")
"""Rotary embeddings that change for all tokens of a row as soon as one position is beyond the original limit."""


def context_limit(model: PreTrainedModel) -> int:
    """Return the longest document in tokens that the model's positions reach.

    Where the rotary embedding depends on the longest position of the row, this is the
    original limit, below which it does not: documents must not change each other.
    """
    config: Any = model.config.get_text_config()
    found = (getattr(config, name, None) for name in LIMITS)
    limit = next((value for value in found if isinstance(value, int) and value > 0), UNLIMITED)
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = [rope, *(part for part in rope.values() if isinstance(part, dict))]
    for kind in kinds:
        if kind.get("rope_type") in LENGTH_DEPENDENT_ROPE:
            limit = min(limit, int(kind.get("original_max_position_embeddings") or limit))
    return limit
