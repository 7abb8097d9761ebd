"""Tests of the loss tiers against the anchors and exercises of the sample audit."""

import math

import pytest

from twosignal.audits.tiers import tier_of
from twosignal.records.smoothing import perplexity

CHANCE = math.log(8449)


@pytest.mark.parametrize(
    ("loss", "ppl", "name"),
    [(0.30, 1.35, "factual"), (0.74, 2.10, "textbook"), (1.94, 6.96, "imprecise")],
)
def test_exercise_5(loss: float, ppl: float, name: str) -> None:
    assert tier_of(loss).name == name
    assert perplexity(loss) == pytest.approx(ppl, abs=0.005)


@pytest.mark.parametrize(
    ("loss", "name", "action"),
    [
        (0.40, "factual", "ACCEPT"),
        (0.10, "ALERT", "INVESTIGATE"),
        (1.30, "constraint", "ACCEPT_WITH_NOTE"),
    ],
)
def test_exercise_6(loss: float, name: str, action: str) -> None:
    assert tier_of(loss).name == name
    assert tier_of(loss).action == action


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (0.13, "ALERT"),
        (0.30, "factual"),
        (0.70, "textbook"),
        (1.00, "constraint"),
        (1.05, "constraint"),
        (2.00, "imprecise"),
        (3.00, "vocabulary"),
        (5.00, "structure"),
        (9.04, "random"),
        (9.05, "worse than random"),
    ],
)
def test_anchors_lie_in_their_tiers(loss: float, name: str) -> None:
    assert tier_of(loss, random_chance=CHANCE).name == name


@pytest.mark.parametrize(
    ("bound", "below", "at"),
    [
        (0.20, "ALERT", "factual"),
        (0.50, "factual", "textbook"),
        (0.90, "textbook", "constraint"),
        (1.45, "constraint", "imprecise"),
        (2.45, "imprecise", "vocabulary"),
        (4.0, "vocabulary", "structure"),
        (7.0, "structure", "random"),
    ],
)
def test_a_bound_belongs_to_the_tier_above_it(bound: float, below: str, at: str) -> None:
    assert tier_of(bound - 1e-9).name == below
    assert tier_of(bound).name == at


def test_a_small_vocabulary_makes_a_low_loss_worse_than_random() -> None:
    assert tier_of(4.5, random_chance=math.log(65)).name == "worse than random"
    assert tier_of(4.5).name == "structure"


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_has_a_tier_of_its_own(loss: float) -> None:
    assert tier_of(loss, random_chance=CHANCE).name == "non-finite"
    assert tier_of(loss).action == "INVESTIGATE"


def test_perplexity_of_the_random_loss_is_the_vocabulary_and_never_overflows() -> None:
    assert perplexity(CHANCE) == pytest.approx(8449)
    assert perplexity(3.43) == pytest.approx(30.88, abs=0.005)
    assert perplexity(1e6) == math.inf
