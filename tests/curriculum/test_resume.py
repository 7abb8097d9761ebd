"""Every policy goes on from its saved state bit for bit, whatever order the JSON came back in."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.curriculum.rig import ORIGIN
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.limits import Limits
from twosignal.curriculum.policies import POLICIES, floors_of, make_policy
from twosignal.curriculum.policy import Arm, ProbeSeen, StepSeen

ROWS = 8


def begun(policy: str, pull: str = "row") -> Curriculum:
    sources = [
        Arm(name="chat", rows=300, documents=200, weight=1.0, is_chat=True),
        Arm(name="books", rows=500, documents=90, floor=0.1, weight=2.0),
        Arm(name="tiny", rows=12, documents=12, weight=1.0),
        Arm(name="lists", rows=200, documents=50, cap=0.4, weight=1.0),
    ]
    limits = Limits(
        warmup_steps=9,
        warmup_sources=("chat", "books"),
        pull="step" if pull == "step" else "row",
        floors=floors_of(policy),
    )
    return Curriculum(sources, make_policy(policy, sources, seed=5), limits=limits, origin=ORIGIN)


def lived(run: Curriculum, steps: int) -> list[object]:
    """Go on for some steps; the losses of a step depend on nothing but its number. Return all that can be seen."""
    told: list[object] = []
    for _ in range(steps):
        rng = np.random.default_rng(run.step)
        drawn: dict[str, int] = {}
        for _ in range(ROWS):
            name = run.choose()
            drawn[name] = drawn.get(name, 0) + 1
        losses = {name: float(rng.normal(3, 0.4)) for name in sorted(drawn)}
        seen = StepSeen(
            step=run.step + 1,
            rows=drawn,
            losses=losses,
            epochs={name: run.served.epochs(name) for name in run.arms},
        )
        told += [drawn, run.see_step(seen), run.shares]
        if run.probe_due(run.step):
            probes = {target: float(rng.normal(3, 0.4)) for target in ("chat", "books")}
            told.append(run.see_probe(ProbeSeen(step=run.step, losses=probes)))
        if run.step == 20:
            told.append(run.cap("books", 0.3, step=20, by="operator", reason="loops"))
    return [*told, run.report()]


def shuffled(state: dict[str, object]) -> dict[str, object]:
    """Through a file whose writer sorts its keys."""
    text = json.dumps(state, sort_keys=True, allow_nan=False)
    back: dict[str, object] = json.loads(text)
    return back


@pytest.mark.parametrize("policy", list(POLICIES))
@given(before=st.integers(0, 90), after=st.integers(1, 60), pull=st.sampled_from(["row", "step"]))
@settings(max_examples=8, deadline=None)
def test_a_restored_curriculum_goes_on_bit_for_bit(policy: str, before: int, after: int, pull: str) -> None:
    run = begun(policy, pull)
    lived(run, before)
    state = shuffled(run.state())
    again = begun(policy, pull)
    lived(again, 3)
    again.restore(state)
    assert again.state() == run.state()
    assert lived(again, after) == lived(run, after)
    assert again.state() == run.state()


@pytest.mark.parametrize("policy", list(POLICIES))
def test_what_is_drawn_but_not_yet_stepped_is_saved(policy: str) -> None:
    """A checkpoint in the middle of a step's rows, as a draw ahead would make."""
    run = begun(policy, "step")
    lived(run, 12)
    for _ in range(3):
        run.choose()
    again = begun(policy, "step")
    again.restore(shuffled(run.state()))
    assert [again.choose() for _ in range(20)] == [run.choose() for _ in range(20)]


@pytest.mark.parametrize("policy", list(POLICIES))
def test_the_same_seed_makes_the_same_choices(policy: str) -> None:
    assert lived(begun(policy), 60) == lived(begun(policy), 60)
