"""Shares between bounds: by hand, and against what defines them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosignal.curriculum.bounds import fit, relaxed

FREE = (0.0, 1.0)


def test_without_bounds_shares_follow_the_weights() -> None:
    found = fit({"a": 3, "b": 1}, {"a": FREE, "b": FREE}, spare={"a": 1, "b": 1})
    assert found == {"a": 0.75, "b": 0.25}


def test_a_floor_is_a_share_of_the_whole_and_the_others_shrink_alike() -> None:
    found = fit(
        {"a": 10, "b": 60, "c": 30}, {"a": (0.4, 1), "b": FREE, "c": FREE}, spare={"a": 1, "b": 1, "c": 1}
    )
    assert found == pytest.approx({"a": 0.4, "b": 0.4, "c": 0.2})


def test_a_cap_gives_its_rest_to_the_others_by_their_weights() -> None:
    found = fit(
        {"a": 70, "b": 20, "c": 10}, {"a": (0, 0.4), "b": FREE, "c": FREE}, spare={"a": 1, "b": 1, "c": 1}
    )
    assert found == pytest.approx({"a": 0.4, "b": 0.4, "c": 0.2})


def test_a_floor_that_a_cap_makes_needless_is_not_settled() -> None:
    """By weights alone b would get 0.1, below its floor; the rest of a's cap lifts it well above."""
    found = fit({"a": 90, "b": 10}, {"a": (0, 0.5), "b": (0.2, 1)}, spare={"a": 1, "b": 1})
    assert found == pytest.approx({"a": 0.5, "b": 0.5})


def test_what_the_weighted_sources_may_not_take_goes_to_the_others() -> None:
    found = fit(
        {"a": 1, "b": 0, "c": 0}, {"a": (0, 0.4), "b": FREE, "c": FREE}, spare={"a": 0, "b": 2, "c": 1}
    )
    assert found == pytest.approx({"a": 0.4, "b": 0.4, "c": 0.2})


def test_floors_above_the_whole_are_scaled_and_the_operators_stay() -> None:
    bounds = {"a": (0.7, 0.7), "b": (0.4, 1.0), "c": (0.2, 1.0)}
    found = relaxed(bounds, firm={"a"})
    assert {name: low for name, (low, _) in found.items()} == pytest.approx({"a": 0.7, "b": 0.2, "c": 0.1})


def test_caps_below_the_whole_are_scaled_and_a_retired_source_stays_retired() -> None:
    found = relaxed({"a": (0.0, 0.1), "b": (0.0, 0.3), "c": (0.0, 0.0)}, firm={"a", "c"})
    assert found == {"a": (0.0, 0.1), "b": (0.0, pytest.approx(0.9)), "c": (0.0, 0.0)}


def test_where_only_firm_bounds_are_left_they_give_way_too() -> None:
    assert relaxed({"a": (0.0, 0.5)}, firm={"a"}) == {"a": (0.0, 1.0)}
    assert relaxed({"a": (0.9, 0.9), "b": (0.9, 0.9)}, firm={"a", "b"})["a"][0] == pytest.approx(0.5)


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.sampled_from([0.0, 1e-6, 0.1, 1.0, 50.0])),
        min_size=1,
        max_size=6,
    )
)
def test_shares_are_one_scale_held_between_the_bounds(sources: list[tuple[float, float, float]]) -> None:
    """What defines the result: within bounds, a sum of 1, and one scale for every source between its bounds."""
    names = [f"s{number}" for number in range(len(sources))]
    asked = {name: (min(a, b), max(a, b)) for name, (a, b, _) in zip(names, sources, strict=True)}
    if not any(high for _, high in asked.values()):
        return
    bounds = relaxed(asked, firm=())
    weights = {name: weight for name, (_, _, weight) in zip(names, sources, strict=True)}
    found = fit(weights, bounds, spare=dict.fromkeys(names, 1.0))
    assert sum(found.values()) == pytest.approx(1)
    assert all(low - 1e-9 <= found[name] <= high + 1e-9 for name, (low, high) in bounds.items())
    scales = [
        found[name] / weights[name]
        for name, (low, high) in bounds.items()
        if weights[name] and low + 1e-9 < found[name] < high - 1e-9
    ]
    assert not scales or max(scales) == pytest.approx(min(scales), rel=1e-6)
