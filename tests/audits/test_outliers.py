"""Tests of the reasons for a loss under 0.20."""

import pytest

from twosignal.audits.outliers import explain_low_loss, find_outliers, outlier_findings
from twosignal.audits.recorded import Sample


def sample(text: str, *, loss: float = 0.1, step: int = 100, tokens: int = 90) -> Sample:
    return Sample(step=step, text=text, loss=loss, tokens=tokens)


def test_only_losses_under_a_fifth_are_outliers() -> None:
    samples = [sample("t", loss=0.19), sample("t", loss=0.20), Sample(step=1, text="t")]
    assert [outlier.loss for outlier in find_outliers(samples)] == [0.19]


def test_text_that_compresses_well_is_repetition() -> None:
    outlier = explain_low_loss(sample("region " * 420))
    assert outlier.kind == "repetition"
    assert outlier.action == "INVESTIGATE"
    assert outlier.zlib_ratio == pytest.approx(79, abs=1)


def test_a_short_answer_is_accepted_with_a_note() -> None:
    outlier = explain_low_loss(sample("Paris.", tokens=3))
    assert outlier.kind == "short answer"
    assert outlier.action == "ACCEPT_WITH_NOTE"
    (finding,) = outlier_findings([outlier], num_samples=10)
    assert (finding.id, finding.severity) == ("short-answer", "note")


def test_words_are_counted_where_tokens_were_not_recorded(healthy: tuple[str, ...]) -> None:
    assert explain_low_loss(sample("Paris is it.", tokens=0)).kind == "short answer"
    assert explain_low_loss(sample(healthy[0], tokens=0)).kind == "possible copy"


def test_prose_with_a_tiny_loss_may_be_copied(healthy: tuple[str, ...]) -> None:
    (finding,) = outlier_findings([explain_low_loss(sample(healthy[0], step=112_080))], num_samples=9)
    assert (finding.id, finding.severity, finding.steps) == ("possible-copy", "warning", (112_080,))
    assert "INVESTIGATE: the sample at step 112,080" in finding.message
    assert "loss 0.10 (ppl 1.11)" in finding.message


def test_a_quarter_of_possible_copies_is_an_alarm(healthy: tuple[str, ...]) -> None:
    copies = [explain_low_loss(sample(text)) for text in healthy[:2]]
    assert [one.id for one in outlier_findings(copies, num_samples=8)][-1] == "many-copies"
    assert {one.id for one in outlier_findings(copies, num_samples=9)} == {"possible-copy"}
    assert {one.id for one in outlier_findings(copies[:1], num_samples=1)} == {"possible-copy"}
