"""Tests of the coherence scores against the published tables and hand-computed values."""

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.audits.coherence import CoherenceScore, character_score, classic_score, english_share

SENTENCE = (
    "the quick brown fox jumps over a sleepy dog while seven small children watch from an old wooden bridge "
    "and wave at every ship below today"
)


def parts(score: CoherenceScore) -> tuple[int, int, int, int]:
    return round(score.bigram), round(score.trigram), round(score.english), round(score.character)


def test_region_420_times_scores_as_in_the_published_table() -> None:
    score = classic_score("region " * 420)
    assert score.total == pytest.approx(22.5, abs=0.05)
    assert parts(score) == (0, 0, 20, 2)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("region " * 140, 22.9),
        ("games, " * 140, 22.9),
        ("Paris.", 22.0),
        ((SENTENCE + " ") * 15, 33.3),
    ],
)
def test_published_totals_are_met_within_a_tenth(text: str, total: float) -> None:
    assert classic_score(text).total == pytest.approx(total, abs=0.1)


def test_a_loop_of_a_word_that_is_not_english_has_almost_nothing() -> None:
    assert classic_score("Budy " * 140).total == pytest.approx(2.17, abs=0.05)


def test_a_sentence_of_26_words_repeated_has_the_published_parts() -> None:
    assert len(SENTENCE.split()) == 26
    assert parts(classic_score((SENTENCE + " ") * 15)) == (2, 2, 20, 9)


def test_a_template_that_changes_one_word_has_the_published_parts() -> None:
    words = [a + b for a in string.ascii_lowercase[:8] for b in "aeiou"]
    text = " ".join(f"I think that the answer is {word} and I think that" for word in words)
    score = classic_score(text)
    assert (round(score.bigram), round(score.trigram)) == (7, 10)


def test_random_letters_are_diverse_but_not_english() -> None:
    draw = random.Random(0)
    letters = [draw.choice(string.ascii_lowercase) for _ in range(2_000)]
    text = " ".join("".join(letters[at : at + 7]) for at in range(0, 2_000, 7))
    score = classic_score(text)
    assert parts(score)[:2] == (35, 35)
    assert score.english < 1
    assert parts(score)[3] == 9


def test_sound_prose_scores_above_95(healthy: tuple[str, ...]) -> None:
    assert all(classic_score(text).total > 95 for text in healthy)


def test_german_keeps_its_diversity_and_loses_most_english_points(german: str) -> None:
    score = classic_score(german)
    assert score.diversity == pytest.approx(70, abs=1)
    assert score.english < 10


def test_hand_computed_parts_of_a_short_text() -> None:
    # Pairs "a b", "b a", "a b": 2 of 3. Triples "a b a", "b a b": 2 of 2. Distinct: a, b, space.
    score = classic_score("a b\na b")
    assert score.bigram == pytest.approx(35 * 2 / 3)
    assert score.trigram == 35
    assert score.english == 20
    assert score.character == pytest.approx(1.0)
    assert score.total == pytest.approx(35 * 2 / 3 + 35 + 20 + 1)


def test_empty_text_scores_nothing() -> None:
    assert classic_score("").total == 0
    assert classic_score(" \n").total == 0


@pytest.mark.parametrize(("text", "bigram", "trigram"), [("one", 0, 0), ("one two", 35, 0)])
def test_too_few_words_for_a_part_make_it_zero(text: str, bigram: float, trigram: float) -> None:
    assert (classic_score(text).bigram, classic_score(text).trigram) == (bigram, trigram)


def test_english_share_ignores_case_punctuation_and_numbers() -> None:
    assert english_share('"Paris," 1939 -- (THE) don\'t') == 1
    assert english_share("the qzxv") == 0.5
    assert english_share("12 34 + =") == 0


def test_chinese_prose_and_a_chinese_loop_are_told_apart_by_characters(chinese: str) -> None:
    assert classic_score(chinese).total < 30
    assert character_score(chinese).total > 90
    assert character_score(chinese[:12] * 30).total < 30


def test_one_endless_word_is_a_loop_by_characters() -> None:
    assert character_score("ha" * 200).total < 5


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_every_part_stays_in_its_range(text: str) -> None:
    for score in (classic_score(text), character_score(text)):
        assert 0 <= score.bigram <= 35
        assert 0 <= score.trigram <= 35
        assert 0 <= score.english <= 20
        assert 0 <= score.character <= 10
        assert score.as_dict()["total"] == pytest.approx(score.total, abs=0.006)
