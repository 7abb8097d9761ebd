"""Where texts may be cut: definitions by hand, and cuts compared with whole texts by the tokenizers library."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.tokens.saved import CORPUS
from twosignal.tokens.cuts import alternatives, separates_at_spaces
from twosignal.tokens.training import WORDS

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {"gpt2": "", "llama3": LLAMA3, "qwen2": QWEN2, "cl100k": CL100K, "o200k": O200K, "ours": WORDS}


def backend(pattern: str) -> Tokenizer:
    made = Tokenizer(models.BPE())
    steps: list[Any] = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pattern)]
    if pattern:
        steps.insert(0, pre_tokenizers.Split(Regex(pattern), behavior="isolated"))
    made.pre_tokenizer = pre_tokenizers.Sequence(steps)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    return made


MADE = {name: backend(pattern) for name, pattern in PATTERNS.items()}


def definition(name: str = "llama3") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(MADE[name].to_str())
    return found


@pytest.mark.parametrize("name", PATTERNS)
def test_known_patterns_separate_at_spaces(name: str) -> None:
    assert separates_at_spaces(definition(name), [])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_tokens_of_both_sides_of_a_single_space_are_those_of_the_whole(data: st.DataObject) -> None:
    signs = st.sampled_from("aB'sS 1\n\t\r.,/\u00e9\u0301\u4f60\U0001f600\u00a0\u2003\x1c") | st.characters(
        codec="utf-8"
    )
    left, right = data.draw(st.text(signs, min_size=1)), data.draw(st.text(signs, min_size=1))
    if left[-1].isspace() or right[0].isspace():
        left, right = left + "x", "y" + right
    for name, made in MADE.items():
        halves = [made.encode(half, add_special_tokens=False).ids for half in (left, " " + right)]
        assert halves[0] + halves[1] == made.encode(f"{left} {right}", add_special_tokens=False).ids, name


def test_alternatives_are_parted_at_the_outer_bars_only() -> None:
    assert alternatives(r"a|(?i:b|c)|[|)]+|\||d") == ["a", "(?i:b|c)", "[|)]+", r"\|", "d"]


def changed(**parts: Any) -> dict[str, Any]:
    return definition() | parts


@pytest.mark.parametrize(
    "backend",
    [
        changed(normalizer={"type": "Lowercase"}),
        changed(normalizer={"type": "NFKC"}),
        changed(model=definition()["model"] | {"type": "Unigram"}),
        changed(model=definition()["model"] | {"dropout": 0.1}),
        changed(pre_tokenizer=None),
        changed(pre_tokenizer={"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"}),
        changed(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}),
        changed(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}),
        json.loads(backend(r"\p{L}+ \p{L}+|\s+(?!\S)|\s+").to_str()),
        json.loads(backend(LLAMA3.replace(r"\s+(?!\S)", r"\s+(?!\S )")).to_str()),
    ],
)
def test_what_is_not_known_is_not_trusted(backend: dict[str, Any]) -> None:
    assert not separates_at_spaces(backend, [])


@pytest.mark.parametrize(
    ("token", "is_fine"),
    [
        ({"content": "<think>", "special": False}, True),
        ({"content": "    ", "special": False}, True),
        ({"content": "two words", "special": False}, False),
        ({"content": "two words", "special": True}, True),
        ({"content": "<x>", "special": False, "rstrip": True}, False),
        ({"content": "<x>", "special": False, "single_word": True}, False),
    ],
)
def test_added_tokens_that_reach_over_a_space_forbid_cuts(token: dict[str, Any], is_fine: bool) -> None:
    assert separates_at_spaces(definition(), [token]) is is_fine


def test_an_added_token_of_two_words_does_merge_over_the_space() -> None:
    made = backend(LLAMA3)
    made.add_tokens(["two words"])
    whole = made.encode("say two words now").ids
    assert whole != made.encode("say two").ids + made.encode(" words now").ids
