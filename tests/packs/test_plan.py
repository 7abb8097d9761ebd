"""Best-fit decreasing: against hand-packed rows and against the textbook algorithm written out plainly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.packs.plan import Packing, best_fit_decreasing, fill_in_order, plan_rows


def textbook_rows(lengths: list[int], capacity: int) -> int:
    spaces: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [space for space in spaces if space >= length]
        if fitting:
            spaces.remove(min(fitting))
            spaces.append(min(fitting) - length)
        else:
            spaces.append(capacity - length)
    return len(spaces)


def test_six_pieces_fill_three_rows_as_by_hand() -> None:
    rows = best_fit_decreasing(np.array([7, 5, 5, 3, 6, 4]), 10)
    together = sorted(tuple(sorted(np.array([7, 5, 5, 3, 6, 4])[rows == row])) for row in range(3))
    assert together == [(3, 7), (4, 6), (5, 5)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=120), st.integers(40, 64))
def test_as_many_rows_as_the_textbook_and_none_overfull(lengths: list[int], capacity: int) -> None:
    rows = best_fit_decreasing(np.array(lengths), capacity)
    loads = np.bincount(rows, weights=lengths)
    assert loads.max() <= capacity
    assert loads.min() > 0
    assert len(loads) == textbook_rows(lengths, capacity)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 16), min_size=1, max_size=60),
    st.integers(0, 5),
    st.sampled_from([True, False, "best-fit", "sequential"]),
)
def test_every_piece_stands_in_exactly_one_row(lengths: list[int], seed: int, packing: Packing) -> None:
    plan = plan_rows(np.array(lengths), 16, seed=seed, packing=packing)
    assert sorted(plan.members) == list(range(len(lengths)))
    assert sum(len(plan[row]) for row in range(len(plan))) == len(lengths)
    assert all(sum(lengths[piece] for piece in plan[row]) <= 16 for row in range(len(plan)))
    if not packing:
        assert len(plan) == len(lengths)


def test_rows_filled_in_order_by_hand() -> None:
    # 4 + 5 = 9, and 3 more would be too much; 3 + 7 = 10 is a full row.
    assert list(fill_in_order(np.array([4, 5, 3, 7, 10, 1]), 10)) == [0, 0, 1, 1, 2, 3]
    assert list(fill_in_order(np.array([], np.int64), 10)) == []


def test_true_is_best_fit_and_rows_are_sorted_as_a_stable_sort_would() -> None:
    lengths = np.random.default_rng(0).integers(1, 40, 5000)
    plans = [plan_rows(lengths, 64, seed=3, packing=packing) for packing in (True, "best-fit")]
    assert np.array_equal(plans[0].members, plans[1].members)
    in_order = plan_rows(lengths, 64, seed=3, packing="sequential")
    assert len(in_order) > len(plans[0])
    for plan in (plans[0], in_order):
        shuffled = np.random.Generator(np.random.PCG64(3)).permutation(len(lengths))
        place = np.argsort(shuffled)
        assert all((np.diff(place[plan[row]]) > 0).all() for row in range(len(plan)))


def test_the_seed_changes_company_but_not_fill() -> None:
    lengths = np.full(200, 3)
    first, again, other = (plan_rows(lengths, 9, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.members, again.members)
    assert not np.array_equal(first.members, other.members)
    assert len(first) == len(other) == 67


def test_a_piece_longer_than_a_row_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="11 tokens cannot go into a row of 10"):
        plan_rows(np.array([11]), 10, seed=0)


def test_no_pieces_make_no_rows() -> None:
    assert len(plan_rows(np.array([], dtype=np.int64), 10, seed=0)) == 0
