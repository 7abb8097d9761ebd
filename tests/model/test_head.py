"""The head gives the model's own logits, by a bare linear map where that is all the model does."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from twosignal.errors import RefusedError
from twosignal.model.attention import hidden_states, packed_inputs
from twosignal.model.head import measured_head
from twosignal.model.isolation import isolate

from .families import VOCABULARY, flat, for_each, make, random_documents

BENT = ("Gemma2", "Granite")


@for_each()
def test_the_head_gives_the_models_own_logits_and_gradients(family: str) -> None:
    model = isolate(make(family))
    head = measured_head(model)
    assert head.is_linear == (family not in BENT)
    row = flat(random_documents([5, 9]))
    own = model(**packed_inputs(*row)).logits[0]
    ours = head.logits(hidden_states(model, *row))
    assert ours.shape == (14, VOCABULARY)
    assert torch.allclose(ours, own, atol=1e-6)
    embedding = model.get_input_embeddings().weight
    (expected,) = torch.autograd.grad(own.square().sum(), embedding)
    (got,) = torch.autograd.grad(ours.square().sum(), embedding)
    assert torch.allclose(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_a_linear_head_hands_out_its_live_weight_and_bias() -> None:
    model = isolate(make("Phi"))
    head = measured_head(model)
    assert head.weight is model.lm_head.weight
    assert head.bias is model.lm_head.bias
    assert measured_head(isolate(make("Llama"))).bias is None


def test_a_soft_cap_is_found_though_fresh_logits_are_far_below_it() -> None:
    model = isolate(make("Gemma2", final_logit_softcapping=1000.0))
    head = measured_head(model)
    assert head.weight is None
    assert head.bias is None
    large = torch.full((1, 32), 1e6)
    assert head.logits(large).abs().max() <= 1000


def test_logits_of_any_number_of_tokens_under_bfloat16() -> None:
    head = measured_head(isolate(make("Llama")))
    states = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        logits = head.logits(states)
    assert logits.shape == (3, VOCABULARY)
    assert torch.allclose(logits.float(), head.logits(states), atol=0.05)


def test_logits_that_do_not_follow_from_the_states_are_refused() -> None:
    model = isolate(make("Llama"))

    def echo(_: nn.Module, __: Any, inputs: dict[str, Any], output: Any) -> Any:
        output.logits = output.logits + F.one_hot(inputs["input_ids"], VOCABULARY)
        return output

    model.register_forward_hook(echo, with_kwargs=True)
    with pytest.raises(RefusedError, match='of type "llama" makes its logits in a way that is not known'):
        measured_head(model)
