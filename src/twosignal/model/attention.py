"""Attention that keeps packed documents apart: takes a flat row and its document lengths, gives hidden states.

`hidden_states` runs a row in whichever way `isolate` has proved for the model; training, the
proof and its probes all go through it. The function is registered in transformers' table under the name "twosignal". It is called
with the documents of the row, which `packed_inputs` puts into the model call, or with the
view of a key-value cache, and refuses every other call: transformers builds no mask for a
name of ours, so a call without either would mix documents or padding in silence.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from twosignal.errors import InputError, RefusedError
from twosignal.model.cache import CacheView
from twosignal.model.kernels import Documents, Heads, Settings, under_mask, within_documents
from twosignal.model.separate import row_inputs, separate_states
from twosignal.model.way import OURS, body, causal_model, way_of

UNKNOWN_KINDS = ("position_bias", "sinks", "indices", "block_indices", "cache")
"""Arguments of other kinds of attention, which would change the result if they were ignored."""


def packed_inputs(ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> dict[str, Any]:
    """Return the keyword arguments of a model call on documents laid end to end.

    ids, positions: int64, any shape, taken as one row of [tokens]; positions start at 0 in every
    document. lengths: tokens of each document, in order; padding counts as a document.
    """
    if not sum(lengths) == ids.numel() == positions.numel() or min(lengths, default=0) < 1:
        raise InputError(
            "the documents of a packed row do not add up to its tokens",
            found=f"{sum(lengths)} tokens in {len(lengths)} documents, {positions.numel()} positions",
            expected=f"{ids.numel()} tokens, at least 1 in every document",
        )
    return {
        "input_ids": ids.reshape(1, -1),
        "position_ids": positions.reshape(1, -1),
        "use_cache": False,
        "documents": Documents.on(ids.device, tuple(lengths)),
    }


def hidden_states(model: PreTrainedModel, ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return the last hidden states [tokens, width] of documents laid end to end; see `packed_inputs`.

    Raises InputError for a model that `isolate` has not seen.
    """
    way = way_of(model)
    if not way.is_isolated:
        return separate_states(causal_model(model), ids, lengths, is_padded=way.is_padded)
    num_tokens = ids.numel()
    filler = -num_tokens % shape_step(ids.device)
    if filler:
        # An id of the row itself: a padding id at its end makes GPT-2 warn of a missing mask.
        ids = torch.cat([ids.reshape(-1), ids.reshape(-1)[-1:].expand(filler)])
        positions = F.pad(positions.reshape(-1), (0, filler))
        lengths = [*lengths, filler]
    states: Tensor = body(model)(**packed_inputs(ids, positions, lengths)).last_hidden_state
    return states.squeeze(0)[:num_tokens]


def document_inputs(model: PreTrainedModel, ids: Tensor) -> dict[str, Any]:
    """Return the keyword arguments of a call on one document, in the model's way; ids: int64 [tokens]."""
    if way_of(model).is_isolated:
        return packed_inputs(ids, torch.arange(len(ids), device=ids.device), [len(ids)])
    return row_inputs(causal_model(model), ids[None])


def shape_step(device: torch.device) -> int:
    """Return the multiple that numbers of tokens are filled up to before a matrix product.

    oneDNN compiles and keeps a bfloat16 kernel for every matrix shape it meets: with rows of
    ever different lengths that was 1.5 GB after 60 steps of a model of 1M parameters (measured).
    """
    return 256 if device.type == "cpu" and torch.is_autocast_enabled("cpu") else 1


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,  # noqa: ANN401 (transformers' layers pass what they like)
) -> tuple[Tensor, None]:
    """Attend within documents or within a cache; the signature is that of transformers' table.

    query: [batch, heads, new, size]; key, value: [batch, key heads, seen, size].
    Returns [batch, new, heads, size] and no attention weights.
    """
    documents: Documents | None = options.get("documents")
    view: CacheView | None = options.get("cache_view")
    _refuse_unknown(module, attention_mask, options)
    settings = Settings(
        scale=options.get("scaling"),
        dropout=options.get("dropout") or 0.0,
        window=options.get("sliding_window"),
        softcap=options.get("softcap"),
        sinks=options.get("s_aux"),
    )
    heads = Heads(query, key, value)
    if documents is not None:
        return within_documents(heads, documents, settings), None
    if view is not None:
        mask = view.mask(settings.window, query.device)
        return under_mask(heads, mask, settings), None
    raise RefusedError(
        "the model was called without the lengths of the documents in the row",
        where=type(module).__name__,
        expected="the keyword arguments that packed_inputs returns",
        remedy='For other calls set another attention first: model.set_attn_implementation("sdpa").',
    )


def _refuse_unknown(module: nn.Module, attention_mask: Tensor | None, options: dict[str, Any]) -> None:
    found = [name for name in UNKNOWN_KINDS if options.get(name) is not None]
    if attention_mask is not None:
        found.append("attention_mask")
    is_causal = options.get("is_causal")
    if not (getattr(module, "is_causal", True) if is_causal is None else is_causal):
        found.append("attention in both directions")
    if found:
        raise RefusedError(
            "the layer asks for a kind of attention that is not known to keep documents apart",
            where=type(module).__name__,
            found=", ".join(found),
            expected="causal attention, with or without a sliding window",
            remedy="Use another model.",
        )


ALL_ATTENTION_FUNCTIONS.register(OURS, attention)
