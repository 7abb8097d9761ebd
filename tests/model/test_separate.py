"""Documents in rows of their own: few calls, little padding, and to every document what it gives alone."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from twosignal.model.attention import hidden_states
from twosignal.model.isolation import isolate
from twosignal.model.separate import MOST_ROWS, MOST_TOKENS, groups, rounded, separate_states
from twosignal.model.way import own_attention

from .families import OTHERS, flat, for_each, make, random_documents

LENGTHS = [19, 1, 33, 8, 20, 20, 39, 5]


def test_sizes_are_four_between_powers_of_two() -> None:
    assert [rounded(n) for n in (1, 2, 3, 8, 9, 33, 40, 41, 64, 65, 1000)] == [
        1, 2, 3, 8, 10, 40, 40, 48, 64, 80, 1024,
    ]  # fmt: skip
    sizes = sorted({rounded(n) for n in range(1, 4097)})
    assert len(sizes) == 4 + 4 * 10
    assert all(b <= 2 * a for a, b in pairwise(sizes))


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=90))
@few(max_examples=60, deadline=None)
def test_every_document_is_in_one_call_with_little_padding(lengths: list[int]) -> None:
    calls = list(groups(lengths))
    assert sorted(place for call in calls for place in call) == list(range(len(lengths)))
    for call in calls:
        size = rounded(lengths[call[0]])
        assert all(rounded(lengths[place]) == size for place in call)
        assert all(size < 1.25 * lengths[place] for place in call)
        assert len(call) <= MOST_ROWS
        assert len(call) == 1 or len(call) * size <= MOST_TOKENS


@for_each(list(OTHERS))
@pytest.mark.parametrize("is_padded", [True, False])
def test_every_document_gets_the_states_it_has_alone(family: str, is_padded: bool) -> None:
    model = make(family)
    documents = random_documents(LENGTHS)
    with torch.no_grad():
        alone = [model.base_model(input_ids=ids[None]).last_hidden_state[0] for ids in documents]
        states = separate_states(model, torch.cat(documents), LENGTHS, is_padded=is_padded).split(LENGTHS)
    for some, others in zip(states, alone, strict=True):
        assert (some - others).abs().max() <= 1e-5 * others.abs().max()


@for_each(list(OTHERS))
def test_hidden_states_run_a_packed_row_in_this_way(family: str) -> None:
    model = isolate(make(family))
    calls = []
    model.base_model.register_forward_hook(lambda _, __, out: calls.append(out.last_hidden_state.shape[:2]))
    row = flat(random_documents(LENGTHS))
    states = hidden_states(model, *row)
    assert [tuple(shape) for shape in calls] == [(1, 1), (1, 5), (1, 8), (3, 20), (2, 40)]
    assert states.shape == (sum(LENGTHS), 32)


def test_the_models_own_attention_is_put_back() -> None:
    model = isolate(make("Llama"))
    with own_attention(model):
        assert model.config._attn_implementation == "eager"
    assert model.config._attn_implementation == "twosignal"
    other = isolate(make("Bloom"))
    before = other.config._attn_implementation
    with own_attention(other):
        pass
    assert other.config._attn_implementation == before
