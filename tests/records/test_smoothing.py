"""Tests of the words a loss is told in: takes losses, gives figures computed by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.records.smoothing import PERIODS, Smma, bits_per_byte, perplexity, random_chance, smma


def one_by_one(values: list[float], periods: int) -> list[float]:
    average = Smma(periods=periods)
    updated = [average.update(value) for value in values]
    return [math.nan if value is None else value for value in updated]


def test_the_average_over_two_of_8_then_3_5_then_2_8() -> None:
    expected = [8.0, 5.75, 4.275]  # (8 + 3.5) / 2 and (5.75 + 2.8) / 2
    assert one_by_one([8, 3.5, 2.8], 2) == pytest.approx(expected, abs=1e-15)
    assert smma([8, 3.5, 2.8], periods=2) == pytest.approx(expected, abs=1e-15)


def test_the_average_over_ten_moves_by_a_tenth() -> None:
    expected = [8.0, 7.55, 7.075]  # (72 + 3.5) / 10 and (67.95 + 2.8) / 10
    assert one_by_one([8, 3.5, 2.8], 10) == pytest.approx(expected, abs=1e-12)
    assert smma([8, 3.5, 2.8], periods=10) == pytest.approx(expected, abs=1e-12)


def test_the_average_over_one_follows_every_value() -> None:
    assert smma([8, 3.5, 2.8], periods=1).tolist() == [8, 3.5, 2.8]


@pytest.mark.parametrize("periods", PERIODS)
def test_many_values_at_once_are_the_same_as_one_by_one(periods: int) -> None:
    values = np.random.default_rng(0).uniform(0, 9, 1000).tolist()
    assert smma(values, periods=periods) == pytest.approx(one_by_one(values, periods), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 20) | st.just(math.nan), max_size=600), st.integers(1, 50))
def test_later_values_never_change_earlier_averages(values: list[float], periods: int) -> None:
    whole = smma(values, periods=periods)
    half = smma(values[: len(values) // 2], periods=periods)
    assert whole[: len(half)].tobytes() == half.tobytes()
    assert whole == pytest.approx(one_by_one(values, periods), rel=1e-9, nan_ok=True)


def test_a_broken_step_leaves_the_average_as_it_was() -> None:
    assert one_by_one([8, math.nan, 3.5, math.inf], 2) == [8, 8, 5.75, 5.75]
    averages = smma([math.nan, 8, math.nan, 3.5], periods=2)
    assert math.isnan(averages[0])
    assert averages[1:].tolist() == [8, 8, 5.75]
    assert smma([]).shape == (0,)


def test_an_average_goes_on_from_its_plain_state() -> None:
    average = Smma(periods=10)
    average.update(8)
    restored = Smma.from_state(json.loads(json.dumps(average.state())))
    assert restored.update(3.5) == average.update(3.5) == pytest.approx(7.55)
    with pytest.raises(TypeError, match="None periods"):
        Smma.from_state({"periods": None, "value": 1.0})
    with pytest.raises(ValueError, match="an average over 0 periods"):
        Smma(periods=0)


def test_perplexity_is_e_to_the_loss_and_overflows_to_infinity() -> None:
    assert perplexity(0) == 1
    assert perplexity(math.log(20)) == pytest.approx(20)
    assert perplexity(1000) == math.inf


def test_one_nat_over_one_byte_is_1_4427_bits() -> None:
    assert bits_per_byte(1, 1) == pytest.approx(1.442695)
    assert bits_per_byte(8 * math.log(2), 4) == pytest.approx(2)
    with pytest.raises(ValueError, match="bits per byte of 0 bytes"):
        bits_per_byte(1, 0)


def test_random_chance_is_the_logarithm_of_the_vocabulary() -> None:
    assert random_chance(8449) == pytest.approx(9.0418, abs=5e-5)
    assert random_chance(2305) == pytest.approx(7.7428, abs=5e-5)
