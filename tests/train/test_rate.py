"""The learning rate under way, by hand."""

import json

import pytest

from twosignal.train.optimizer import LearningRate
from twosignal.train.rate import Rate


def rate(*, rewarm: float = 0.0, **schedule: object) -> Rate:
    whole = {"schedule": "linear", "steps": 100, "warmup": 0, "decay": 0.3, "end": 0.0}
    return Rate(schedule=LearningRate(**{**whole, **schedule}), rewarm=rewarm)  # type: ignore[arg-type]


def test_without_events_it_is_the_schedule() -> None:
    own = rate()
    assert [own.factor(step) for step in (1, 50, 100)] == [own.schedule.factor(step) for step in (1, 50, 100)]
    assert own.factor(50) == 0.5


def test_a_rewarm_climbs_from_nothing_to_the_schedule() -> None:
    own = rate(rewarm=4, schedule="constant")
    assert own.sources_changed(10)
    assert [own.factor(step) for step in range(10, 16)] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_rewarm_of_a_share_of_the_steps() -> None:
    assert rate(rewarm=0.07).rewarm_steps == 7
    assert not rate().sources_changed(10)


def test_a_restart_climbs_from_where_it_stands_and_falls_to_the_end() -> None:
    """At step 60 the factor is 0.4. Of the 40 steps left one climbs to the peak, and 39 fall to 0."""
    own = rate()
    assert own.restart(60)
    assert own.factor(60) == 0.4
    assert own.factor(61) == 1.0
    assert own.factor(80) == pytest.approx(1 - 19 / 39)
    assert own.factor(100) == pytest.approx(0.0)
    assert not own.restart(90), "a run has one"


def test_no_restart_while_the_rate_is_high_or_nothing_is_left() -> None:
    own = rate()
    assert not own.restart(50)
    assert not own.restart(100)
    assert own.factor(51) == own.schedule.factor(51)


def test_what_happened_goes_through_json_and_back() -> None:
    own, other = rate(rewarm=4), rate(rewarm=4)
    own.sources_changed(10)
    own.restart(70)
    other.restore(json.loads(json.dumps(own.state())))
    assert [own.factor(step) for step in range(1, 101)] == [other.factor(step) for step in range(1, 101)]
