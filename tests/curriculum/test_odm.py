"""EXP3 over the training loss, by hand."""

import math

import pytest

from tests.curriculum.rig import arms
from twosignal.curriculum.odm import Odm, exploration, mixed
from twosignal.curriculum.policy import StepSeen


def seen(step: int, **losses: float) -> StepSeen:
    return StepSeen(step=step, rows=dict.fromkeys(losses, 1), losses=losses, epochs={})


def test_three_updates_by_hand() -> None:
    """Two sources of losses 4 and 2, K = 2, from equal shares.

    t 1: eps 0.5 (the formula's 0.5887 is above 1/K); R 0.8, 0.4; p = 0.5, 0.5
    t 2: eps 0.4163, rate 0.5; R 1.6, 0.8; softmax of 0.8, 0.4 is 0.5987; p = 0.1674 x 0.5987 + 0.4163 = 0.5165
    t 3: eps 0.3399, rate 0.4163; R 1.6 + 0.4/0.5165 = 2.3744, 0.8 + 0.2/0.4835 = 1.2137; softmax 0.6185; p = 0.5379
    """
    policy = Odm(arms(a=10, b=10))
    for step, share in ((1, 0.5), (2, 0.5165), (3, 0.5379)):
        policy.see_step(seen(step, a=4.0, b=2.0))
        assert policy.shares() == pytest.approx({"a": share, "b": 1 - share}, abs=6e-5)
    assert policy.arms()["a"]["reward"] == pytest.approx(2.3744, abs=1e-4)


def test_exploration() -> None:
    assert exploration(1, 8) == 1 / 8
    assert exploration(1000, 8) == pytest.approx(math.sqrt(2.0794 / 8000), rel=1e-4)


def test_large_sums_do_not_overflow() -> None:
    assert mixed({"a": 1e6, "b": 0.0}, rate=1.0, floor=0.1) == pytest.approx({"a": 0.9, "b": 0.1})


def test_a_source_that_was_not_drawn_earns_nothing() -> None:
    policy = Odm(arms(a=10, b=10))
    policy.see_step(seen(1, a=4.0))
    assert policy.arms()["b"]["reward"] == 0.0


def test_shares_stay_those_of_the_rows_during_the_warmup() -> None:
    policy = Odm(arms(a=30, b=10), warmup=5)
    for step in range(1, 6):
        policy.see_step(seen(step, a=1.0, b=9.0))
        assert policy.shares() == {"a": 0.75, "b": 0.25}
    policy.see_step(seen(6, a=1.0, b=9.0))
    assert policy.shares() != {"a": 0.75, "b": 0.25}


def test_one_source_is_all_there_is() -> None:
    policy = Odm(arms(a=30))
    assert policy.see_step(seen(1, a=3.0)) is None
    assert policy.shares() == {"a": 1.0}


def test_its_known_fault_the_source_of_highest_loss_wins() -> None:
    policy = Odm(arms(noise=10, text=10, trap=10))
    said = [policy.see_step(seen(step, noise=5.0, text=2.5, trap=0.1)) for step in range(1, 1001)]
    shares = policy.shares()
    assert shares["noise"] > 0.6
    assert shares["text"] > shares["trap"] > exploration(1000, 3)
    choices = [choice for choice in said if choice]
    assert 1 < len(choices) < 100, "shares move at every step, and are told when they have moved by 2%"
    assert choices[-1].reason.startswith("the weighted losses put noise first, at ")
