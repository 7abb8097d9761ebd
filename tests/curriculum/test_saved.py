"""Saved state that is not this run's: the zombie of the second story, and damage."""

import copy
from typing import Any

import pytest

from tests.curriculum.rig import ORIGIN, arms, curriculum, take_step
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.policies import make_policy
from twosignal.curriculum.policy import Arm
from twosignal.curriculum.saved import Origin, zombies
from twosignal.errors import RunError

GONE = object()
SOURCES = {"hermes3-general": 100, "gutenberg": 100}


def saved(policy: str = "classic", **more: int) -> dict[str, Any]:
    run = curriculum(policy, arms(**SOURCES, **more))
    take_step(run, rows=4)
    return run.state()


def test_the_zombie_of_the_second_story_is_refused_with_a_sentence() -> None:
    """repo-docstrings kept weight 1.546 from an earlier run's state."""
    state = saved()
    state["origin"] = {"run": "v2-20260301", "config": "aaaa"}
    state["shares"]["repo-docstrings"] = 1.546
    found = zombies(state, arms(**SOURCES), ORIGIN)
    assert (found[0].arm, found[0].weight, found[0].run) == ("repo-docstrings", 1.546, "v2-20260301")
    with pytest.raises(RunError) as refused:
        curriculum("classic", arms(**SOURCES)).restore(state)
    sentence = str(refused.value)
    assert (
        "repo-docstrings has weight 1.546 in the state of run v2-20260301: this run has no such source"
        in sentence
    )
    assert sentence.endswith("Carry it over arm by arm (keep, decay or reset), or start without it.")


def test_a_weight_for_a_disabled_source_is_refused() -> None:
    run = curriculum("odm", [*arms(**SOURCES), Arm(name="repo-docstrings", rows=9, documents=9, cap=0.0)])
    state = saved("odm", **{"repo-docstrings": 9})
    with pytest.raises(
        RunError, match=r"repo-docstrings has weight .* of run run-a: .* disabled in this run \(cap 0\)"
    ):
        run.restore(state)


@pytest.mark.parametrize("weight", [1.546, -0.2, float("nan"), float("inf")])
def test_a_weight_that_is_no_share_is_refused(weight: float) -> None:
    state = saved()
    state["shares"]["gutenberg"] = weight
    with pytest.raises(RunError, match=r"gutenberg has weight .* between 0 and 1"):
        curriculum("classic", arms(**SOURCES)).restore(state)


@pytest.mark.parametrize(
    ("origin", "sentence"),
    [
        (Origin(run="run-b", config=ORIGIN.config), "this is run run-b"),
        (Origin(run=ORIGIN.run, config="ffff"), r"changed since \(hash 0123abcd, now ffff\)"),
    ],
)
def test_another_run_and_another_run_file_are_refused(origin: Origin, sentence: str) -> None:
    run = Curriculum(arms(**SOURCES), make_policy("classic", arms(**SOURCES), seed=0), origin=origin)
    with pytest.raises(RunError, match=rf"has weight [\d.]+ in the state of run run-a: .*{sentence}"):
        run.restore(saved())


def test_another_policy_and_a_new_source_are_refused() -> None:
    with pytest.raises(RunError, match=r"of another policy \(found odm; expected classic\)"):
        curriculum("classic", arms(**SOURCES)).restore(saved("odm"))
    with pytest.raises(RunError, match="knows nothing of source new"):
        curriculum("classic", arms(**SOURCES, new=5)).restore(saved())


def without(*path: str) -> tuple[tuple[str, ...], object]:
    return path, GONE


def holding(value: object, *path: str) -> tuple[tuple[str, ...], object]:
    return path, value


def damage(state: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        state = state[key]
    state[path[-1]] = value
    if value is GONE:
        del state[path[-1]]


@pytest.mark.parametrize("policy", ["proportional", "classic", "odm", "aioli"])
@pytest.mark.parametrize(
    "change",
    [
        without("version"),
        holding(2, "version"),
        without("origin"),
        holding("x", "origin"),
        without("shares"),
        holding({"gutenberg": "much"}, "shares"),
        without("policy"),
        holding("classic", "policy"),
        without("policy", "state"),
        holding([], "policy", "state"),
        without("policy", "state", "version"),
        holding(99, "policy", "state", "version"),
        without("credit"),
        holding({"gutenberg": 0.5}, "credit"),
        without("served", "drawn"),
        holding({}, "served", "drawn"),
        holding({"gutenberg": {"kind": "cap"}}, "overrides"),
        holding([{"step": 1}], "choices"),
        holding({"open": 1}, "view"),
        holding("many", "step"),
    ],
)
def test_damage_is_refused_and_changes_nothing(policy: str, change: tuple[tuple[str, ...], object]) -> None:
    state = saved(policy)
    run = curriculum(policy, arms(**SOURCES))
    before = copy.deepcopy(run.state())
    damage(state, *change)
    with pytest.raises(RunError):
        run.restore(state)
    assert run.state() == before


@pytest.mark.parametrize("policy", ["classic", "odm", "aioli"])
def test_damage_within_a_policys_own_state_is_refused_and_changes_nothing(policy: str) -> None:
    for name in saved(policy)["policy"]["state"]:
        state = saved(policy)
        del state["policy"]["state"][name]
        run = curriculum(policy, arms(**SOURCES))
        before = copy.deepcopy(run.state())
        with pytest.raises(RunError):
            run.restore(state)
        assert run.state() == before, name


def test_no_state_at_all_is_refused() -> None:
    with pytest.raises(RunError, match="unknown form"):
        curriculum("classic", arms(**SOURCES)).restore([])  # type: ignore[arg-type]
