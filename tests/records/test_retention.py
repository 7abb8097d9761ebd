"""Tests of thinning out: takes steps of checkpoints, gives those that stay, worked out by hand."""

from itertools import pairwise

import pytest

from twosignal.records.retention import Retention, changes


def test_the_newest_and_a_ladder_stay() -> None:
    rule = Retention(keep=3, every=100)
    # Of 20: 20, 19 and 18 are the newest. 16 is 4 old, below 2 * 16; 8 is 12 old, below 2 * 8; 14 is 6, not below 2 * 2.
    assert sorted(rule.steps_to_keep(list(range(100, 2001, 100)))) == [800, 1600, 1800, 1900, 2000]
    assert sorted(Retention(keep=3, every=100, ladder=False).steps_to_keep([100, 200, 300, 400])) == [
        200,
        300,
        400,
    ]


def test_a_verdict_keeps_the_newest_at_or_before_it() -> None:
    rule = Retention(keep=1, every=10, ladder=False)
    assert rule.steps_to_keep([10, 20, 30, 40], verdicts=[25, 30]) == {20, 30, 40}
    assert rule.steps_to_keep([10, 20], verdicts=[5]) == {20}
    assert rule.steps_to_keep([]) == set()


def test_only_a_verdict_that_changes_something_counts() -> None:
    told = [(1, "continue"), (2, "pivot"), (3, "pivot"), (4, "halt"), (5, "continue"), (6, "halt")]
    assert changes(told) == [2, 4, 6]


@pytest.mark.parametrize(("keep", "every"), [(1, 1), (3, 10), (5, 7)])
def test_thinning_step_by_step_never_lacks_a_rung_and_stays_within_its_forecast(
    keep: int, every: int
) -> None:
    rule, there = Retention(keep=keep, every=every), list[int]()
    for number in range(1, 400):
        there = sorted(rule.steps_to_keep([*there, number * every]))
        # What is kept of what is left is what would be kept of everything.
        assert set(there) == rule.steps_to_keep([one * every for one in range(1, number + 1)])
        assert len(there) <= rule.most(number * every)
    ages = [number - step // every for step in there]
    # From any age on there is one at most about four times as old: a fault seen late still has its "before".
    assert all(older <= 4 * max(newer, 1) + keep for older, newer in pairwise(ages))


def test_a_checkpoint_between_two_others_is_on_no_rung() -> None:
    rule = Retention(keep=1, every=10)
    assert rule.steps_to_keep([10, 20, 23, 30, 40]) == {20, 30, 40}
