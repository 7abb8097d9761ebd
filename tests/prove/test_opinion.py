"""S2, and S1 on real conversations: the places of the texts are a mask of their own, and find every other one."""

from dataclasses import replace

import numpy as np
import pytest

from tests.prove import pipelines
from tests.prove.pipelines import CHATS, Spoil, chat, made_by
from tests.prove.test_canary import TOKENIZERS
from tests.tokens import saved
from twosignal.prove.drawing import Made, draw, join, token_texts
from twosignal.prove.opinion import check_learned_texts, check_renderer, check_second_opinion
from twosignal.prove.places import Surveyor
from twosignal.tokens.difference import Difference
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer


@pytest.mark.parametrize("name", [name for name in TOKENIZERS if name != "characters"])
def test_both_ways_agree_about_our_own_rendering(name: str) -> None:
    tokenizer = TOKENIZERS[name]()
    check = check_second_opinion(made_by(tokenizer), tokenizer, CHATS)
    assert (check.id, check.passed) == ("S2", True)
    assert (check.evidence["conversations"], check.evidence["not_located"]) == (3, 0)
    assert check_learned_texts(made_by(tokenizer), tokenizer, CHATS).passed


@pytest.mark.parametrize(
    "spoil",
    [
        pipelines.nothing,
        pipelines.everything,
        pipelines.inverted,
        pipelines.shifted,
        pipelines.without_ends,
        pipelines.without_starts,
        pipelines.to_the_end,
        pipelines.first_answer_only,
        pipelines.last_answer_only,
    ],
)
def test_a_spoilt_mask_is_found_with_its_place(spoil: Spoil) -> None:
    tokenizer = saved.llama3()
    check = check_second_opinion(made_by(tokenizer, spoil), tokenizer, CHATS)
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert check.message.startswith("chats.jsonl:")
    assert check.evidence["file"] == "chats.jsonl"
    assert "<|eot_id|>" in check.evidence["text"]


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (pipelines.nothing, "lost-data", "chats.jsonl:1: nothing of the text of message 2 is learned"),
        (pipelines.everything, "wrong-targets", "chats.jsonl:1: the text of message 1 (user) is learned"),
        (
            pipelines.first_answer_only,
            "lost-data",
            "chats.jsonl:2: nothing of the text of message 4 is learned",
        ),
    ],
)
def test_real_answers_that_are_not_learned_are_found(spoil: Spoil, kind: str, said: str) -> None:
    tokenizer = saved.chatml()
    check = check_learned_texts(made_by(tokenizer, spoil), tokenizer, CHATS)
    assert (check.id, check.kind, check.message) == ("S1", kind, said)


def test_a_template_that_trims_is_told_and_is_no_fault() -> None:
    tokenizer = saved.llama3()
    spaced = replace(chat("a"), messages=chat("Hello", "  Paris is far \n").messages)
    assert check_second_opinion(made_by(tokenizer), tokenizer, [spaced]).passed


def test_texts_that_stand_in_the_scaffold_too_are_placed_where_they_are_said() -> None:
    """The user says "user" and is answered "a": both stand in the headers of ChatML before they are said."""
    tokenizer = saved.chatml()
    make = made_by(tokenizer)
    (made,) = make(CHATS[2:])
    assert made is not None
    drawn = draw(tokenizer, made)
    places = Surveyor(make, tokenizer).places(drawn, CHATS[2])
    assert places is not None
    assert [drawn.text[p.start : p.end] for p in places] == ["user", "a", "assistant", "1 + 1 = 2"]
    assert places[0].start == len("<|im_start|>user\n")


def test_a_conversation_that_was_cut_off_is_judged_by_what_is_left() -> None:
    """Unless its texts stand in the scaffold too, which a twin that is cut off itself does not show."""
    tokenizer = saved.chatml()

    def cut(made: Made, _: Tokenizer) -> Made:
        return Made(made.ids[:20], made.supervised[:20])

    check = check_second_opinion(made_by(tokenizer, cut), tokenizer, CHATS)
    assert check.passed
    assert (check.evidence["conversations"], check.evidence["not_located"]) == (2, 1)


def test_without_conversations_there_is_nothing_to_judge() -> None:
    tokenizer = saved.chatml()
    assert check_second_opinion(made_by(tokenizer), tokenizer, []).passed is None
    assert check_learned_texts(made_by(tokenizer), tokenizer, []).passed is None


def test_the_renderers_own_second_way_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer(saved.chatml())
    assert check_renderer(renderer, CHATS).passed
    assert check_renderer(renderer, []).passed is None
    found = Difference(token=5, text="a", other="b", first=True, second=False, around="x>>a<<y")
    monkeypatch.setattr(renderer, "second_opinion", lambda _: found)
    check = check_renderer(renderer, CHATS)
    assert (check.id, check.passed, check.kind) == ("S2", False, "wrong-targets")
    assert check.message.startswith("chats.jsonl:1: token 5, 'a', is 'b' by the other")


def test_learned_stretches_stand_in_brackets() -> None:
    tokenizer = saved.chatml()
    ids = np.array(tokenizer.encode("one two three"), np.int32)
    texts = token_texts(tokenizer, ids.tolist())
    mask = np.array([" two" in text or text in (" ", "t", "w", "o") for text in texts])
    drawn = draw(tokenizer, Made(ids, mask))
    assert "".join(texts) == drawn.text == "one two three"
    assert drawn.marked().replace("[[", "").replace("]]", "") == "one two three"
    assert "".join(drawn.learned_texts()) in drawn.text
    shortened = drawn.marked(around=6, longest=4)
    assert shortened.startswith("...")
    assert shortened.endswith("...")


@pytest.mark.parametrize("text", ["na\u00efve caf\u00e9", "\U0001f600\U0001f600", "\u4f60\u597d"])
def test_tokens_of_parts_of_a_character_are_spelt_by_the_last(text: str) -> None:
    for name in ("chatml", "gemma", "mistral"):
        tokenizer = TOKENIZERS[name]()
        ids = tokenizer.encode_batch([text], is_start=False)[0]
        assert "".join(token_texts(tokenizer, ids)) == tokenizer.decode_within(ids)


def test_renderings_of_one_conversation_are_joined_and_parted_again() -> None:
    one = Made(np.array([1, 2], np.int32), np.array([False, True]))
    other = Made(np.array([3], np.int32), np.array([False]))
    joined = join([one, other])
    assert joined.ends == (2, 3)
    assert [made.ids.tolist() for made in joined.renderings()] == [[1, 2], [3]]
    assert join([one]) is one
