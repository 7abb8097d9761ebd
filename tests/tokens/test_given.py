"""Tests of records that came as ids: takes ids with and without masks, gives examples, or the first token that is wrong."""

from typing import Any

import pytest

from twosignal.errors import SourceError
from twosignal.text.conversation import Record, Tokenized
from twosignal.tokens.render import Renderer
from twosignal.tokens.rules import Supervise
from twosignal.tokens.tokenizer import Tokenizer

from . import saved

CHAT = saved.chat(("user", "ab"), ("assistant", "cab"))
# bos 261, user 264, "ab" 256, end 268, assistant 265, "cab" 258, end 268
IDS = (261, 264, 256, 268, 265, 258, 268)
MASK = (False,) * 5 + (True, True)


def tokenized(**fields: Any) -> Tokenized:
    return Tokenized(**{"ids": IDS, "supervised": MASK, "origin": saved.ORIGIN, **fields})


def fault(tokenizer: Tokenizer, supervise: Supervise = "assistant", **fields: Any) -> str:
    with pytest.raises(SourceError) as caught:
        Renderer(tokenizer, supervise).render(tokenized(**fields))
    assert "data/chats.jsonl:7" in str(caught.value)
    return str(caught.value)


def test_ids_and_mask_are_taken_as_they_are_but_for_the_first(tiny: Tokenizer) -> None:
    example = Renderer(tiny).render(tokenized(supervised=(True,) * 7))
    assert example.ids.tolist() == list(IDS)
    assert example.supervised.tolist() == [False] + [True] * 6
    assert Renderer(tiny).render(tokenized()).supervised.tolist() == list(MASK)


def test_without_a_mask_all_is_learned_only_if_that_is_the_rule(tiny: Tokenizer) -> None:
    example = Renderer(tiny, "all").render(tokenized(supervised=None))
    assert example.supervised.tolist() == [False] + [True] * 6
    assert "nothing says which of these token ids are learned" in fault(tiny, supervised=None)


def test_ids_beyond_the_vocabulary_are_named_with_their_place(tiny: Tokenizer) -> None:
    found = fault(tiny, ids=(*IDS[:-1], tiny.vocab_size))
    assert f"token id {tiny.vocab_size} at place 6 is not in the vocabulary" in found


def test_messages_beside_the_ids_are_rendered_and_compared(tiny: Tokenizer, chatml: Tokenizer) -> None:
    renderer = Renderer(tiny)
    record = tokenized(messages=CHAT.messages)
    assert renderer.render(record).supervised.tolist() == list(MASK)
    assert renderer.second_opinion(record) is None
    again = Renderer(chatml).render(CHAT)
    ids, mask = tuple(again.ids.tolist()), tuple(again.supervised.tolist())
    assert Renderer(chatml).render(tokenized(ids=ids, supervised=mask, messages=CHAT.messages)).num_targets


def test_a_mask_shifted_by_one_is_shown_at_its_first_token(tiny: Tokenizer) -> None:
    shifted = (*MASK[1:], False)
    found = fault(tiny, supervised=shifted, messages=CHAT.messages)
    assert "token 4, '<|assistant|>', is learned by the first method and not by the second" in found
    assert ">><|assistant|><<" in found
    seen = Renderer(tiny).second_opinion(tokenized(supervised=shifted, messages=CHAT.messages))
    assert seen is not None
    assert (seen.token, seen.text, seen.first, seen.second) == (4, "<|assistant|>", True, False)


def test_other_ids_than_those_of_the_messages_are_shown(tiny: Tokenizer) -> None:
    found = fault(tiny, ids=(261, *IDS), supervised=(False, *MASK), messages=CHAT.messages)
    assert "token 1, '<|bos|>', is '<|user|>' by the other" in found
    shorter = fault(tiny, ids=IDS[:-1], supervised=MASK[:-1], messages=CHAT.messages)
    assert "token 6, '', is '<|end|>' by the other" in shorter


def test_under_the_rule_all_only_ids_are_compared(tiny: Tokenizer) -> None:
    record = tokenized(messages=CHAT.messages)
    assert Renderer(tiny, "all").render(record).supervised.tolist() == list(MASK)


def test_ids_stand_in_order_among_other_records(tiny: Tokenizer) -> None:
    records: list[Record] = [CHAT, tokenized(), CHAT]
    found = list(Renderer(tiny).render_each(records, batch=2))
    assert [len(examples) for examples in found] == [1, 1, 1]
    assert [e.ids.tolist() for (e,) in found] == [list(IDS)] * 3
