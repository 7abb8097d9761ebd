"""The default scorer on texts gone wrong and on sound ones: families of both, published cases, spans, abstention."""

import random
import string
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twosignal
from tests.audits.clean import CLEAN, Maker, languages, prose_words
from tests.audits.families import DEGENERATE, FURTHER
from twosignal.audits.degeneration import Score, score, score_texts

SEED = 90_210
"""Not among the seeds that the thresholds were chosen on."""
SENTENCE = (
    "the quick brown fox jumps over a sleepy dog while seven small children watch from an old wooden bridge "
    "and wave at every ship below today"
)
GOOD = (
    "The harbour was quiet when the first boats came back, and the men who had waited all night on the cold "
    "stones stood up without a word. One of them carried a lamp that had gone out long before. Nobody asked how "
    "many nets were lost; they counted the boats instead, twice, and then began to unload. "
)


def names(found: Score) -> list[str]:
    return [signal.name for signal in found.signals]


def length(draw: random.Random, least: int) -> int:
    return int(least * (2000 / least) ** draw.random())


def clean_scores(makers: Mapping[str, Maker], count: int) -> dict[str, list[Score]]:
    draw = random.Random(SEED)
    return {
        name: list(score_texts([make(draw, length(draw, 60)) for _ in range(count)]))
        for name, make in makers.items()
    }


@pytest.mark.parametrize("family", sorted(DEGENERATE))
def test_19_of_20_texts_of_each_family_are_caught(family: str) -> None:
    draw = random.Random(SEED)
    texts = [DEGENERATE[family](draw, prose_words(), length(draw, 150)) for _ in range(250)]
    caught = sum(found.degenerate is True for found in score_texts(texts))
    assert caught >= 0.95 * len(texts)


@pytest.mark.parametrize(
    ("family", "least"),
    [
        ("edited loop", 0.9),
        ("line loop", 0.88),
        ("uniform salad", 0.9),
        ("frequent salad", 0.8),
        ("babble", 0.4),
    ],
)
def test_families_beyond_the_six_are_mostly_caught_where_there_is_text_enough(
    family: str, least: float
) -> None:
    draw = random.Random(SEED)
    texts = [FURTHER[family](draw, prose_words(), length(draw, 1200)) for _ in range(100)]
    caught = sum(found.degenerate is True for found in score_texts(texts))
    assert caught >= least * len(texts)


def test_one_sound_text_in_200_is_flagged_at_most() -> None:
    scored = clean_scores(CLEAN, 200)
    flagged = {name: sum(one.degenerate is True for one in found) for name, found in scored.items()}
    assert sum(flagged.values()) <= 0.005 * sum(map(len, scored.values())), flagged
    assert max(flagged.values()) <= 3, flagged


def test_every_language_is_sound_in_every_order() -> None:
    draw = random.Random(SEED)
    assert len(languages()) >= 24
    for name, sentences in languages().items():
        for _ in range(10):
            text = " ".join(draw.sample(sentences, draw.randint(2, len(sentences))))
            assert score(text).degenerate is not True, (name, text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("region " * 420, "loop"),
        ("'' \" ' " * 100, "punctuation"),
        ("games, " * 140, "loop"),
        ("Budy " * 140, "loop"),
        ((SENTENCE + " ") * 15, "loop"),
        (GOOD * 2 + "games, " * 150, "loop"),
        ("ing ed tion s th ly ness ment " * 3 + "er ing ed est ful", "word-endings"),
        ("ha" * 200, "loop"),
        ("\U0001f600 " * 60, "punctuation"),
        ("\n".join(["I am here and you are there."] * 30), "loop"),
        ("\n".join(f"{n}. I am here and you are there." for n in range(30)), "loop"),
        (" ".join(f"I think that the answer is {n} and I think that" for n in range(40)), "loop"),
    ],
)
def test_the_published_ways_to_fail_are_named(text: str, name: str) -> None:
    found = score(text)
    assert found.degenerate is True
    assert name in names(found)


def test_loops_in_scripts_without_spaces_are_loops_of_characters(chinese: str) -> None:
    assert score(chinese).degenerate is False
    assert "loop" in names(score(chinese[:60] + chinese[60:72] * 20))
    thai = languages()["th"]
    assert score(" ".join(thai)).degenerate is False
    assert "loop" in names(score(thai[1] * 12))


def test_a_song_whose_refrain_comes_four_times_is_a_song() -> None:
    song = (Path(__file__).parent / "texts" / "verse.txt").read_text(encoding="utf-8")
    assert song.count("the tide is on the turn") == 4
    assert score(song).degenerate is False


@pytest.mark.parametrize("text", ["42", "Yes.", "Paris.", "no no", "x = 3", "Oslo, in 1952."])
def test_short_right_answers_are_left_alone(text: str) -> None:
    assert score(text, "What is it?").degenerate is None
    assert score(text).signals == ()


@pytest.mark.parametrize("text", ["", " ", "\n\n\t", "\u3000\u2003"])
def test_nothing_is_an_answer_of_its_own(text: str) -> None:
    found = score(text)
    assert found.degenerate is True
    assert names(found) == ["empty"]
    assert found.signals[0].span == (0, len(text))


def test_an_answer_without_end_and_a_sentence_without_end_run_away() -> None:
    draw = random.Random(SEED)
    words = [word.strip(string.punctuation) for word in prose_words()]
    endless = " ".join(word for word in words[:700] if word.isalpha())
    assert "runaway" in names(score(endless))
    long = " ".join(prose_words()[:4000])
    assert "runaway" in names(score(long, "What is a module?"))
    assert "runaway" not in names(score(long))
    assert "runaway" not in names(score(DEGENERATE["gibberish"](draw, prose_words(), 300)))


def test_a_late_collapse_is_found_and_its_place_given() -> None:
    good = " ".join(prose_words()[200:560])
    for tail in ("region " * 60, "and then he said to me that " * 12, "zxq wvkp jqxz bbnh " * 16):
        text = f"{good} {tail}"
        found = score(text)
        assert found.degenerate is True, tail
        start, stop = found.signals[-1].span
        assert len(good) - 260 <= start <= len(text) - 60
        assert stop >= len(text.rstrip()) - 1


def test_one_stumble_in_a_long_text_is_forgiven() -> None:
    words = list(prose_words()[:3000])
    text = " ".join(words[:1500] + ["no"] * 16 + words[1500:])
    assert score(text).degenerate is False


def test_spans_count_characters_of_the_text_as_given() -> None:
    opening = "\u0130stanbul \u0130zmir \U0001f600 \u1e9e: " + GOOD
    text = opening + "region " * 80
    start, stop = score(text).signals[0].span
    assert text[start:stop].endswith("region")
    assert abs(start - len(opening)) < 120
    assert '"' in score(text).signals[0].reason


def test_many_texts_are_judged_as_one_by_one() -> None:
    draw = random.Random(SEED)
    texts = [make(draw, length(draw, 60)) for make in CLEAN.values() for _ in range(4)]
    texts += [make(draw, prose_words(), length(draw, 60)) for make in DEGENERATE.values() for _ in range(4)]
    texts += ["", "\n", "a"]
    draw.shuffle(texts)
    assert list(score_texts(texts)) == [score(text) for text in texts]


def test_a_prompt_too_few_is_an_error_and_odd_characters_are_not_quoted() -> None:
    with pytest.raises(ValueError, match="found 2 texts and 1 prompts"):
        list(score_texts(["a", "b"], ["c"]))
    reason = score("\ud800\x1b[2Jregion " * 60).signals[0].reason
    assert reason.isprintable()


def test_a_rule_of_equal_signs_is_no_soup() -> None:
    assert score(f"Title\n{'=' * 70}\n\n{GOOD}\n\n{'-' * 70}\n{GOOD[:150]}\n").degenerate is False


@pytest.mark.parametrize(
    "text",
    [
        "".join(random.Random(1).choices("ACGT", k=400)),
        "".join(random.Random(2).choices(string.ascii_letters + string.digits + "+/", k=500)),
        " ".join(f"{number:02x}" for number in random.Random(3).choices(range(256), k=300)),
    ],
)
def test_keys_and_sequences_are_no_gibberish(text: str) -> None:
    assert score(text).degenerate is not True


def test_one_sign_without_end_is_soup() -> None:
    assert names(score("!" * 300)) == ["punctuation"]
    assert "punctuation" in names(score(GOOD + "!" * 200))


def test_records_and_logs_with_one_thing_that_changes_pass_and_without_any_fail() -> None:
    log = [f"2026-01-01 10:00:{n:02} server started the request handler, thread ready" for n in range(40)]
    assert score("\n".join(log)).degenerate is False
    assert score("\n".join([log[0]] * 40)).degenerate is True


def test_rot13_is_random_letters() -> None:
    turned = GOOD.translate(
        str.maketrans(string.ascii_lowercase, string.ascii_lowercase[13:] + string.ascii_lowercase[:13])
    )
    assert names(score(turned)) == ["random-letters"]


def test_the_package_exports_it_and_json_has_the_contract() -> None:
    found = twosignal.score("region " * 140)
    value = found.as_dict()
    assert set(value) >= {"total", "bigram", "trigram", "english", "character", "degenerate", "signals"}
    assert value["degenerate"] is True
    assert isinstance(value["signals"], list)
    assert set(value["signals"][0]) >= {"name", "value", "span"}
    assert found.classic.total == pytest.approx(22.9, abs=0.1)


@settings(max_examples=150, deadline=None)
@given(st.text(), st.text())
def test_any_text_gets_a_verdict_with_spans_inside_it(text: str, prompt: str) -> None:
    found = score(text * 9, prompt)
    for signal in found.signals:
        start, stop = signal.span
        assert 0 <= start <= stop <= len(found.text)
    assert len(Counter(names(found))) == len(found.signals) or "runaway" in names(found)
