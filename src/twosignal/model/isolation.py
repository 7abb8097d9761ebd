"""How a model may run packed rows: takes any causal transformers model, gives it the first way that is proved, or refuses.

The ways, in order: "isolated", one sequence under our attention; "one per row", every
document in a row of its own, by the model's own code. Which of them keeps documents apart is
measured on the model itself (see probes.py), never inferred from its name or an option.
"""

import math
import traceback
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from twosignal.errors import RefusedError
from twosignal.model.attention import packed_inputs
from twosignal.model.mixers import mixing_layers, traced
from twosignal.model.modes import evaluating
from twosignal.model.probes import (
    LONG,
    Isolation,
    make_probe,
    measured_isolation,
    same_randomness,
    shortened,
)
from twosignal.model.separate import row_states
from twosignal.model.way import OURS, WAY, Way, adopt, attention_of, body, causal_model, set_attention, way_of

EXPERT_TOLERANCE = 1e-6
"""Leak in float32, as a share of the largest state, that expert layers may show: they batch tokens by expert, and
rounding depends on the batch. Other models leave exactly 0, and so does the gradient of every model."""
DRIFT_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
"""Share of the largest state of a document, for float32 weights."""
COARSE_DRIFT_TOLERANCE = 0.05
"""The same for half-precision weights."""
SHARE = "of the largest state"
FAULTS = (
    RefusedError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ImportError,
    AssertionError,
)
"""What a model's code may raise when it is run in a way that it does not know."""


def isolate(model: PreTrainedModel) -> PreTrainedModel:
    """Give the model, in place, the first way of running packed rows that keeps documents apart; see `way_of`.

    Adapters that change weights (LoRA) may be wrapped around the model. Raises RefusedError,
    naming the model type and the layers that mix, where no way can be proved.
    """
    inner = causal_model(model)
    reason = _unsuitable(model)
    if reason:
        raise _refused(inner, reason)
    before: Way | None = getattr(inner, WAY, None)
    own = before.attention if before and attention_of(inner) == OURS else attention_of(inner)
    reason = _try_ours(inner, own)
    if reason:
        reason = _try_rows(inner, own, reason)
    if reason:
        adopt(inner, None)
        raise _refused(inner, reason)
    return model


def _try_ours(model: PreTrainedModel, own: str) -> str:
    """Try one sequence under our attention; return why not."""
    if not set_attention(model, OURS):
        set_attention(model, own)
        return _blamed(model, "its attention cannot be exchanged")
    adopt(model, Way(name="isolated", attention=own))
    reason = _fault(model)
    if reason:
        set_attention(model, own)
    return reason


def _try_rows(model: PreTrainedModel, own: str, reason: str) -> str:
    """Try rows of their own, several to a call and then one; return why not."""
    adopt(model, Way(name="one per row", attention=own, reason=reason))
    if not _fault(model):
        return ""
    adopt(model, Way(name="one per row", attention=own, reason=reason, is_padded=False))
    return _fault(model)


def _fault(model: PreTrainedModel) -> str:
    """Measure the model in the way it has; return what is wrong with it."""
    try:
        found = measured_isolation(model)
    except RefusedError as error:
        asked = f" ({error.found})" if error.found else ""
        return f"in {error.where}, {error.message}{asked}"
    except FAULTS as error:
        return f"{_failing_layer(error)}: its code fails: {first_line(error)}"
    if not math.isfinite(found.leak + found.ahead + found.drift + (found.gradient or 0)):
        set_attention(model, way_of(model).attention)
        adopt(model, None)
        raise _non_finite(model)
    return _judged(model, found)


def _judged(model: PreTrainedModel, found: Isolation) -> str:
    rounding = _rounding(model)
    if found.ahead > rounding:
        reason = f"exchanging a later token changes earlier ones by {found.ahead:.2g} {SHARE}"
        return _blamed(model, f"it looks ahead: {reason}", looks_ahead=True)
    if found.leak > rounding:
        return _blamed(model, f"exchanging one document changes others by {found.leak:.2g} {SHARE}")
    if found.gradient is None:
        return "its input embedding is not called, so that no gradient can be followed"
    if found.gradient > 0:
        return _blamed(model, f"a document has a gradient of {found.gradient:.2g} by the tokens of others")
    if found.drift > DRIFT_TOLERANCE.get(model.dtype, COARSE_DRIFT_TOLERANCE):
        return f"packed documents differ from the same alone by {found.drift:.2g} {SHARE}"
    return ""


def _failing_layer(error: Exception) -> str:
    """Return the class of the innermost layer of the model whose code was running."""
    modules = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [type(m) for m in modules if isinstance(m, nn.Module)]
    names = [layer.__name__ for layer in own if not layer.__module__.startswith("torch.")]
    return names[-1] if names else "the model"


def first_line(error: Exception) -> str:
    """Return the first line of what was raised, or its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _rounding(model: PreTrainedModel) -> float:
    """Return the leak that counts as rounding: 0 but for expert layers."""
    has_experts = any("expert" in name for name, _ in model.named_modules())
    rounding = torch.finfo(model.dtype).eps / torch.finfo(torch.float32).eps
    return EXPERT_TOLERANCE * max(1.0, rounding) if has_experts else 0.0


def _blamed(model: PreTrainedModel, reason: str, *, looks_ahead: bool = False) -> str:
    """Return the reason with the layers that mix, where they can be told."""
    try:
        layers = _looking_ahead(model) if looks_ahead else _mixing(model)
    except FAULTS:
        layers = []
    return f"{' and '.join(layers)}: {reason}" if layers else reason


def _mixing(model: PreTrainedModel) -> list[str]:
    """Find layers by exchanging every other document of a single sequence, then the rest."""
    probe = make_probe(model)
    numbers = torch.repeat_interleave(torch.tensor(probe.lengths)).to(probe.ids.device)
    found: list[str] = []
    for parity in (0, 1):
        part = numbers % 2 == parity
        # The first document sees no other, and tells nothing.
        kept = ~part & (numbers > 0)
        found = found or _compared(
            model, (probe.ids, probe.exchanged(part)), lengths=probe.lengths, kept=kept
        )
    return found


def _looking_ahead(model: PreTrainedModel) -> list[str]:
    """Find layers by exchanging the later half of one document that is alone."""
    probe = make_probe(model)
    long = probe.documents[LONG]
    kept = torch.arange(probe.lengths[LONG], device=probe.ids.device) < probe.later_half.start - long.start
    pair = probe.ids[long], probe.exchanged(probe.later_half)[long]
    return _compared(model, pair, lengths=[probe.lengths[LONG]], kept=kept)


def _compared(
    model: PreTrainedModel, pair: tuple[Tensor, Tensor], *, lengths: Sequence[int], kept: Tensor
) -> list[str]:
    with shortened(model), evaluating(model), same_randomness(model):
        before, after = (traced(body(model), partial(_single, model, ids, lengths), kept) for ids in pair)
    return mixing_layers(body(model), before, after, tolerance=_rounding(model))


def _single(model: PreTrainedModel, ids: Tensor, lengths: Sequence[int]) -> None:
    """Run all as one sequence; positions run on, since at new beginnings some models refuse instead of mixing."""
    if attention_of(model) == OURS:
        body(model)(**packed_inputs(ids, torch.arange(len(ids), device=ids.device), lengths))
    else:
        row_states(model, ids[None])


def _non_finite(model: PreTrainedModel) -> RefusedError:
    broken = [name for name, weight in model.named_parameters() if not bool(torch.isfinite(weight).all())]
    return RefusedError(
        "the model's output is not finite on a handful of tokens, before any training (non-finite)",
        found=f"nan or infinity in {broken[0]}" if broken else "finite weights that overflow",
        remedy="Fetch or save the model again." if broken else "Use another model.",
    )


def _unsuitable(model: PreTrainedModel) -> str:
    if causal_model(model).config.is_encoder_decoder:
        return "it has an encoder"
    settings = getattr(model, "active_peft_config", None)
    if settings is not None and settings.is_prompt_learning:
        kind = str(settings.peft_type).rpartition(".")[2].lower().replace("_", " ")
        return f"{kind} puts learned tokens before a row, which only its first document would see"
    return ""


def _refused(model: PreTrainedModel, reason: str) -> RefusedError:
    return RefusedError(
        f'a model of type "{model.config.model_type}" cannot be trained: {reason}',
        expected="a causal model whose documents can be kept apart",
        remedy="Use another model, for example of the Llama, Qwen, Mistral, Gemma or GPT-2 family.",
    )
