"""Concerns: each with a mix that raises it, and none for a mix that is well."""

import pytest

from tests.curriculum.rig import ORIGIN, arms, curriculum, take_step
from twosignal.curriculum.health import phase_violation, review, zombie_concern
from twosignal.curriculum.limits import Limits
from twosignal.curriculum.policies import POLICIES
from twosignal.curriculum.policy import Arm, StepSeen
from twosignal.curriculum.saved import zombies


@pytest.mark.parametrize("policy", list(POLICIES))
@pytest.mark.parametrize("pull", ["row", "step"])
def test_a_mix_that_is_well_raises_nothing(policy: str, pull: str) -> None:
    sources = [Arm(name=name, rows=10**5, documents=10, weight=1.0, floor=0.1) for name in "abc"]
    limits = Limits(warmup_steps=20, warmup_sources=("a", "b"), pull="step" if pull == "step" else "row")
    run = curriculum(policy, sources, limits)
    for _ in range(200):
        drawn, _ = take_step(run, rows=8)
        seen = StepSeen(step=run.step, rows=drawn, losses={}, epochs={})
        assert phase_violation(limits, seen) == []
        assert [one.id for one in review(run.report())] == []


def test_exercise_15_a_source_drawn_outside_the_warmup_is_an_alarm() -> None:
    limits = Limits(warmup_steps=20_000, warmup_sources=("chat", "gutenberg"))
    seen = StepSeen(step=18_400, rows={"chat": 7, "dictionary": 1, "repo-docs": 0}, losses={}, epochs={})
    (alarm,) = phase_violation(limits, seen)
    assert (alarm.id, alarm.severity) == ("outside-warmup", "alarm")
    assert alarm.message == "step 18400 drew 1 rows of dictionary, which the warmup of 20000 steps leaves out"
    later = StepSeen(step=20_001, rows={"dictionary": 1}, losses={}, epochs={})
    assert phase_violation(limits, later) == []


def test_a_starved_source() -> None:
    """The noise takes nearly all rows: its loss is 20 times that of the others, under ODM."""
    run = curriculum("odm", arms(noise=10**5, text=10**5))
    for _ in range(3000):
        rows = {"noise": 0, "text": 0}
        for _ in range(4):
            rows[run.choose()] += 1
        losses = {"noise": 12.0} | ({"text": 0.6} if rows["text"] else {})
        run.see_step(StepSeen(step=run.step + 1, rows=rows, losses=losses, epochs={}))
    (starved,) = [one for one in review(run.report()) if one.id == "source-starved"]
    assert starved.severity == "warning"
    assert starved.message.startswith("source text gets ")
    assert "where its size would give it 50.00%" in starved.message
    (left_out,) = review({**run.report(), "policy": "bandit"})
    assert (left_out.id, left_out.severity) == ("source-left-out", "note")
    assert left_out.message == starved.message.replace(
        "; so few pulls that its figures cannot recover", ": it does little for the target"
    )
    run.set_share("text", 0.01, step=3000, by="operator", reason="meant")
    assert review(run.report()) == []


def test_rows_that_do_not_follow_the_shares() -> None:
    run = curriculum("uniform", arms(a=10**5, b=10**5))
    take_step(run, rows=100)
    report = run.report()
    report["arms"]["a"]["drawn"], report["arms"]["b"]["drawn"] = 60, 40
    assert [one.message for one in review(report)] == [
        "source a gave 60 rows where the shares in force promised 50",
        "source b gave 40 rows where the shares in force promised 50",
    ]


def test_data_starvation() -> None:
    run = curriculum("uniform", arms(a=4, b=8), Limits(epoch_cap=2.0))
    for _ in range(4):
        take_step(run, rows=8)
    (concern,) = review(run.report())
    assert concern.id == "data-starvation"
    assert concern.message.endswith("a least: 2.5 times")


def test_a_source_past_the_epoch_cap() -> None:
    run = curriculum("uniform", arms(tiny=10, large=1000))
    run.see_step(StepSeen(step=1, rows={}, losses={}, epochs={"tiny": 6.0}))
    assert [one.message for one in review(run.report())] == [
        "source tiny has been read 6.00 times; the epoch cap is 5"
    ]


def test_a_zombie_is_an_alarm() -> None:
    state = curriculum("odm", arms(a=10, b=10)).state()
    state["shares"]["b"] = 1.546
    (zombie,) = zombies(state, arms(a=10, b=10), ORIGIN)
    alarm = zombie_concern(zombie)
    assert (alarm.id, alarm.severity) == ("zombie-source", "alarm")
    assert alarm.message.startswith("b has weight 1.546 in the state of run run-a")
    assert alarm.as_dict()["evidence"] == {"source": "b", "weight": 1.546, "run": "run-a"}
