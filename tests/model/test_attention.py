"""Packed documents give what each gives alone, to the last bit whatever their neighbours hold."""

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from transformers import PreTrainedModel

from twosignal.errors import InputError, RefusedError
from twosignal.model.attention import hidden_states, packed_inputs
from twosignal.model.isolation import isolate

from .families import VOCABULARY, flat, for_each, make, random_documents

LENGTHS = [19, 1, 1, 33, 8, 20, 20, 20, 5]
"""Single tokens, a run of equal lengths, and documents below and above the window of 12."""


def logits_alone(model: PreTrainedModel, documents: Sequence[Tensor]) -> Tensor:
    return torch.cat([model(input_ids=document[None], use_cache=False).logits[0] for document in documents])


def packed_logits(model: PreTrainedModel, documents: Sequence[Tensor]) -> Tensor:
    logits: Tensor = model(**packed_inputs(*flat(documents))).logits[0]
    return logits


@for_each()
@torch.no_grad()
def test_packed_documents_give_the_logits_of_transformers_own_attention_on_each_alone(family: str) -> None:
    model = make(family)
    documents = random_documents(LENGTHS)
    alone = logits_alone(model, documents)
    packed = packed_logits(isolate(model), documents)
    assert alone.abs().max() > 0.3
    assert (packed - alone).abs().max() <= 1e-5


@for_each()
@torch.no_grad()
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_exchanging_one_document_leaves_no_trace_in_the_others(family: str, precision: str) -> None:
    model = isolate(make(family))
    documents = random_documents(LENGTHS)
    poked = [
        document.flip(0) + 1 if place in (0, 3, 6) else document for place, document in enumerate(documents)
    ]
    kept = torch.cat([torch.full((n,), place not in (0, 3, 6)) for place, n in enumerate(LENGTHS)])
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        before = packed_logits(model, documents)
        after = packed_logits(model, [document.clamp_max(VOCABULARY - 1) for document in poked])
    assert torch.equal(before[kept], after[kept])
    assert not torch.equal(before[~kept], after[~kept])


@for_each()
def test_gradients_of_packed_documents_are_the_sum_of_those_alone(family: str) -> None:
    model = make(family)
    documents = [document for document in random_documents(LENGTHS) if len(document) > 1]

    def gradients(logits: Tensor) -> list[Tensor]:
        model.zero_grad()
        F.cross_entropy(logits, targets, reduction="sum").backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    targets = torch.cat([document.roll(-1) for document in documents])
    alone = gradients(logits_alone(model, documents))
    packed = gradients(packed_logits(isolate(model), documents))
    assert len(alone) == len(packed) > 10
    largest = max(float(gradient.abs().max()) for gradient in alone)
    for one, other in zip(alone, packed, strict=True):
        assert float((one - other).abs().max()) <= 1e-5 * max(1.0, largest)


@torch.no_grad()
def test_learned_positions_start_anew_in_every_document() -> None:
    model = isolate(make("GPT-2"))
    document = random_documents([7])[0]
    first, second = packed_logits(model, [document, document]).split(7)
    assert torch.equal(first, second)
    ids, _, lengths = flat([document, document])
    running_on = model(**packed_inputs(ids, torch.arange(14), lengths)).logits[0]
    assert not torch.allclose(running_on[7:], second, atol=1e-2)


@torch.no_grad()
def test_hidden_states_are_those_before_the_output_embedding() -> None:
    model = isolate(make("Llama"))
    row = flat(random_documents([5, 9]))
    states = hidden_states(model, *row)
    assert states.shape == (14, 32)
    assert torch.allclose(model.lm_head(states), model(**packed_inputs(*row)).logits[0], atol=1e-6)


@torch.no_grad()
def test_filling_up_a_row_for_bfloat16_changes_nothing_that_is_returned() -> None:
    model = isolate(make("GPT-2"))
    row = flat(random_documents([5, 9]))
    with torch.autocast("cpu", torch.bfloat16):
        states = hidden_states(model, *row)
        exact = model.base_model(**packed_inputs(*row)).last_hidden_state[0]
    assert states.shape == (14, 32)
    assert (states - exact).abs().max() < 0.05 * exact.abs().max()


def test_dropout_of_the_attention_weights_works_in_training_only() -> None:
    model = isolate(make("Llama", attention_dropout=0.5))
    row = flat(random_documents([30, 30]))
    assert torch.equal(hidden_states(model, *row), hidden_states(model, *row))
    model.train()
    assert not torch.equal(hidden_states(model, *row), hidden_states(model, *row))


def test_lengths_that_do_not_add_up_are_refused() -> None:
    ids = torch.arange(5)
    with pytest.raises(InputError, match=r"do not add up.*found 4 tokens in 2 documents.*expected 5 tokens"):
        packed_inputs(ids, ids, [3, 1])
    with pytest.raises(InputError, match="at least 1 in every document"):
        packed_inputs(ids, ids, [5, 0])


def test_a_call_without_document_lengths_is_refused_instead_of_mixing_documents() -> None:
    model = isolate(make("Llama"))
    with pytest.raises(RefusedError, match="without the lengths of the documents"):
        model(input_ids=torch.arange(4)[None])


def test_a_mask_of_the_callers_own_is_refused() -> None:
    model = isolate(make("Llama"))
    inputs = packed_inputs(torch.arange(4), torch.arange(4), [4])
    with pytest.raises(RefusedError, match="found attention_mask"):
        model(**inputs, attention_mask=torch.ones(1, 1, 4, 4, dtype=torch.bool))
