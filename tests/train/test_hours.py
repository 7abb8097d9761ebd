"""Hours become steps by timing a rehearsal that leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.small import quiet, small_setup, weights_of
from twosignal.train import hours as hours_module
from twosignal.train.hours import TIMED_STEPS, WARM_STEPS, settle_hours
from twosignal.train.run import sampler_of
from twosignal.train.setup import Setup
from twosignal.train.step import take_step


def standing(setup: Setup) -> dict[str, Any]:
    """Everything a rehearsal could move."""
    return {
        "cursors": {name: dict(source.stream.cursor) for name, source in setup.sources.items()},
        "plans": {name: source.stream.plan.members.tolist() for name, source in setup.sources.items()},
        "mix": setup.curriculum.state(),
        "random": torch.get_rng_state().tolist(),
        "weights": {name: weight.tolist() for name, weight in weights_of(setup.learner.model).items()},
        "gradients": [p.grad is None for p in setup.learner.model.parameters()],
        "modes": [module.training for module in setup.learner.model.modules()],
    }


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_rehearsal_moves_nothing(optimizer: str, tmp_path: Path) -> None:
    """It draws sixteen rows, two of three from a source of fewer, so plan and mix must come back too."""
    sources = {
        "chat": {"path": "chat.jsonl", "weight": 2.0},
        "more": {"path": "chat.jsonl", "weight": 1.0, "supervise": "all"},
    }
    setup = small_setup(
        tmp_path,
        sources=sources,
        curriculum={"policy": "fixed"},
        run={"hours": 0.01},
        train={"optimizer": optimizer},
        samples={"tokens": 2},
    )
    assert setup.sources["chat"].ledger.rows < (WARM_STEPS + TIMED_STEPS) * 2 * 2 / 3
    before = standing(setup)
    settle_hours(setup, sampler_of(setup), say=quiet)
    assert standing(setup) == before


def test_a_rehearsed_run_trains_as_any_other(tmp_path: Path) -> None:
    weights = []
    for is_rehearsed in (True, False):
        setup = small_setup(tmp_path, run={"hours": 0.01}, samples={"tokens": 2})
        if is_rehearsed:
            settle_hours(setup, sampler_of(setup), say=quiet)
        mover = setup.mover()
        for step in (1, 2):
            take_step(setup, mover, step=step, factor=1.0)
        weights.append(weights_of(setup.learner.model))
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())


def test_steps_are_the_hours_over_a_steps_share_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step takes 0.5 s, a probe and a sampling 10 s each: with one in 20 and 40 steps, 0.5 + 0.5 + 0.25 s.

    An hour holds 3600 / (1.25 x 1.05) = 2742.86 of them.
    """
    setup = small_setup(tmp_path, run={"hours": 1.0}, probes={"every": 20}, samples={"every": 40})
    monkeypatch.setattr(hours_module, "_step_seconds", lambda _: 0.5)
    monkeypatch.setattr(hours_module, "_seconds", lambda _: 10.0)
    said: list[str] = []
    settle_hours(setup, sampler_of(setup), say=said.append)
    assert setup.steps == 2743
    assert said == ["0.500 s a step, 0.750 s of probes and samples: 2,743 steps fit into 60 minutes"]


def test_a_run_of_seconds_has_at_least_one_step(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"hours": 1e-9}, samples={"tokens": 2})
    settle_hours(setup, sampler_of(setup), say=quiet)
    assert setup.steps == 1


def test_steps_that_are_given_stay(tmp_path: Path) -> None:
    setup = small_setup(tmp_path, run={"steps": 17})
    said: list[str] = []
    settle_hours(setup, sampler_of(setup), say=said.append)
    assert (setup.steps, said) == (17, [])
