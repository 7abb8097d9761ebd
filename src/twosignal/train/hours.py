"""How many steps fit into the hours given: takes a setup, rehearses a few steps, a probe and a sampling, and changes nothing."""

import time
from collections.abc import Callable

import torch

from twosignal.curriculum.bandit import Bandit
from twosignal.train.held_out import held_out, policy_losses
from twosignal.train.samples import Sampler
from twosignal.train.setup import Setup
from twosignal.train.step import take_step

WARM_STEPS = 3
TIMED_STEPS = 5
RESERVE = 1.05
"""A long run is a little slower than its first steps, and checkpoints take time too."""


def settle_hours(setup: Setup, sampler: Sampler, *, say: Callable[[str], None]) -> None:
    """Set `setup.steps` from run.hours, if given; weights, data cursors and random state stay as they were."""
    config = setup.config
    if config.run.hours is None:
        return
    random_state = torch.get_rng_state()
    cursors = {name: source.stream.cursor for name, source in setup.sources.items()}
    step = _step_seconds(setup)
    probe = _seconds(lambda: held_out(setup)) / config.probes.every
    if isinstance(setup.curriculum.policy, Bandit):
        probe += _seconds(lambda: policy_losses(setup)) / setup.curriculum.policy.plan.window
    sample = _seconds(lambda: sampler.draw(0)) / config.samples.every
    for name, source in setup.sources.items():
        source.stream.restore(cursors[name])
    torch.set_rng_state(random_state)
    each = (step + probe + sample) * RESERVE
    setup.plan(max(1, round(config.run.hours * 3600 / each)))
    say(
        f"{step:.3f} s a step, {probe + sample:.3f} s of probes and samples: "
        f"{setup.steps:,} steps fit into {config.run.hours * 60:g} minutes"
    )


def _step_seconds(setup: Setup) -> float:
    """Time whole steps at a learning rate of zero, which moves nothing."""
    mover = setup.mover()
    for number in range(WARM_STEPS):
        take_step(setup, mover, step=number + 1, factor=0.0)
    return (
        _seconds(lambda: [take_step(setup, mover, step=1, factor=0.0) for _ in range(TIMED_STEPS)])
        / TIMED_STEPS
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
