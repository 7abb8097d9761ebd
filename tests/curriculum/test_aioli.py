"""Aioli: its linear system and its update by hand, and the course of a round."""

import math

import numpy as np
import pytest

from tests.curriculum.rig import arms
from twosignal.curriculum.aioli import Aioli, AioliRules, gains, solved, tilted
from twosignal.curriculum.policy import Choice, ProbeSeen, StepSeen

LAW = {"x": {"a": 0.4, "b": -0.1}, "y": {"a": 0.1, "b": 0.2}}
"""What a phase lowers of each target, per source and share: A."""
RULES = AioliRules(phase_steps=3, sweeps=2, round_steps=40)


def test_a_phase_is_tilted_to_one_source() -> None:
    assert tilted(["a", "b", "c", "d"], "b", 0.625) == {"a": 0.125, "b": 0.625, "c": 0.125, "d": 0.125}


def test_the_linear_system_by_hand() -> None:
    """Mixes (5/8, 3/8) and (3/8, 5/8) lower x by 0.2125 and 0.0875, y by 0.1375 and 0.1625: A is LAW."""
    drops = np.array([[0.2125, 0.0875], [0.1375, 0.1625]])
    assert solved(drops, 0.625) == pytest.approx(np.array([[0.4, -0.1], [0.1, 0.2]]))


def test_gains_are_column_sums_of_a_shifted_and_scaled() -> None:
    """Shifted by 0.1: 0.5, 0 and 0.2, 0.3, together 1.0; the columns sum to 0.7 and 0.3."""
    assert gains(np.array([[0.4, -0.1], [0.1, 0.2]])) == pytest.approx([0.7, 0.3])
    assert gains(np.zeros((2, 3))) == pytest.approx([0, 0, 0])


def played(policy: Aioli, steps: int, names: tuple[str, ...] = ("a", "b")) -> list[Choice]:
    """A world that follows LAW: every step lowers each target by A times the shares, over the phase's steps."""
    losses, said = {"x": 50.0, "y": 60.0}, []
    for step in range(1, steps + 1):
        shares = policy.shares()
        for target, row in LAW.items():
            losses[target] -= (
                sum(row[name] * shares[name] for name in names if name in row) / RULES.phase_steps
            )
        choice = policy.see_step(StepSeen(step=step, rows={}, losses={}, epochs={}))
        said += [choice] if choice else []
        if policy.probe_due(step):
            choice = policy.see_probe(ProbeSeen(step=step, losses=losses))
            said += [choice] if choice else []
    return said


def test_a_round_finds_the_law_and_moves_the_mix_by_it() -> None:
    """Gains 0.7 and 0.3, eta 0.2: the odds of a over b become exp(0.2 x 0.4) = 1.0833, its share 0.51999."""
    policy = Aioli(arms(a=10, b=10), seed=0, rules=RULES)
    assert policy.shares() == {"a": 0.5, "b": 0.5}
    assert policy.probe_due(0), "a round begins with a reading"
    said = played(policy, 1 + 2 * 2 * 3)
    assert [choice.kind for choice in said] == ["window"] * 4 + ["credit"]
    assert sorted(max(choice.shares, key=choice.shares.__getitem__) for choice in said[:4]) == [
        "a",
        "a",
        "b",
        "b",
    ]
    assert policy.arms()["a"]["gain"] == pytest.approx(0.7)
    share = math.exp(0.08) / (1 + math.exp(0.08))
    assert policy.shares() == pytest.approx({"a": share, "b": 1 - share})
    assert said[-1].reason == "a lowers the targets most, a part of 0.70 of all gains"


def test_rounds_add_up_and_the_rest_of_a_round_is_drawn_by_the_mix() -> None:
    policy = Aioli(arms(a=10, b=10), seed=0, rules=RULES)
    said = played(policy, 3 * 42)
    learned = [choice for choice in said if choice.kind == "credit"]
    assert len(learned) == 3
    odds = [choice.shares["a"] / choice.shares["b"] for choice in learned]
    assert odds == pytest.approx([math.exp(0.08), math.exp(0.16), math.exp(0.24)], rel=1e-6)
    assert learned[1].step - learned[0].step == pytest.approx(40, abs=2)


def test_a_reading_without_a_target_is_not_used() -> None:
    policy = Aioli(arms(a=10, b=10), seed=0, rules=RULES)
    played(policy, 1)
    for step in range(2, 5):
        policy.see_step(StepSeen(step=step, rows={}, losses={}, epochs={}))
    assert policy.see_probe(ProbeSeen(step=4, losses={"x": 1.0})) is None
    assert policy.probe_due(4)


def test_closed_sources_are_not_measured_and_keep_their_weight() -> None:
    policy = Aioli(arms(a=10, b=10, c=10), seed=0, rules=RULES)
    policy.narrow(["a", "b"])
    said = played(policy, 1 + 2 * 2 * 3)
    assert all(choice.shares["c"] == 0 for choice in said if choice.kind == "window")
    assert policy.arms()["c"]["weight"] == pytest.approx(1 / 3)
    assert policy.arms()["a"]["weight"] + policy.arms()["b"]["weight"] == pytest.approx(2 / 3)


def test_one_source_needs_no_reading() -> None:
    policy = Aioli(arms(a=10), seed=0)
    assert not policy.probe_due(0)
    assert policy.shares() == {"a": 1.0}
