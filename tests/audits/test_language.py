"""Answers in another language than their prompt are named; answers in the same one never are."""

from itertools import permutations

import pytest

from tests.audits.clean import languages
from twosignal.audits.degeneration import Score, score, score_texts

NEIGHBOURS = (
    {"da", "nb", "sv"},
    {"cs", "pl"},
    {"ru", "uk"},
    {"es", "pt", "it", "fr", "ro"},
    {"zh", "ja", "ko"},
    {"ar", "fa"},
    {"nl", "de"},
)
"""Languages that share words or letters: an answer in the other may pass."""
PROMPT = "What happened in the town last year, and why did the old teacher write a letter to us?"


def is_wrong(found: Score) -> bool:
    return "language" in [signal.name for signal in found.signals]


def test_an_answer_in_the_language_of_its_prompt_is_never_wrong() -> None:
    for name, sentences in languages().items():
        for prompt in sentences:
            assert not is_wrong(score(" ".join(sentences[3:]), prompt)), (name, prompt)


def test_an_answer_in_a_distant_language_is_wrong() -> None:
    names = [name for name in languages() if name != "sw"]
    pairs = [pair for pair in permutations(names, 2) if not any(set(pair) <= near for near in NEIGHBOURS)]
    texts = [" ".join(languages()[answer]) for _, answer in pairs]
    prompts = [" ".join(languages()[asked][:3]) for asked, _ in pairs]
    missed = [
        pair for pair, found in zip(pairs, score_texts(texts, prompts), strict=True) if not is_wrong(found)
    ]
    assert len(missed) <= 0.02 * len(pairs), missed


def test_an_english_question_is_answered_in_english() -> None:
    for name, sentences in languages().items():
        assert is_wrong(score(" ".join(sentences), PROMPT)), name


@pytest.mark.parametrize(
    "prompt",
    [
        "Translate: in the morning my sister went to the market to buy bread.",
        "How do they say this in German? In the morning my sister went to the market.",
        "\u00dcbersetze: in the morning my sister went to the market",
        "pip",
        "",
    ],
)
def test_a_prompt_that_asks_for_another_language_or_has_none_expects_nothing(prompt: str) -> None:
    assert not is_wrong(score(" ".join(languages()["de"]), prompt))


def test_code_and_names_are_no_language() -> None:
    code = "def f(x):\n    return [y ** 2 for y in range(x)]\n\nprint(f(10), f(20), sum(f(3)))\n"
    assert not is_wrong(score(code * 2, languages()["ru"][0]))
    assert not is_wrong(score("Anna, Boris, Chen, Dara, Emil, Fatou, Goran, Hana", PROMPT))
