"""Setting up a model for packed rows: takes any causal transformers model, gives it our attention or refuses it.

Whether documents stay apart is measured on the model itself, never inferred from an option:
one document is exchanged for another (the poke), and the rest must not change; packed
documents must give what each gives alone.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from twosignal.errors import RefusedError
from twosignal.model.attention import NAME, hidden_states
from twosignal.model.modes import evaluating

PROBE_LENGTHS = (7, 1, 12, 5, 5)
"""Documents of the probe: a single token and a run of equal lengths are among them."""
POKED = 2
"""The document that is exchanged."""
LEAK_TOLERANCE = 1e-4
"""Share of the largest state. Attention alone leaves exactly 0; expert layers may round differently."""
DRIFT_TOLERANCE = {torch.float32: 1e-3}
"""Share of the largest state, for float32 weights."""
COARSE_DRIFT_TOLERANCE = 0.05
"""The same for half-precision weights."""
KNOWN_LAYERS = {"full_attention", "sliding_attention"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How far packed documents influence each other, as shares of the largest hidden state."""

    leak: float
    """Largest change in other documents when one is exchanged."""
    drift: float
    """Largest difference between a packed document and the same document alone."""


def isolate(model: PreTrainedModel) -> PreTrainedModel:
    """Put our attention into the model, in place, and check by measurement that documents stay apart.

    Raises RefusedError, naming the model type, where that cannot be had.
    """
    kind = model.config.model_type
    reason = _unsuitable(model)
    if not reason:
        model.set_attn_implementation(NAME)
        reason = "" if is_isolated(model) else "its attention cannot be exchanged"
    if not reason:
        reason = _measured_reason(model)
    if reason:
        raise RefusedError(
            f'a model of type "{kind}" cannot be trained on packed documents: {reason}',
            expected="a causal model whose layers mix tokens by attention alone",
            remedy="Use another model, for example of the Llama, Qwen, Mistral, Gemma or GPT-2 family.",
        )
    return model


def is_isolated(model: PreTrainedModel) -> bool:
    """Return whether our attention is set in the model."""
    return bool(model.base_model.config._attn_implementation == NAME)


def measured_isolation(model: PreTrainedModel) -> Isolation:
    """Run a handful of short documents packed, poked and alone, in evaluation mode."""
    device = model.get_input_embeddings().weight.device
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = (torch.arange(sum(PROBE_LENGTHS)) * 7 + 3) % vocabulary
    documents = list(ids.split(list(PROBE_LENGTHS)))
    poked = [(d + 1) % vocabulary if place == POKED else d for place, d in enumerate(documents)]
    with evaluating(model):
        packed = _states(model, documents, device)
        changed = _states(model, poked, device)
        alone = [_states(model, [document], device)[0] for document in documents]
    largest = max(float(states.abs().max()) for states in alone)
    pairs = list(zip(packed, changed, strict=True))
    leak = max(_distance(a, b) for place, (a, b) in enumerate(pairs) if place != POKED)
    drift = max(_distance(a, b) for a, b in zip(packed, alone, strict=True))
    return Isolation(leak=leak / largest, drift=drift / largest)


def _states(model: PreTrainedModel, documents: list[Tensor], device: torch.device) -> list[Tensor]:
    lengths = [len(document) for document in documents]
    positions = torch.cat([torch.arange(length) for length in lengths])
    states = hidden_states(model, torch.cat(documents).to(device), positions.to(device), lengths)
    return list(states.float().split(lengths))


def _distance(states: Tensor, others: Tensor) -> float:
    return float((states - others).abs().max())


def _measured_reason(model: PreTrainedModel) -> str:
    try:
        found = measured_isolation(model)
    except RefusedError as error:
        return f"in {error.where}, {error.message}"
    if not math.isfinite(found.leak + found.drift):
        raise _non_finite(model)
    if found.leak > LEAK_TOLERANCE:
        return f"exchanging one document changes others by {found.leak:.2g} of the largest state"
    if found.drift > DRIFT_TOLERANCE.get(model.dtype, COARSE_DRIFT_TOLERANCE):
        return f"packed documents differ from the same alone by {found.drift:.2g} of the largest state"
    return ""


def _non_finite(model: PreTrainedModel) -> RefusedError:
    broken = [name for name, weight in model.named_parameters() if not bool(torch.isfinite(weight).all())]
    return RefusedError(
        "the model's output is not finite on a handful of tokens, before any training (non-finite)",
        found=f"nan or infinity in {broken[0]}" if broken else "finite weights that overflow",
        remedy="Fetch or save the model again." if broken else "Use another model.",
    )


def _unsuitable(model: PreTrainedModel) -> str:
    config = model.config.get_text_config()
    if model.config.is_encoder_decoder:
        return "it has an encoder"
    if model._is_stateful:
        return "its layers carry a state from token to token"
    others = sorted(set(getattr(config, "layer_types", None) or []) - KNOWN_LAYERS)
    return f"it has layers of type {', '.join(others)}" if others else ""
