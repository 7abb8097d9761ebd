"""Tests of growing a tokenizer: takes a few words, gives ids that can be counted by hand."""

import pytest

from twosignal.errors import InputError
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import CONTROL_TOKENS, train_tokenizer


def test_pairs_follow_the_256_bytes_and_control_tokens_follow_the_pairs(tiny: Tokenizer) -> None:
    # Bytes are numbered by their printable signs: "!" is 0, so "a" is 64, "b" 65 and "c" 66.
    assert tiny.encode("ab") == [256]
    assert tiny.encode("ab ab cab") == [256, 257, 259]
    assert tiny.encode("cab") == [258]
    assert tiny.encode("cba") == [66, 65, 64]
    assert [tiny.controls[text].id for text in CONTROL_TOKENS] == list(range(260, 269))
    assert tiny.vocab_size == 269


def test_a_vocabulary_holds_exactly_what_was_asked_when_the_texts_allow_it() -> None:
    texts = ["the cat sat on the mat and the dog sat on the log"] * 3
    assert train_tokenizer(texts, kind="bpe", vocab=270).vocab_size == 270


def test_too_few_pairs_give_a_smaller_vocabulary(tiny: Tokenizer) -> None:
    assert tiny.vocab_size < 4096


def test_the_same_texts_give_the_same_tokenizer() -> None:
    texts = ["one two three two one", "caf\u00e9 na\u00efve \u4f60\u597d \U0001f600"] * 3
    first, second = (train_tokenizer(iter(texts), kind="bpe", vocab=320) for _ in range(2))
    assert first.fingerprint() == second.fingerprint()
    assert train_tokenizer(texts[:1], kind="bpe", vocab=320).fingerprint() != first.fingerprint()


def test_every_digit_is_a_token_of_its_own() -> None:
    tokenizer = train_tokenizer(["2024 2024 2024 1999 1999"] * 9, kind="bpe", vocab=400)
    assert [tokenizer.decode([i]) for i in tokenizer.encode("2024")] == ["2", "0", "2", "4"]


def test_marks_stay_with_their_letters() -> None:
    word = "\u0928\u092e\u0938\u094d\u0924\u0947"
    tokenizer = train_tokenizer([word] * 9, kind="bpe", vocab=400)
    assert len(tokenizer.encode(word)) == 1


@pytest.mark.parametrize("kind", ["bpe", "bytes", "character"])
def test_texts_full_of_control_tokens_never_teach_one(kind: str) -> None:
    texts = ["<|end|><|end|><|user|><|end|>"] * 50
    tokenizer = train_tokenizer(texts, kind=kind, vocab=400)  # type: ignore[arg-type]
    ids = tokenizer.encode("<|end|><|user|>")
    assert tokenizer.control_ids.isdisjoint(ids)
    assert tokenizer.decode(ids) == "<|end|><|user|>"


def test_characters_are_one_token_each_and_strangers_are_unknown(characters: Tokenizer) -> None:
    # Sorted: line feed 0, space 1, d 2, e 3, h 4, l 5, o 6, r 7, w 8, then <|unk|> 9.
    assert characters.encode("hello\n") == [4, 3, 5, 5, 6, 0]
    assert characters.encode("h\u00e9!") == [4, 9, 9]
    assert characters.unk_id == 9
    assert characters.decode([4, 3, 5, 5, 6]) == "hello"


def test_bytes_need_no_text_and_read_everything() -> None:
    tokenizer = train_tokenizer([], kind="bytes", vocab=256)
    text = "na\u00efve \U0001f600 <|end|>\n"
    assert tokenizer.vocab_size == 256 + len(CONTROL_TOKENS)
    assert len(tokenizer.encode(text)) == len(text.encode())
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("kind", ["bpe", "character"])
def test_no_text_is_an_error(kind: str) -> None:
    with pytest.raises(InputError, match="no text to learn a vocabulary from"):
        train_tokenizer(["", ""], kind=kind, vocab=400)  # type: ignore[arg-type]


def test_a_vocabulary_smaller_than_the_bytes_is_an_error() -> None:
    with pytest.raises(InputError, match="found 264; expected at least 265"):
        train_tokenizer(["text"], kind="bpe", vocab=264)
