"""Encoding by words: every result against `encode_drafts`, which asks the tokenizers library for each text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from tests.tokens import saved
from twosignal.text.conversation import Message
from twosignal.tokens.draft import Draft, encode_drafts
from twosignal.tokens.form import Filled
from twosignal.tokens.template_chat import TemplateChat
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.weave import Weaver

SIGNS = st.sampled_from(
    "ab cd  \n\t.'s1\u00e9\u0301\u4f60\U0001f600\x00\x01\x02\x03\x04%|<>"
) | st.characters(codec="utf-8")
SAYINGS = st.sampled_from(
    [
        "",
        " ",
        "Hello there.",
        " lead",
        "trail ",
        "\n\nfeed",
        "a  b",
        "<|im_end|>",
        "100 %s %d",
        "x\x01y",
        "\x00",
    ]
)
TEXTS = st.lists(st.text(SIGNS, max_size=30) | SAYINGS, min_size=1, max_size=6)


def drafts_of(tokenizer: Tokenizer, chats: list[list[str]]) -> list[Draft | Filled]:
    chat = TemplateChat(tokenizer)
    found: list[Draft | Filled] = []
    for texts in chats:
        roles = ["user" if index % 2 == 0 else "assistant" for index in range(len(texts))]
        messages = [Message(role=r, content=t or "-") for r, t in zip(roles, texts, strict=True)]
        found += chat.drafts(messages, learned=[role == "assistant" for role in roles])
    return found


def assert_same(weaver: Weaver, tokenizer: Tokenizer, drafts: list[Draft | Filled]) -> None:
    expected = encode_drafts(tokenizer, [Draft(draft.items) for draft in drafts])
    for number, found in weaver._by_words(drafts).items():
        assert np.array_equal(found.ids, expected[number].ids)
        assert np.array_equal(found.supervised, expected[number].supervised)
    for got, wanted in zip(weaver.encode(drafts), expected, strict=True):
        assert np.array_equal(got.ids, wanted.ids)
        assert np.array_equal(got.supervised, wanted.supervised)
    assert weaver.by_words


@pytest.mark.parametrize("name", ["chatml", "llama3", "plain"])
def test_any_texts_give_the_same_ids_and_masks(name: str, chatml: Tokenizer, llama3: Tokenizer) -> None:
    tokenizer = {"chatml": chatml, "llama3": llama3}.get(name) or saved.build(
        saved.saved_files(saved.byte_level_backend(), controls=["<|end|>"], eos_token="<|end|>")
    )
    weaver = Weaver(tokenizer)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(TEXTS, min_size=1, max_size=4))
    def check(chats: list[list[str]]) -> None:
        assert_same(weaver, tokenizer, drafts_of(tokenizer, chats))

    check()


def test_words_are_used_where_they_can_be_and_odd_spaces_are_no_reason_against(chatml: Tokenizer) -> None:
    weaver = Weaver(chatml)
    drafts = drafts_of(chatml, [["Hello  there. ", "  I am\n  fine,\n thank you.\n"], ["a\x01b", "c"]])
    assert list(weaver._by_words(drafts)) == [0]
    assert_same(weaver, chatml, drafts)


def test_a_token_that_holds_the_end_of_the_head_goes_the_slow_way(chatml: Tokenizer) -> None:
    # The head of an answer ends with a line feed, and two line feeds are one token of this vocabulary.
    drafts = drafts_of(chatml, [["Hello", "\nThis"], ["Hello", "This"]])
    weaver = Weaver(chatml)
    assert_same(weaver, chatml, drafts)


def test_other_tokenizers_are_left_alone(mistral: Tokenizer) -> None:
    drafts = drafts_of(mistral, [["Hello there", "I am fine"]])
    weaver = Weaver(mistral)
    assert not weaver.by_words
    (got,), (wanted,) = weaver.encode(drafts), encode_drafts(mistral, [Draft(drafts[0].items)])
    assert np.array_equal(got.ids, wanted.ids)


def test_a_wrong_word_is_noticed_and_words_are_given_up(chatml: Tokenizer) -> None:
    drafts = drafts_of(chatml, [["Hello there", "I am fine"]])
    weaver = Weaver(chatml)
    weaver._by_words(drafts)
    weaver._chunks.ids[:] += 1
    (got,), (wanted,) = weaver.encode(drafts), encode_drafts(chatml, [Draft(drafts[0].items)])
    assert np.array_equal(got.ids, wanted.ids)
    assert not weaver.by_words
    assert weaver.num_differing == 1


def test_the_words_remembered_are_bounded(chatml: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twosignal.tokens.chunks._MOST_CHUNKS", 20)
    weaver = Weaver(chatml)
    for number in range(30):
        drafts = drafts_of(chatml, [[f"word{number} other{number} and", f"more{number}"]])
        assert_same(weaver, chatml, drafts)
        assert len(weaver._chunks) < 40


def test_an_added_token_that_spells_the_sign_for_a_space_is_no_word() -> None:
    backend = saved.byte_level_backend()
    backend.add_tokens([AddedToken("\u0120x", special=False, normalized=False)])
    files = saved.saved_files(backend, template=saved.CHATML, controls=saved.CHATML_CONTROLS)
    tokenizer = saved.build(files)
    drafts = drafts_of(tokenizer, [["Hello a\u0120x there", "I am \u0120x fine"]])
    assert tokenizer.separates_at_spaces
    assert tokenizer.begins_with_space[tokenizer.encode("a\u0120x")].sum() == 1
    assert_same(Weaver(tokenizer), tokenizer, drafts)


def test_half_a_surrogate_pair_is_refused_and_leaves_nothing_behind(chatml: Tokenizer) -> None:
    weaver = Weaver(chatml)
    drafts = drafts_of(chatml, [["Hello", "there"]])
    assert isinstance(drafts[0], Filled)
    with pytest.raises(UnicodeEncodeError):
        weaver.encode([drafts[0]._replace(texts=("Hello \ud800", "there"))])
    assert_same(weaver, chatml, drafts)
