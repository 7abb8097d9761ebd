"""Evidence that an earlier run left: how much of it counts, and for how long."""

import pytest

from twosignal.curriculum.evidence import Evidence, carried_over
from twosignal.curriculum.policy import Mode


def test_the_mean_of_fresh_pulls() -> None:
    one = Evidence()
    assert (one.mean, one.count) == (0.0, 0)
    for reward in (1.0, 0.0, 5.0):
        one.add(reward)
    assert (one.mean, one.count, one.sum) == (2.0, 3, 6.0)


def test_every_fresh_pull_pushes_out_a_carried_one() -> None:
    """20 carried pulls of 100: after 5 fresh ones of 0 the mean is 15 x 100 / 20, after 20 nothing carried is left."""
    one = Evidence(carried=20, carried_mean=100.0)
    for pulls, mean, count in ((0, 100.0, 20), (5, 75.0, 20), (20, 0.0, 20), (30, 0.0, 30)):
        while one.pulls < pulls:
            one.add(0.0)
        assert (one.mean, one.count) == (mean, count)


@pytest.mark.parametrize(
    ("mode", "pulls", "mean"), [("keep", 20, 100.0), ("decay", 10, 75.0), ("reset", 0, 0.0)]
)
def test_modes(mode: Mode, pulls: float, mean: float) -> None:
    """The arms' means are 100 and 0, their middle 50."""
    earlier = {"a": Evidence(pulls=1000, total=100_000.0), "b": Evidence(pulls=500), "never": Evidence()}
    fresh = carried_over(earlier, {"a": mode, "b": "keep", "never": mode, "new": mode})
    assert (fresh["a"].count, fresh["a"].mean) == (pulls, mean)
    assert fresh["never"] == fresh["new"] == Evidence()


def test_few_pulls_count_as_few() -> None:
    assert carried_over({"a": Evidence(pulls=4, total=8.0)}, {"a": "keep"})["a"].count == 4


def test_what_was_carried_once_is_not_carried_as_more() -> None:
    twice = carried_over({"a": Evidence(carried=20, carried_mean=3.0)}, {"a": "keep"})
    assert (twice["a"].count, twice["a"].mean) == (20, 3.0)
