"""Tests of bytes per token: takes vocabularies of a few pieces, gives counts that can be checked by eye."""

from typing import Any

from twosignal.tokens.piece_bytes import count_bytes


def counts(vocab: dict[str, int], decoder: dict[str, Any] | None, **model: Any) -> list[int]:
    backend = {"decoder": decoder, "model": model, "added_tokens": [{"content": "<think>"}]}
    return [int(n) for n in count_bytes(backend, vocab, control_ids=frozenset({0}), size=6)]


def test_byte_level_pieces_count_their_signs_and_unused_ids_nothing() -> None:
    vocab = {"</s>": 0, "a": 1, "\u0120\u00c3\u00a9": 2, "<think>": 4}
    assert counts(vocab, {"type": "ByteLevel"}) == [0, 1, 3, 0, 7, 0]


def test_signs_for_spaces_count_one_byte_and_byte_pieces_too() -> None:
    vocab = {"</s>": 0, "\u2581\u00e9": 1, "<0xE4>": 2, "\u2581\u2581": 3}
    replace = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    decoder = {"type": "Sequence", "decoders": [replace, {"type": "ByteFallback"}]}
    assert counts(vocab, decoder) == [0, 3, 1, 2, 0, 0]
    metaspace = {"type": "Metaspace", "replacement": "\u2581"}
    assert counts(vocab, metaspace) == [0, 3, 6, 2, 0, 0]
    assert counts(vocab, metaspace, byte_fallback=True) == [0, 3, 1, 2, 0, 0]


def test_added_pieces_of_signs_for_spaces_count_spaces() -> None:
    backend = {
        "decoder": {"type": "Metaspace", "replacement": "\u2581"},
        "model": {},
        "added_tokens": [{"content": "\u2581\u2581\u2581"}],
    }
    found = count_bytes(backend, {"\u2581\u2581\u2581": 0}, control_ids=frozenset(), size=1)
    assert found.tolist() == [3]


def test_continuations_of_words_count_without_their_prefix() -> None:
    vocab = {"</s>": 0, "play": 1, "##ing": 2}
    assert counts(vocab, {"type": "WordPiece", "prefix": "##"}) == [0, 4, 3, 0, 0, 0]


def test_pieces_without_a_decoder_count_as_they_are() -> None:
    assert counts({"</s>": 0, "\u00e9": 1}, None) == [0, 2, 0, 0, 0, 0]
