"""Tests of the judgement on one sampling: what is judged alone, pooled, or not at all."""

import pytest

from twosignal.audits.coherence import classic_score
from twosignal.audits.sampling import judge_sampling, judge_text, opening

LOOP = "region " * 140


def test_one_long_text_is_judged_by_the_classic_score(healthy: tuple[str, ...]) -> None:
    for text in (LOOP, healthy[0]):
        assert judge_sampling([text]).total == classic_score(text).total


def test_right_short_answers_are_not_judged() -> None:
    sampling = judge_sampling(["Paris.", "42", "Blue", "No."])
    assert sampling.total is None
    assert sampling.is_looping is None


@pytest.mark.parametrize("texts", [[""], ["", " \n"], ["", "", "", "Paris."]])
def test_silence_is_judged_at_once(texts: list[str]) -> None:
    assert judge_sampling(texts).total == 0


def test_half_silent_is_not_yet_silence() -> None:
    assert judge_sampling(["", "Paris."]).total is None


def test_no_sample_at_all_is_not_silence() -> None:
    assert judge_sampling([]).total is None


def test_short_texts_are_pooled_until_there_is_enough_to_judge() -> None:
    # 4 texts of 10 words are 40 words.
    answers = [
        "The old bridge was built by two brothers from Genoa.",
        "Water boils at a lower temperature when you climb higher.",
        "She planted beans, onions and a row of late potatoes.",
        "Nobody knows why the third lighthouse lost its lamp then.",
    ]
    sampling = judge_sampling(answers)
    assert len(sampling.judged) == 1
    assert sampling.total is not None
    assert sampling.total > 90
    assert judge_sampling(answers[:3]).total is None


def test_a_label_repeated_over_a_large_panel_is_not_a_loop() -> None:
    assert judge_sampling(["positive", "negative"] * 30).total is None


def test_the_total_is_the_median_over_the_panel(healthy: tuple[str, ...]) -> None:
    sampling = judge_sampling([LOOP, healthy[0], healthy[1]])
    totals = sorted(classic_score(text).total for text in (LOOP, healthy[0], healthy[1]))
    assert sampling.total == totals[1]
    assert sampling.is_looping is False
    assert sampling.worst.startswith("region region")


def test_one_loop_among_short_answers_is_not_enough_to_judge() -> None:
    assert judge_sampling([LOOP, "Paris.", "42", "Blue"]).total is None
    assert judge_sampling([LOOP, "Paris."]).total == classic_score(LOOP).total


def test_most_texts_must_loop_for_the_sampling_to_loop(healthy: tuple[str, ...]) -> None:
    assert judge_sampling([LOOP, LOOP, healthy[0]]).is_looping is True
    assert judge_sampling([LOOP, healthy[0]]).is_looping is False


def test_chinese_is_judged_by_its_characters(chinese: str) -> None:
    assert len(chinese.split()) < 40
    total = judge_sampling([chinese]).total
    assert total is not None
    assert total > 90
    loop = judge_sampling([chinese[:12] * 30])
    assert loop.total is not None
    assert loop.total < 30
    assert loop.is_looping is True


def test_a_loop_of_few_long_words_is_caught_by_its_characters() -> None:
    judged = judge_text("incomprehensibility " * 20)
    assert judged is not None
    assert judged.is_loop


def test_opening_is_one_line_and_says_that_it_goes_on() -> None:
    assert opening("a\n b") == "a b"
    assert opening("x" * 100, 10) == "xxxxxxx..."


def test_a_comma_and_a_page_of_line_breaks_is_not_a_short_answer() -> None:
    sampling = judge_sampling(["," + "\n" * 419])
    assert sampling.total is not None
    assert sampling.total < 5
    assert sampling.is_looping is True
