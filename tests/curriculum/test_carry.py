"""What one run leaves to the next, arm by arm, and what it does not."""

from typing import Any

import numpy as np
import pytest

from tests.curriculum.rig import arms, curriculum, take_step
from twosignal.curriculum.carry import carry_over
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.policies import make_policy
from twosignal.curriculum.policy import Arm, Carries, Mode, StepSeen
from twosignal.curriculum.saved import Origin
from twosignal.errors import InputError, RunError

STALE = "s7"


def begun(policy: str, *, seed: int, run: str) -> Curriculum:
    sources = arms(**{f"s{number}": 10**6 for number in range(8)})
    return Curriculum(sources, make_policy(policy, sources, seed=seed), origin=Origin(run=run))


def lived(run: Curriculum, *, steps: int, stale: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw 8 rows a step; losses are 3.0 with noise 0.3, those of the stale arm as given. Return its part of the rows."""
    drawn = dict.fromkeys(run.arms, 0)
    for _ in range(steps):
        rows: dict[str, int] = {}
        for _ in range(8):
            name = run.choose()
            rows[name] = rows.get(name, 0) + 1
            drawn[name] += 1
        law = {name: stale if name == STALE else (3.0, 0.3) for name in rows}
        losses = {name: max(0.0, float(rng.normal(*law[name]))) for name in rows}
        run.see_step(StepSeen(step=run.step + 1, rows=rows, losses=losses, epochs={}))
    return drawn[STALE] / (8 * steps)


@pytest.mark.parametrize("mode", ["keep", "decay", "reset"])
@pytest.mark.parametrize("policy", ["classic", "odm"])
def test_an_arm_with_stale_state_gets_five_percent_of_the_rows_or_less(policy: str, mode: Mode) -> None:
    """The earlier run found one of 8 arms by far the best for both policies (loss 9, noise 2); now it has nothing to give."""
    parts = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        earlier = begun(policy, seed=seed, run="earlier")
        assert lived(earlier, steps=150, stale=(9.0, 2.0), rng=rng) > 1 / 8, "it was the favourite there"
        run = begun(policy, seed=seed + 100, run="now")
        carry_over(run, earlier.state(), dict.fromkeys(run.arms, mode))
        parts.append(lived(run, steps=500, stale=(0.5, 0.01), rng=rng))
    assert np.mean(parts) <= 0.05


def test_what_is_kept_decays_and_resets_is_said() -> None:
    earlier = curriculum("classic", arms(a=100, b=100, c=100))
    for _ in range(60):
        take_step(earlier, rows=6)
    run = curriculum("classic", arms(a=100, b=100, d=100))
    state = earlier.state()
    state["shares"]["c"] = 0.25
    choice = carry_over(run, state, {"a": "keep"})
    assert choice.kind == "resume"
    assert choice.reason.startswith(
        "from run run-a, step 60: a keep, b decay, d reset; left behind: c has weight 0.25"
    )
    assert choice.evidence["modes"] == {"a": "keep", "b": "decay", "d": "reset"}
    pulls = {name: figures["pulls"] for name, figures in run.policy.arms().items()}
    assert pulls == {"a": 20, "b": 10, "d": 0}
    assert run.report()["choices"][0]["reason"] == choice.reason


def test_a_zombie_is_left_behind_whatever_its_mode() -> None:
    sources = [*arms(a=100, b=100), Arm(name="repo-docstrings", rows=9, documents=9, cap=0.0)]
    earlier = curriculum("odm", arms(**{"a": 100, "b": 100, "repo-docstrings": 9}))
    for _ in range(30):
        take_step(earlier, rows=6)
    state = earlier.state()
    state["shares"]["repo-docstrings"] = 1.546
    state["origin"] = {"run": "v2", "config": ""}
    run = curriculum("odm", sources)
    choice = carry_over(run, state, {"repo-docstrings": "keep"})
    assert "left behind: repo-docstrings has weight 1.546 in the state of run v2" in choice.reason
    assert choice.evidence["modes"]["repo-docstrings"] == "reset"
    assert run.policy.arms()["repo-docstrings"]["reward"] == 0.0
    assert run.shares["repo-docstrings"] == 0.0


def test_what_was_set_by_hand_stays_behind_and_is_named() -> None:
    earlier = curriculum("odm", arms(a=10, b=10))
    earlier.set_share("a", 0, step=0, by="operator", reason="x")
    run = curriculum("odm", arms(a=10, b=10))
    assert "a was set to 0 by hand there, and is not here" in carry_over(run, earlier.state()).reason
    assert run.shares["a"] == 0.5


@pytest.mark.parametrize(("before", "now"), [("odm", "classic"), ("aioli", "aioli"), ("uniform", "uniform")])
def test_a_policy_that_cannot_use_the_state_starts_cold_and_says_so(before: str, now: str) -> None:
    run, cold = curriculum(now, arms(a=10, b=10)), curriculum(now, arms(a=10, b=10))
    earlier = curriculum(before, arms(a=10, b=10))
    take_step(earlier, rows=4)
    choice = carry_over(run, earlier.state())
    assert choice.reason == "from run run-a, step 1: nothing, the policy starts cold"
    assert run.policy.state() == cold.policy.state()
    assert (before == now == "aioli") <= (not isinstance(run.policy, Carries))


def test_a_mode_for_an_unknown_source_and_a_state_that_is_none_are_refused() -> None:
    run = curriculum("odm", arms(a=10, b=10))
    with pytest.raises(InputError, match="no source z to carry"):
        carry_over(run, run.state(), {"z": "keep"})
    with pytest.raises(RunError, match="unknown form"):
        carry_over(run, {"version": 7})


@pytest.mark.parametrize("policy", ["classic", "odm"])
@pytest.mark.parametrize("damage", [None, [], {"a": {"pulls": 1, "more": 2}}])
def test_damaged_evidence_is_refused(policy: str, damage: Any) -> None:
    state = curriculum(policy, arms(a=10, b=10)).state()
    state["policy"]["state"]["evidence"] = damage
    with pytest.raises(RunError, match="damaged"):
        carry_over(curriculum(policy, arms(a=10, b=10)), state)
