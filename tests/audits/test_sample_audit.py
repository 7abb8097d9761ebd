"""Tests of the tiers and texts of a window."""

import math

from twosignal.audits.coherence import CoherenceScore
from twosignal.audits.recorded import Sample
from twosignal.audits.sample_audit import (
    check_text,
    count_tiers,
    is_repetitive,
    text_findings,
    tier_findings,
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
    assert text_findings([texts[0], check_text(at(3, healthy[0])), check_text(at(4, healthy[1]))]) == ()


def test_low_totals_are_a_warning_that_quotes_the_worst(healthy: tuple[str, ...]) -> None:
    texts = [check_text(at(step, text)) for step, text in enumerate([healthy[0], LOOP, healthy[1]])]
    (finding,) = text_findings(texts)
    assert (finding.id, finding.severity, finding.steps) == ("low-coherence", "warning", (1,))
    assert "1 of 3 judged texts" in finding.message
    assert "region region" in finding.message


def test_short_texts_are_no_evidence() -> None:
    assert text_findings([check_text(at(step, "Paris.")) for step in range(20)]) == ()
