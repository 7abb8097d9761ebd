"""Whatever is asked of a curriculum, by policy, operator and gate, in whatever order: what always holds."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.health import phase_violation
from twosignal.curriculum.limits import Limits
from twosignal.curriculum.policies import POLICIES, floors_of, make_policy
from twosignal.curriculum.policy import Arm, ProbeSeen, StepSeen

NAMES = ("a", "b", "c", "d")
ACTS = st.one_of(
    st.tuples(
        st.sampled_from(["cap", "set_share"]),
        st.sampled_from(NAMES),
        st.sampled_from([0.0, 0.01, 0.3, 0.7, 1.0]),
        st.sampled_from(["operator", "gate"]),
    ),
    st.tuples(st.just("release"), st.sampled_from(NAMES), st.just(0.0), st.just("operator")),
    st.tuples(st.just("steps"), st.just(""), st.integers(1, 40).map(float), st.just("")),
)


def begun(policy: str, rows: tuple[int, ...], *, warmup: int, pull: str, planned: int | None) -> Curriculum:
    sources = [
        Arm(name=name, rows=count, documents=count, weight=1.0, floor=0.1 if name == "b" else 0.0)
        for name, count in zip(NAMES, rows, strict=True)
    ]
    limits = Limits(
        warmup_steps=warmup,
        warmup_sources=("a", "c"),
        planned_rows=planned,
        pull="step" if pull == "step" else "row",
        floors=floors_of(policy),
    )
    return Curriculum(sources, make_policy(policy, sources, seed=1), limits=limits)


def lived(run: Curriculum, steps: int) -> None:
    rng = np.random.default_rng(run.step)
    for _ in range(steps):
        drawn: dict[str, int] = {}
        for _ in range(6):
            before = run.shares
            name = run.choose()
            assert before[name] > 0, "a closed source was drawn"
            drawn[name] = drawn.get(name, 0) + 1
        losses = {name: float(rng.choice([rng.normal(3, 1), math.nan, 0.0])) for name in drawn}
        epochs = {name: run.served.epochs(name) for name in NAMES}
        seen = StepSeen(step=run.step + 1, rows=drawn, losses=losses, epochs=epochs)
        assert phase_violation(run.limits, seen) == []
        run.see_step(seen)
        if run.probe_due(run.step):
            run.see_probe(ProbeSeen(step=run.step, losses={"a": float(rng.normal(3, 1)), "x": 2.0}))
        check(run)


def has_starved(run: Curriculum) -> bool:
    return any("data starvation" in choice.reason for choice in run.choices)


def check(run: Curriculum) -> None:
    report = run.report()
    assert sum(run.shares.values()) == pytest.approx(1)
    for arm in report["arms"].values():
        assert 0 <= arm["share"] <= 1 + 1e-9
        assert not (arm["closed"] and arm["share"])
        if report["epoch_cap"] is not None and not has_starved(run):
            assert arm["epochs"] <= report["epoch_cap"] + 1e-9
    if not any(arm["override"] for arm in report["arms"].values()) and run.limits.floors == "share":
        assert report["arms"]["b"]["closed"] or run.shares["b"] >= 0.1 - 1e-9


@pytest.mark.parametrize("policy", list(POLICIES))
@given(
    rows=st.tuples(*[st.sampled_from([1, 3, 40, 5000])] * 4),
    warmup=st.sampled_from([0, 7]),
    pull=st.sampled_from(["row", "step"]),
    planned=st.sampled_from([None, 100, 10**6]),
    acts=st.lists(ACTS, max_size=8),
)
@settings(max_examples=8, deadline=None)
def test_what_always_holds(
    policy: str, rows: tuple[int, ...], warmup: int, pull: str, planned: int | None, acts: list[Any]
) -> None:
    run = begun(policy, rows, warmup=warmup, pull=pull, planned=planned)
    check(run)
    for kind, name, amount, by in acts:
        if kind == "steps":
            lived(run, int(amount))
        elif kind == "release":
            run.release(name, step=run.step, by=by, reason="again")
        else:
            choice = getattr(run, kind)(name, amount, step=run.step, by=by, reason="asked")
            assert choice.shares == run.shares
            is_met = run.shares[name] <= amount + 1e-9 and (
                kind == "cap" or run.shares[name] >= amount - 1e-9
            )
            held = run.overrides.get(name)
            is_held = held is not None and (held.kind, held.share) == (kind.removeprefix("set_"), amount)
            assert is_met or not is_held or "in force" in choice.reason
            assert is_held or by == "gate" or "not done" in choice.reason
        check(run)
    lived(run, 12)
