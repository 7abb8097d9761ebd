"""Krippendorff's alpha against the values he published, and by hand."""

import math

import numpy as np
import pytest

from twosignal.audits.grading.agreement import Level, alpha, alpha_interval, mean_interval, rank_correlation

NAN = math.nan
# Krippendorff 2011, example C: four observers, twelve units, values missing.
FOUR = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)
# Examples A and B: two observers, two values and five.
TWO = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], dtype=float)
FIVE = np.array([[0, 0, 1, 1, 3, 2, 2, 2, 4, 3, 3, 0], [1, 0, 1, 1, 1, 2, 2, 2, 4, 3, 3, 3]], dtype=float)


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_equals_the_published_values_with_gaps(level: Level, published: float) -> None:
    assert round(alpha(FOUR, level), 3) == published


def test_alpha_equals_the_published_values_of_two_observers() -> None:
    assert round(alpha(TWO, "nominal"), 3) == 0.095
    assert round(alpha(FIVE, "nominal"), 3) == 0.692


def test_full_agreement_is_one_and_contradiction_is_below_zero() -> None:
    same = np.array([[1, 5, 9, 3], [1, 5, 9, 3]], dtype=float)
    assert alpha(same) == 1.0
    # Observed 1 on every item; expected (4*4)*2/(8*7) = 32/56: alpha = 1 - 56/32.
    assert alpha(np.array([[1, 2, 1, 2], [2, 1, 2, 1]], dtype=float)) == pytest.approx(-0.75)


def test_what_cannot_be_compared_is_not_a_number() -> None:
    assert math.isnan(alpha(np.array([[4, 4, 4], [4, 4, 4]], dtype=float)))
    assert math.isnan(alpha(np.array([[1, 2, 3]], dtype=float)))
    assert math.isnan(alpha(np.array([[1, NAN], [NAN, 2]])))
    assert math.isnan(alpha(np.empty((0, 5))))
    assert all(math.isnan(end) for end in alpha_interval(np.empty((0, 5))))
    assert all(math.isnan(end) for end in mean_interval(np.empty(0)))


def test_the_interval_holds_alpha_and_is_the_same_every_time() -> None:
    low, high = alpha_interval(FOUR)
    assert low < alpha(FOUR) < high <= 1
    assert (low, high) == alpha_interval(FOUR)


def test_the_interval_of_a_mean_narrows_with_the_square_root_of_the_items() -> None:
    few, many = (mean_interval(np.array([0.0, 10.0] * half)) for half in (8, 128))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4, rel=0.15)


def test_rank_correlation_by_hand() -> None:
    # Ranks 1 2 3 4 5 against 2 1 4 3 5: 1 - 6 * 4 / (5 * 24) = 0.8.
    assert rank_correlation(np.array([1.0, 2, 3, 4, 50]), np.array([2.0, 1, 4, 3, 5])) == pytest.approx(0.8)
    # Ties share 1.5: ranks 1.5 1.5 3 against 1 2 3 give 1.5 / sqrt(1.5 * 2).
    assert rank_correlation(np.array([1.0, 1, 2]), np.array([1.0, 2, 3])) == pytest.approx(1.5 / 3**0.5)
    assert math.isnan(rank_correlation(np.array([1.0, 1, 1]), np.array([1.0, 2, 3])))
