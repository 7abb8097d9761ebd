"""The default policy in simulated runs: what it finds, what it never does, and that it goes on bit for bit."""

import json
import math
from collections.abc import Mapping

import numpy as np
import pytest

from twosignal.curriculum.bandit import REACH, Bandit
from twosignal.curriculum.bandit_plan import Plan, window_for
from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.limits import Limits
from twosignal.curriculum.policy import Arm, Choice, ProbeSeen, StepSeen
from twosignal.curriculum.prior import Prior
from twosignal.errors import RunError

BATCH = 16


def arms(**rows: int) -> list[Arm]:
    return [Arm(name=name, rows=count, documents=count) for name, count in rows.items()]


def prior(**shares: float) -> Prior:
    return Prior(shares=shares, losses={})


def bandit(
    sources: list[Arm], start: Prior | None = None, *, rows: int | None = None, trial: int = 0
) -> Bandit:
    return Bandit(sources, prior=start, plan=Plan(targets={"t": 1.0}, window=10, trial=trial, rows=rows))


class World:
    """A target whose loss falls with every row by what the row's source is worth, seen with noise."""

    def __init__(self, worth: Mapping[str, float], *, noise: float = 0.001, seed: int = 0) -> None:
        self.worth, self.noise, self.loss = worth, noise, 5.0
        self.drawn: dict[str, int] = dict.fromkeys(worth, 0)
        self.random = np.random.default_rng(seed)

    def step(self, curriculum: Curriculum, step: int) -> list[Choice]:
        names = [curriculum.choose() for _ in range(BATCH)]
        for name in names:
            self.drawn[name] += 1
            self.loss *= 1 - 0.002 * self.worth[name] / BATCH
        rows = {name: names.count(name) for name in names}
        epochs = {name: self.drawn[name] / arm.rows for name, arm in curriculum.arms.items()}
        made = curriculum.see_step(
            StepSeen(step=step, rows=rows, losses=dict.fromkeys(rows, 2.0), epochs=epochs)
        )
        if curriculum.probe_due(step):
            seen = self.loss * (1 + self.noise * self.random.normal())
            made += curriculum.see_probe(ProbeSeen(step=step, losses={"t": seen}))
        return made


def played(policy: Bandit, world: World, steps: int) -> list[Choice]:
    curriculum = Curriculum(policy._arms, policy, limits=Limits(planned_rows=policy.plan.rows))
    return [choice for step in range(1, steps + 1) for choice in world.step(curriculum, step)]


def mix(policy: Bandit) -> dict[str, float]:
    return {name: figures["mix"] for name, figures in policy.arms().items()}


def test_the_mix_begins_at_the_prior_and_keeps_some_of_the_proportional_one() -> None:
    policy = bandit(arms(a=100, b=300), prior(a=0.8, b=0.2))
    assert mix(policy) == pytest.approx({"a": 0.98 * 0.8 + 0.02 * 0.25, "b": 0.98 * 0.2 + 0.02 * 0.75})
    assert mix(bandit(arms(a=100, b=300))) == pytest.approx({"a": 0.25, "b": 0.75})


def test_the_two_windows_of_a_pair_are_opposite_and_told() -> None:
    policy = bandit(arms(a=1000, b=1000, c=1000))
    world = World({"a": 1.0, "b": 1.0, "c": 1.0})
    told = played(policy, world, 80)
    assert [(choice.step, choice.kind) for choice in told] == [
        (1, "prior"),
        (20, "window"),
        (30, "credit"),
        (40, "window"),
        (50, "credit"),
        (60, "window"),
        (70, "credit"),
        (80, "window"),
    ]
    once, other = told[2].evidence["asked"], told[3].evidence["asked"]
    middle = told[2].evidence["mix"]
    for name in "abc":
        # Tilted by a fifth of itself, half of TILT, because the end of the run is unknown; then normalized.
        assert abs(once[name] / middle[name] - 1) > 0.05
        assert (once[name] > middle[name]) != (other[name] > middle[name])
        assert (once[name] + other[name]) / 2 == pytest.approx(middle[name], rel=0.08)


def test_a_useful_source_gains_and_a_useless_one_loses() -> None:
    world = World({"useful": 3.0, "fair": 1.0, "useless": 0.0, "bad": -1.0})
    policy = bandit(arms(useful=9000, fair=9000, useless=9000, bad=9000))
    told = played(policy, world, 2000)
    found = mix(policy)
    assert found["useful"] > 0.4
    assert found["bad"] < 0.15
    assert max(found, key=found.__getitem__) == "useful"
    assert any("useful does more than the mix" in choice.reason for choice in told if choice.kind == "credit")


def test_nothing_is_made_of_noise() -> None:
    world = World(dict.fromkeys("abcd", 1.0))
    policy = bandit(arms(a=9000, b=9000, c=9000, d=9000))
    played(policy, world, 2000)
    assert all(0.1 < share < 0.45 for share in mix(policy).values())


def test_a_misleading_prior_is_left_for_the_proportional_mix() -> None:
    world = World({"good": 1.0, "junk": 0.0})
    policy = bandit(arms(good=9000, junk=9000), prior(good=0.05, junk=0.95))
    told = played(policy, world, 1000)
    first = next(choice for choice in told if choice.kind == "safety")
    assert "of the way to it" in first.reason
    assert mix(policy)["good"] > 0.4


def test_a_harmful_prior_loses_the_trial_and_a_good_one_keeps_its_mix() -> None:
    """After five windows of waiting and three of trial, six steps each."""
    harmful, good = prior(good=0.05, junk=0.95), prior(good=0.95, junk=0.05)
    for start, kind, share in ((harmful, "safety", 0.5), (good, "window", 0.941)):
        policy = bandit(arms(good=9000, junk=9000), start, rows=500 * BATCH, trial=6)
        world = World({"good": 5.0, "junk": 0.0})
        told = played(policy, world, 48)
        assert [choice.step for choice in told] == [1, 30, 36, 42, 48]
        assert [choice.kind for choice in told[1:4]] == ["window"] * 3
        assert [choice.shares["good"] == 0.5 for choice in told[1:4]] == [False, True, False]
        assert told[-1].kind == kind
        assert "6 steps by rows took" in told[-1].reason
        assert mix(policy)["good"] == pytest.approx(share)
        assert mix(policy) == pytest.approx(told[-1].evidence["mix"])


def test_windows_are_counted_from_the_end_of_the_trial() -> None:
    policy = bandit(arms(good=9000, junk=9000), prior(good=0.9, junk=0.1), rows=500 * BATCH, trial=6)
    told = played(policy, World({"good": 5.0, "junk": 0.0}), 88)
    assert [(choice.step, choice.kind) for choice in told[5:]] == [
        (58, "window"),
        (68, "credit"),
        (78, "window"),
        (88, "credit"),
    ]


def test_the_trial_begins_anew_when_a_warmup_phase_ends() -> None:
    """Its windows draw nothing but the phase's sources until then."""
    sources = arms(good=9000, junk=9000)
    limits = Limits(warmup_steps=40, warmup_sources=("junk",), planned_rows=500 * BATCH)
    policy = bandit(sources, prior(good=0.05, junk=0.95), rows=500 * BATCH, trial=6)
    curriculum, world = Curriculum(sources, policy, limits=limits), World({"good": 5.0, "junk": 0.0})
    told = [choice for step in range(1, 89) for choice in world.step(curriculum, step)]
    tried = [(choice.step, choice.kind) for choice in told if choice.reason.startswith("trial")]
    assert tried == [
        (30, "window"),
        (36, "window"),
        (70, "window"),
        (76, "window"),
        (82, "window"),
        (88, "safety"),
    ]
    policy.narrow(["good"])
    policy.narrow(["good", "junk"])
    assert not policy.state()["trial"]["is_open"]


def test_a_trial_that_misses_a_reading_ends_without_a_verdict_and_the_run_goes_on() -> None:
    policy = bandit(arms(a=9000, b=3000), prior(a=0.5, b=0.5), rows=500 * 16, trial=6)
    for step in range(1, 37):
        policy.see_step(StepSeen(step=step, rows={"a": 8, "b": 8}, losses={}, epochs={}))
        if step == 30:
            policy.see_probe(ProbeSeen(step=step, losses={"t": 3.0}))
    missed = policy.see_probe(ProbeSeen(step=36, losses={}))
    assert missed is not None
    assert "without a verdict" in missed.reason
    assert [step for step in range(37, 80) if policy.probe_due(step)] == [40, 50, 60, 70]


def test_a_source_never_passes_a_factor_of_its_prior_whatever_its_state_says() -> None:
    """The casebook's zombie: an earlier run's weight for a source that is worth nothing here."""
    foreign = bandit(arms(good=9000, zombie=9000)).state()
    foreign["tilt"]["zombie"] = 1e9
    policy = bandit(arms(good=9000, zombie=9000), prior(good=0.995, zombie=0.005))
    policy.carry(foreign, {"good": "keep", "zombie": "keep"})
    assert policy.arms()["zombie"]["tilt"] == REACH == math.log(4)
    world = World({"good": 1.0, "zombie": 0.0})
    played(policy, world, 500)
    assert world.drawn["zombie"] / sum(world.drawn.values()) <= 0.05


def test_what_another_run_learned_comes_whole_by_half_or_not_at_all() -> None:
    foreign = bandit(arms(a=9000, b=9000, c=9000)).state()
    foreign["tilt"] = {"a": 0.8, "b": 0.8, "c": 0.8}
    policy = bandit(arms(a=9000, b=9000, c=9000))
    policy.carry(foreign, {"a": "keep", "b": "decay", "c": "reset"})
    assert {name: figures["tilt"] for name, figures in policy.arms().items()} == {
        "a": 0.8,
        "b": 0.4,
        "c": 0.0,
    }
    foreign["tilt"]["a"] = math.nan
    policy.carry(foreign, {"a": "keep"})
    assert policy.arms()["a"]["tilt"] == 0.0


def test_a_small_source_is_spread_over_the_run_and_stays_within_the_epochs_that_pay() -> None:
    world = World({"tiny": 3.0, "large": 1.0})
    policy = bandit(arms(tiny=100, large=90000), prior(tiny=0.9, large=0.1), rows=500 * BATCH)
    halves = []
    curriculum = Curriculum(policy._arms, policy, limits=Limits(planned_rows=500 * BATCH))
    for step in range(1, 501):
        world.step(curriculum, step)
        halves += [world.drawn["tiny"] / 100] * (step in (250, 500))
    assert halves[0] == pytest.approx(2.0, abs=0.5)
    assert 3.5 < halves[1] <= 4.05


def test_where_all_sources_are_too_small_all_are_repeated_alike() -> None:
    policy = bandit(arms(a=100, b=300), prior(a=0.9, b=0.1), rows=10_000)
    assert mix(policy) == pytest.approx({"a": 0.25, "b": 0.75})


def test_the_last_part_of_a_run_is_not_tilted_and_asks_for_nothing() -> None:
    policy = bandit(arms(a=9000, b=9000), rows=500 * BATCH)
    world = World({"a": 1.0, "b": 0.5})
    told = played(policy, world, 500)
    assert max(choice.step for choice in told) < 440
    assert policy.shares() == pytest.approx(mix(policy))
    assert not any(policy.probe_due(step) for step in range(450, 501))


def test_a_reading_that_is_not_whole_ends_no_pair() -> None:
    policy = bandit(arms(a=9000, b=3000), prior(a=0.5, b=0.5))
    for step in range(1, 21):
        policy.see_step(StepSeen(step=step, rows={"a": 8, "b": 8}, losses={}, epochs={}))
        if step % 10 == 0:
            policy.see_probe(ProbeSeen(step=step, losses={"t": 3.0 - step / 100}))
    before = policy.shares()
    broken = policy.see_probe(ProbeSeen(step=30, losses={}))
    assert broken is not None
    assert "begins anew" in broken.reason
    assert policy.shares() != before
    assert policy.see_probe(ProbeSeen(step=40, losses={"t": 0.0})) is None
    assert policy.state()["credit"]["seen"] == 0.0


def test_it_goes_on_bit_for_bit() -> None:
    sources, start = arms(a=9000, b=500, c=9000), prior(a=0.2, b=0.3, c=0.5)
    whole, cut = (bandit(sources, start, rows=4800, trial=6) for _ in range(2))
    runs = [
        (Curriculum(sources, one, limits=Limits(planned_rows=4800)), World({"a": 1.0, "b": 2.0, "c": 0.0}))
        for one in (whole, cut)
    ]
    for step in range(1, 301):
        if step in (7, 30, 31, 38, 48, 55, 61, 138):
            saved = json.loads(json.dumps(runs[1][0].state()))
            again = Curriculum(sources, bandit(sources, rows=4800, trial=6), limits=Limits(planned_rows=4800))
            again.restore(saved)
            runs[1] = (again, runs[1][1])
        told = [world.step(curriculum, step) for curriculum, world in runs]
        assert told[0] == told[1]
    assert runs[0][0].state() == runs[1][0].state()
    assert runs[0][1].drawn == runs[1][1].drawn


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 1}, "unknown form"),
        ({"trial": {"length": 6}}, "damaged"),
        ({"mix": {}}, "damaged"),
        ({"credit": {}}, "damaged"),
        ({"pair": "x"}, "damaged"),
    ],
)
def test_a_state_that_is_none_is_refused(change: dict[str, object], said: str) -> None:
    policy = bandit(arms(a=10, b=10))
    with pytest.raises(RunError, match=said):
        policy.restore(policy.state() | change)


def test_one_source_is_all_there_is() -> None:
    policy = bandit(arms(a=9000))
    played(policy, World({"a": 1.0}), 100)
    assert policy.shares() == {"a": 1.0}


def test_the_window_follows_what_readings_cost() -> None:
    # 8 rows read cost a third of a step of 8 rows: at 1.5 percent one step in 22.2 windows' worth.
    assert window_for(8, 8) == 23
    assert window_for(2, 64) == 10
    assert window_for(8, 8, budget=1 / 30) == 10
