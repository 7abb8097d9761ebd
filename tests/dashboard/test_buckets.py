import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.dashboard.buckets import Buckets, Values, width_for
from twosignal.dashboard.pyramid import Pyramid


def test_a_bucket_tells_last_lowest_highest_and_broken() -> None:
    values = Values(
        values=np.array([3.0, 1.0, 9.0, 2.0, math.nan, math.inf, 7.0]),
        present=np.array([1, 1, 1, 1, 1, 1, 1], bool),
    )
    figures = Buckets.of(values, 4).figures
    assert figures[0].tolist() == [2.0, 1.0, 9.0, 0.0]
    assert figures[1].tolist() == [7.0, 7.0, 7.0, 2.0]


def test_what_is_missing_is_not_broken_and_what_is_broken_is_no_value() -> None:
    values = Values(values=np.array([math.nan, math.nan]), present=np.array([False, True]))
    figures = Buckets.of(values, 2).figures
    assert np.isnan(figures[0, :3]).all()
    assert figures[0, 3] == 1


def test_the_last_value_of_a_bucket_is_its_last_finite_one() -> None:
    figures = Buckets.of(Values(values=np.array([4.0, 5.0, -math.inf, math.nan])), 4).figures
    assert figures[0].tolist() == [5.0, 4.0, 5.0, 1.0]


def test_a_width_is_the_least_power_of_two_that_fits() -> None:
    assert width_for(range(800), limit=800) == 1
    assert width_for(range(801), limit=800) == 2
    assert width_for(range(1_000_000), limit=800) == 2048
    assert width_for(range(10), limit=800, wanted=16) == 16
    assert width_for(range(0), limit=1) == 1
    assert width_for(range(7, 9), limit=1) == 16, "8 is where buckets of 8 meet"


def test_a_bucket_wider_than_the_series_costs_nothing() -> None:
    assert Buckets.of(Values(values=np.array([1.0, 2.0])), 1 << 40).figures.tolist() == [[2.0, 1.0, 2.0, 0.0]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=8),
    st.integers(4, 9),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_a_pyramid_says_what_the_values_say(
    pieces: list[int], power: int, first: int, random: object
) -> None:
    rng = np.random.default_rng(int(random.random() * 2**32))  # type: ignore[attr-defined]
    values = rng.normal(size=sum(pieces))
    values[rng.random(len(values)) < 0.05] = np.nan
    values[rng.random(len(values)) < 0.02] = np.inf
    present = rng.random(len(values)) < 0.9
    values[~present] = np.nan
    pyramid, at = Pyramid(), 0
    for size in pieces:
        pyramid.extend(Values(values=values[at : at + size], present=present[at : at + size]))
        at += size
    width = 2**power
    whole = Buckets.of(Values(values=values, present=present), width).figures
    found = pyramid.buckets(width, first=first, stop=len(whole) + 3).figures
    np.testing.assert_array_equal(found, whole[first:])
    assert pyramid.count == len(values)


def test_every_spike_of_one_step_is_the_highest_of_its_bucket_at_every_zoom() -> None:
    values = np.full(100_000, 2.0)
    spikes = np.random.default_rng(1).choice(100_000, 10, replace=False)
    values[spikes] = 50.0
    pyramid = Pyramid()
    pyramid.extend(Values(values=values))
    for power in range(4, 18):
        width = 2**power
        high = pyramid.buckets(width, first=0, stop=100_000).high
        assert set(np.flatnonzero(high == 50.0)) == set(spikes // width)
