"""What the loss alone says: each diagnosis tripped by a curve made for it, and silence on curves that learn."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audits.stories import samples_of
from twosignal.audits.diagnosis import diagnose, find_spikes, levels_of
from twosignal.audits.finding import Finding
from twosignal.audits.recorded import Probe

Floats = NDArray[np.float64]
ENDS = [2_500, 5_000, 10_000, 20_000, 25_000, 30_000, 35_000, 40_000, 43_600]
BANDS = [4.50, 3.88, 3.30, 2.80, 2.40, 2.50, 2.35, 2.10, 2.00]
"""The 12M model: mean loss of the band that ends at each step."""


def learning(steps: int, *, power: float = 0.3, floor: float = 1.7) -> tuple[NDArray[np.int64], Floats]:
    at = np.arange(1, steps + 1, dtype=np.int64)
    return at, floor + 7 * at.astype(np.float64) ** -power


def noise(size: int, *, nats: float = 0.05, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, nats, size)


def of(found: tuple[Finding, ...], identity: str) -> list[Finding]:
    return [finding for finding in found if finding.id == identity]


@pytest.mark.parametrize("power", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("nats", [0.05, 0.3])
@pytest.mark.parametrize("steps", [300, 3_000, 30_000])
def test_a_curve_that_learns_is_left_alone(steps: int, power: float, nats: float) -> None:
    at, losses = learning(steps, power=power)
    assert diagnose(at, losses + noise(steps, nats=nats, seed=1), random_chance=9.0) == ()


@pytest.mark.parametrize("at", [ENDS, [1, *ENDS[:-1]]], ids=["ends", "starts"])
def test_the_plateau_of_the_small_model_shows_in_its_bands(at: list[int]) -> None:
    (plateau,) = diagnose(at, BANDS, random_chance=math.log(2305))
    assert plateau.id == "plateau"
    assert plateau.severity == "note"
    assert plateau.steps[0] <= 25_000 <= plateau.steps[1]


def test_the_plateau_of_the_small_model_shows_in_its_curve() -> None:
    samples = samples_of("twelve_million")
    found = diagnose([one["step"] for one in samples], [one["loss"] for one in samples])
    (plateau,) = found
    assert plateau.id == "plateau"
    assert plateau.steps[0] <= 20_500
    assert plateau.steps[1] >= 25_000


def test_the_second_story_diverges_before_132_thousand() -> None:
    samples = samples_of("second_story")
    found = diagnose([one["step"] for one in samples], [one["loss"] for one in samples])
    (rise,) = of(found, "divergence")
    assert rise.severity == "alarm"
    assert 110_000 < rise.steps[0] < 132_000
    assert rise.evidence["lowest"] == pytest.approx(3.43, abs=0.02)


def test_a_rise_that_came_back_is_a_note() -> None:
    at, losses = learning(20_000)
    losses[8_000:10_000] += 0.5
    (rise,) = of(diagnose(at, losses + noise(20_000)), "divergence")
    assert rise.severity == "note"
    assert rise.steps[0] == pytest.approx(8_000, rel=0.06)


def test_spikes_are_single_steps_and_are_counted() -> None:
    at, losses = learning(3_000)
    losses += noise(3_000)
    losses[[1_000, 1_700, 2_400]] += 3.0
    found = diagnose(at, losses)
    assert [finding.id for finding in found] == ["loss-spike"]
    assert found[0].steps == (1_001, 1_701, 2_401)
    assert found[0].evidence["spikes"] == 3


def test_a_step_up_is_no_spike() -> None:
    losses = 2.0 + noise(1_024)
    losses[512:] += 2.0
    assert not find_spikes(losses).any()


def test_a_loss_above_chance_is_an_alarm() -> None:
    at = np.arange(1, 501)
    (above,) = of(diagnose(at, 7.0 + noise(500), random_chance=5.7), "above-chance")
    assert above.severity == "alarm"
    assert "guessing at random gives 5.70" in above.message
    assert diagnose(at, 5.75 + noise(500), random_chance=5.7) == ()


def probe(step: int, loss: float) -> Probe:
    return Probe(step=step, loss=loss, by_source={})


def test_error_that_falls_faster_than_it_should_is_told_from_learning_by_the_held_out_loss() -> None:
    at, losses = learning(3_000)
    losses += noise(3_000)
    losses[2_000:] *= 0.5
    (drop,) = of(diagnose(at, losses), "memorization-drop")
    assert drop.steps[0] <= 2_001 <= drop.steps[1]
    unshared = [probe(step, 2.5) for step in range(100, 3_001, 100)]
    (drop,) = of(diagnose(at, losses, probes=unshared), "memorization-drop")
    assert "the held-out loss did not follow" in drop.message
    shared = [probe(step, 2.5 if step <= 2_000 else 1.3) for step in range(100, 3_001, 100)]
    assert not of(diagnose(at, losses, probes=shared), "memorization-drop")


def test_the_middle_of_a_level_is_its_mean() -> None:
    """From 20 steps on, stretches hold more than one: ln(22)/ln(1.05) and ln(23)/ln(1.05) are 63.4 and 64.3."""
    levels = levels_of(np.array([100, 101, 102, 200]), np.array([1.0, 2.0, 6.0, 5.0]))
    assert [(one.first, one.last, one.loss) for one in levels] == [(100, 102, 3.0), (200, 200, 5.0)]


def test_what_is_not_finite_is_left_out() -> None:
    at, losses = learning(3_000)
    losses += noise(3_000)
    losses[[5, 500, 2_999]] = [math.nan, math.inf, -math.inf]
    assert diagnose(at, losses) == ()
    assert diagnose([1, 2, 3], [math.nan] * 3) == ()
    assert diagnose([], []) == ()
    assert diagnose([0], [9.0]) == ()


def test_nothing_is_said_of_thirty_steps_however_they_go() -> None:
    losses = [5.0] * 30
    assert diagnose(range(1, 31), losses, random_chance=0.1) == ()
    assert [one.id for one in diagnose(range(10, 310, 10), losses, random_chance=0.1)] == ["above-chance"]
