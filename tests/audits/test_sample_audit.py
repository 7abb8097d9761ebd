"""Tests of the tiers and texts of a window."""

import math

import pytest

from tests.audits.conftest import HEALTHY
from twosignal.audits.coherence import CoherenceScore
from twosignal.audits.degeneration import score
from twosignal.audits.recorded import Sample
from twosignal.audits.sample_audit import (
    action_of,
    check_text,
    count_tiers,
    is_repetitive,
    text_findings,
    tier_findings,
    worth_reading,
)

LOOP = "region " * 140


def at(step: int, text: str = "t", loss: float | None = None) -> Sample:
    return Sample(step=step, text=text, loss=loss)


def test_tiers_are_counted_lowest_first_and_samples_without_a_loss_left_out() -> None:
    tiers = count_tiers(
        [at(1, loss=2.0), at(2, loss=0.3), at(3, loss=0.4), at(4), at(5, loss=12.0)], random_chance=9
    )
    assert [(tier.tier, tier.num_samples) for tier in tiers] == [
        ("factual", 2),
        ("imprecise", 1),
        ("worse than random", 1),
    ]
    assert (tiers[0].lowest, tiers[0].highest) == (0.3, 0.4)


def test_samples_above_random_chance_are_to_be_investigated() -> None:
    (finding,) = tier_findings([at(1, loss=2.0), at(2, loss=9.5), at(3, loss=math.nan)], random_chance=9)
    assert finding.id == "sample-loss"
    assert finding.steps == (2, 3)
    assert "2 of 3 samples" in finding.message
    assert tier_findings([at(1, loss=2.0)], random_chance=9) == ()


def test_every_text_is_flagged_for_what_it_is(healthy: tuple[str, ...]) -> None:
    flags = [check_text(at(1, text)).flags for text in ("", "Paris.", LOOP, healthy[0])]
    assert flags == [("empty",), ("too short to judge alone",), ("low total", "loop"), ()]


def test_a_text_carries_its_tier_action_and_perplexity(healthy: tuple[str, ...]) -> None:
    check = check_text(at(1, healthy[0], 0.13))
    assert (check.tier, check.action) == ("ALERT", "INVESTIGATE")
    assert check.perplexity is not None
    assert round(check.perplexity, 2) == 1.14
    assert check_text(at(1, "Paris.", 0.13)).action == "ACCEPT_WITH_NOTE"
    assert check_text(at(1, "Paris.")).action == ""


LETTERS = (
    "wq zxk jvhq pplw qzz mnx vbq jjkw xqz lkq wvv zqk jxq ppz kwq zzx qvw jjq xkz qpl wvz kqj xzz qwv pjk "
    * 2
)


@pytest.mark.parametrize(
    ("loss", "text", "copied", "action"),
    [
        (0.40, HEALTHY[0], None, "ACCEPT"),
        (1.30, HEALTHY[0], None, "ACCEPT_WITH_NOTE"),
        (0.10, HEALTHY[0], None, "INVESTIGATE"),
        (0.10, HEALTHY[0], "predictable", "ACCEPT_WITH_NOTE"),
        (0.10, "Paris.", None, "ACCEPT_WITH_NOTE"),
        (0.10, LOOP, None, "INVESTIGATE"),
        (1.94, HEALTHY[0], "memorized", "INVESTIGATE"),  # a copy whatever its loss
        (1.94, LETTERS, None, "INVESTIGATE"),  # the loss promises sense, the text has none
        (5.00, LETTERS, None, "ACCEPT_WITH_NOTE"),  # both say that the model is young
        (9.50, HEALTHY[0], None, "INVESTIGATE"),
        (math.nan, HEALTHY[0], None, "INVESTIGATE"),
        (None, LETTERS, None, "INVESTIGATE"),
        (None, HEALTHY[0], None, None),
    ],
)
def test_what_to_do_with_a_sample(
    loss: float | None, text: str, copied: str | None, action: str | None
) -> None:
    sample = Sample(step=1, text=text, loss=loss, tokens=0, copied={"verdict": copied} if copied else None)
    assert action_of(sample, score(text), random_chance=9.0) == action


def test_half_of_the_places_go_to_suspects_and_the_rest_to_the_newest(healthy: tuple[str, ...]) -> None:
    texts = [check_text(at(step, LOOP if step in (1, 2, 3) else healthy[0])) for step in range(10)]
    assert [text.step for text in worth_reading(texts, 4)] == [2, 3, 8, 9]
    assert [text.step for text in worth_reading(texts, 20)] == list(range(10))
    assert [text.step for text in worth_reading(texts, 1)] == [9]
    assert worth_reading([], 4) == []


def test_the_exercise_with_a_total_of_45_is_repetitive_though_not_low() -> None:
    score = CoherenceScore(bigram=12, trigram=8, english=18, character=7)
    assert score.total == 45
    assert is_repetitive(score)
    assert not is_repetitive(CoherenceScore(bigram=29, trigram=34, english=14, character=10))


def test_mostly_repetitive_texts_are_an_alarm(healthy: tuple[str, ...]) -> None:
    template = " ".join(f"the answer is {number} and so on" for number in range(40))
    texts = [check_text(at(step, template)) for step in (1, 2)]
    findings = text_findings([*texts, check_text(at(3, healthy[0]))])
    assert [(finding.id, finding.severity) for finding in findings] == [("repetitive-texts", "alarm")]
    assert findings[0].steps == (1, 2)
    few = text_findings([texts[0], check_text(at(3, healthy[0])), check_text(at(4, healthy[1]))])
    assert [(finding.id, finding.severity) for finding in few] == [("broken-texts", "warning")]
    assert few[0].evidence["kinds"] == {"loop": 1}


def test_low_totals_are_a_warning_that_quotes_the_worst(healthy: tuple[str, ...]) -> None:
    texts = [check_text(at(step, text)) for step, text in enumerate([healthy[0], LOOP, healthy[1]])]
    (finding,) = text_findings(texts)
    assert (finding.id, finding.severity, finding.steps) == ("low-coherence", "warning", (1,))
    assert "1 of 3 judged texts" in finding.message
    assert "region region" in finding.message


def test_short_texts_are_no_evidence() -> None:
    assert text_findings([check_text(at(step, "Paris.")) for step in range(20)]) == ()
