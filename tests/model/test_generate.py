"""Texts are those of transformers' own generation, do not depend on companions, and leave no trace in training."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st
from transformers import PreTrainedModel

from twosignal.errors import InputError
from twosignal.model.attention import hidden_states, packed_inputs
from twosignal.model.cache import CacheView
from twosignal.model.generate import Generated, Sampling, draw, generate
from twosignal.model.isolation import isolate
from twosignal.model.rereading import step, working_memory

from .families import CONTEXT, FAMILIES, OTHERS, flat, for_each, make, random_documents

GREEDY = Sampling(max_tokens=20, temperature=0)


def prompts(*lengths: int) -> list[list[int]]:
    return [document.tolist() for document in random_documents(lengths)]


def full_logits(model: PreTrainedModel, ids: Sequence[int]) -> torch.Tensor:
    """Logits [tokens, vocabulary] of one text, without a cache."""
    with torch.no_grad():
        given: torch.Tensor = model(**packed_inputs(*flat([torch.tensor(ids)]))).logits[0]
    return given


def ids_of(texts: Sequence[Generated]) -> list[list[int]]:
    return [text.ids for text in texts]


@for_each([*FAMILIES, *OTHERS])
def test_greedy_texts_are_those_of_transformers_own_generation(family: str) -> None:
    model = make(family)
    theirs = []
    for prompt in prompts(17, 5, 1):
        row = torch.tensor([prompt])
        out = model.generate(
            row,
            attention_mask=torch.ones_like(row),
            max_new_tokens=20,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        theirs.append(out[0, len(prompt) :].tolist())
    ours = generate(isolate(model), prompts(17, 5, 1), settings=GREEDY, seed=0)
    assert ids_of(ours) == theirs
    assert not any(text.stopped for text in ours)


@for_each()
def test_log_probabilities_over_the_cache_are_those_of_a_full_pass(family: str) -> None:
    model = isolate(make(family))
    texts = generate(model, prompts(17, 5, 1), settings=Sampling(max_tokens=20, temperature=1.5), seed=3)
    for prompt, text in zip(prompts(17, 5, 1), texts, strict=True):
        logits = full_logits(model, prompt + text.ids)[len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1)[torch.arange(20), text.ids].numpy()
        assert text.logprobs.dtype == np.float32
        np.testing.assert_allclose(text.logprobs, expected, atol=1e-4)


def test_a_prompts_text_does_not_depend_on_its_companions() -> None:
    model = isolate(make("Llama"))
    together = generate(model, prompts(17, 5, 1), settings=GREEDY, seed=0)
    alone = [generate(model, [prompt], settings=GREEDY, seed=0)[0] for prompt in prompts(17, 5, 1)]
    assert ids_of(together) == ids_of(alone)


def test_the_generator_of_each_prompt_starts_from_the_seed_and_its_number() -> None:
    model = isolate(make("Llama"))
    sampling = Sampling(max_tokens=20, temperature=1.0, top_p=1.0)
    first, second = generate(model, prompts(5, 9), settings=sampling, seed=7)
    (again,) = generate(model, [prompts(5, 9)[1]], settings=sampling, seed=8)
    assert second.ids == again.ids
    assert first.ids != generate(model, [prompts(5, 9)[0]], settings=sampling, seed=8)[0].ids


def test_many_prompts_are_worked_off_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    model = isolate(make("Llama"))
    sampling = Sampling(max_tokens=5, temperature=1.0)
    at_once = generate(model, prompts(5, 9, 3, 7, 2), settings=sampling, seed=7)
    monkeypatch.setattr("twosignal.model.generate.PROMPTS_AT_ONCE", 2)
    assert ids_of(generate(model, prompts(5, 9, 3, 7, 2), settings=sampling, seed=7)) == ids_of(at_once)


def test_a_stop_token_ends_its_own_text_and_no_other() -> None:
    model = isolate(make("Llama"))
    free = generate(model, prompts(17, 5, 1), settings=GREEDY, seed=0)
    stop = free[1].ids[4]
    cut = generate(
        model, prompts(17, 5, 1), settings=Sampling(max_tokens=20, temperature=0, stop_ids=[stop]), seed=0
    )
    for before, after in zip(free, cut, strict=True):
        place = before.ids.index(stop) + 1 if stop in before.ids else 20
        assert after.ids == before.ids[:place]
        assert after.stopped == (stop in before.ids)
        assert len(after.logprobs) == len(after.ids)


@for_each(["Llama", "GPT-2", "Mistral"])
def test_a_text_longer_than_the_context_goes_on_from_its_newest_half(family: str) -> None:
    model = isolate(make(family))
    (text,) = generate(model, prompts(40), settings=Sampling(max_tokens=150, temperature=0), seed=0)
    assert len(text.ids) == 150
    whole = prompts(40)[0] + text.ids
    kept: list[int] = list(whole[:40])
    for place in range(40, 190):
        if len(kept) > CONTEXT:
            kept = kept[-CONTEXT // 2 :]
        assert int(full_logits(model, kept)[-1].argmax()) == whole[place]
        kept.append(whole[place])


def test_the_context_slides_for_each_prompt_by_its_own_length() -> None:
    model = isolate(make("GPT-2"))
    long = Sampling(max_tokens=120, temperature=0)
    together = generate(model, prompts(90, 3, 200), settings=long, seed=0)
    alone = [generate(model, [prompt], settings=long, seed=0)[0] for prompt in prompts(90, 3, 200)]
    assert ids_of(together) == ids_of(alone)


def test_420_tokens_on_a_context_of_64() -> None:
    model = isolate(make("GPT-2", n_positions=64))
    texts = generate(model, prompts(30, 300), settings=Sampling(max_tokens=420), seed=0)
    assert [len(text.ids) for text in texts] == [420, 420]
    assert all(np.isfinite(text.logprobs).all() for text in texts)


def test_training_goes_on_as_if_nothing_had_been_generated() -> None:
    model = isolate(make("Llama", attention_dropout=0.1)).train()
    row = flat(random_documents([9, 9]))
    state = torch.get_rng_state()
    generate(model, prompts(5), settings=Sampling(max_tokens=5), seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    hidden_states(model, *row).sum().backward()
    assert all(p.grad is not None for p in model.base_model.parameters())


def test_nothing_to_say_and_nothing_to_go_on_with() -> None:
    model = isolate(make("Llama"))
    (text,) = generate(model, prompts(5), settings=Sampling(max_tokens=0), seed=0)
    assert (text.ids, len(text.logprobs), text.stopped) == ([], 0, False)
    assert generate(model, [], settings=GREEDY, seed=0) == []
    with pytest.raises(InputError, match="prompt 2: there is nothing to go on with"):
        generate(model, [[5], []], settings=GREEDY, seed=0)


def test_a_model_that_was_not_measured_is_refused() -> None:
    with pytest.raises(InputError, match=r"not been measured.*Call isolate\(model\) first"):
        generate(make("Llama"), prompts(5), settings=GREEDY, seed=0)


@for_each(list(OTHERS))
def test_log_probabilities_over_the_models_own_memory_are_those_of_a_full_pass(family: str) -> None:
    model = isolate(make(family))
    texts = generate(model, prompts(17, 1), settings=Sampling(max_tokens=9, temperature=1.5), seed=3)
    for prompt, text in zip(prompts(17, 1), texts, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + text.ids])).logits[0, len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1)[torch.arange(9), text.ids].numpy()
        np.testing.assert_allclose(text.logprobs, expected, atol=1e-4)


def test_a_memory_is_used_only_where_it_is_measured_to_be_right(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.no_grad():
        assert working_memory(isolate(make("Mamba"))) == "cache_params"
        assert working_memory(isolate(make("Bloom"))) == "past_key_values"
        assert working_memory(isolate(make("GPT"))) is None

    def forgetful(model: PreTrainedModel, ids: torch.Tensor, *, name: str, memory: Any) -> Any:
        again = None if memory is None else step(model, ids, name=name, memory=None)[1]
        return step(model, ids, name=name, memory=again)

    monkeypatch.setattr("twosignal.model.rereading.step", forgetful)
    with torch.no_grad():
        assert working_memory(isolate(make("Bloom"))) is None


@for_each(["Bloom", "GPT"])
def test_a_text_outgrows_the_context_of_any_model(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twosignal.model.rereading.context_limit", lambda _: 24)
    (text,) = generate(
        isolate(make(family)), prompts(20), settings=Sampling(max_tokens=30, temperature=0), seed=0
    )
    model, kept = make(family), list(prompts(20)[0])
    for token in text.ids:
        kept = kept if len(kept) <= 24 else kept[-12:]
        with torch.no_grad():
            assert int(model(input_ids=torch.tensor([kept])).logits[0, -1].argmax()) == token
        kept.append(token)


def one(probabilities: Sequence[float], chance: float, **changes: Any) -> tuple[int, float]:
    settings = Sampling(**{"max_tokens": 1, "temperature": 1.0, "top_p": 1.0, **changes})
    logits = torch.tensor([probabilities]).log()
    tokens, logprobs = draw(logits, settings, chances=torch.tensor([chance]))
    return tokens[0], logprobs[0]


def test_tokens_are_drawn_by_their_probability_from_the_likeliest_down() -> None:
    shares = [0.2, 0.5, 0.3]
    assert [one(shares, chance)[0] for chance in (0.0, 0.49, 0.51, 0.79, 0.81, 0.999)] == [1, 1, 2, 2, 0, 0]


def test_top_p_keeps_the_fewest_tokens_that_hold_the_share() -> None:
    shares = [0.2, 0.5, 0.3]
    assert [one(shares, chance, top_p=0.6)[0] for chance in (0.62, 0.63, 0.999)] == [1, 2, 2]
    assert one(shares, 0.999, top_p=0.5)[0] == 1
    assert one(shares, 0.999, top_p=0.01)[0] == 1


def test_temperature_changes_the_draw_and_not_the_reported_probability() -> None:
    token, logprob = one([0.2, 0.5, 0.3], 0.999, temperature=0.1)
    assert token == 2
    assert one([0.2, 0.5, 0.3], 0.98, temperature=0.1)[0] == 1
    assert logprob == pytest.approx(math.log(0.3))
    assert one([0.2, 0.5, 0.3], 0.999, temperature=0)[0] == 1


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=9), st.floats(0, 0.999), st.floats(0.01, 1))
@few(max_examples=60, deadline=None)
def test_any_logits_draw_a_token_of_the_vocabulary(logits: list[float], chance: float, top_p: float) -> None:
    row = torch.tensor([logits])
    settings = Sampling(max_tokens=1, temperature=0.7, top_p=top_p)
    (token,), (logprob,) = draw(row, settings, chances=torch.tensor([chance]))
    assert logprob == pytest.approx(float(F.log_softmax(row[0], 0)[token]), abs=1e-5)


def test_logits_that_are_not_numbers_draw_a_token_and_say_so() -> None:
    row = torch.full((1, 5), float("nan"))
    for temperature in (0.0, 1.0):
        settings = Sampling(max_tokens=1, temperature=temperature)
        (token,), (logprob,) = draw(row, settings, chances=torch.tensor([0.5]))
        assert 0 <= token < 5
        assert math.isnan(logprob)


def test_a_view_of_the_cache_masks_padding_and_what_lies_outside_the_window() -> None:
    cpu = torch.device("cpu")
    assert CacheView(new=1, seen=9, padding=None).mask(None, cpu) is None
    assert CacheView(new=1, seen=9, padding=None).mask(9, cpu) is None
    windowed = CacheView(new=1, seen=4, padding=None).mask(2, cpu)
    assert windowed is not None
    assert windowed.tolist() == [[[[False, False, True, True]]]]
    padded = CacheView(new=3, seen=3, padding=torch.tensor([0, 2])).mask(None, cpu)
    assert padded is not None
    causal = [[True, False, False], [True, True, False], [True, True, True]]
    itself = [[True, False, False], [False, True, False], [False, False, True]]
    assert padded.tolist() == [[causal], [itself]]
