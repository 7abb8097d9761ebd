"""Tests of the rule on held-out loss: rising, stuck, collapsed, and healthy runs that must pass."""

import math

import pytest

from twosignal.audits.probes import Bars, ProbeHistory, soup_sentence

BARS = Bars(patience=5, random_chance=9.04, unigram_loss=6.5)


def fired_at(losses: list[float], *, every: int = 100, bars: Bars = BARS) -> int | None:
    """Return the number of the probe, from 1, at which the rule fires first."""
    history = ProbeHistory()
    for number, loss in enumerate(losses, start=1):
        history = history.after(number * every, loss, bars=bars)
        if soup_sentence(history, bars) is not None:
            return number
    return None


def test_a_healthy_run_never_fires() -> None:
    assert fired_at([9.0, 7.9, 7.0, 6.6, 6.3, 5.8, 5.4, 5.0, 4.8] + [4.7] * 30) is None


def test_a_healthy_run_probed_at_every_step_never_fires() -> None:
    warmup = [9.04 - 0.001 * step for step in range(40)]
    falling = [9.0 - 0.05 * step for step in range(50)]
    plateau = [6.5] * 40
    assert fired_at(warmup + falling + plateau + [6.3, 6.1, 5.9] + [5.5] * 50, every=1) is None


def test_a_loss_that_stays_at_the_unigram_baseline_fires_after_grace_and_patience() -> None:
    assert fired_at([8.0, 7.0, 6.5] + [6.45] * 20) == 10


def test_a_flat_distribution_fires_too() -> None:
    assert fired_at([9.04] * 20) == 10


def test_without_a_unigram_baseline_random_chance_is_the_bar() -> None:
    bars = Bars(patience=5, random_chance=9.04)
    assert fired_at([9.0] * 20, bars=bars) == 10
    assert fired_at([8.5] * 20, bars=bars) is None


def test_without_any_bar_only_collapse_and_non_finite_losses_fire() -> None:
    bars = Bars(patience=5)
    assert fired_at([9.0] * 20, bars=bars) is None
    assert fired_at([3.0] + [9.0] * 20, bars=bars) == 6
    assert fired_at([3.0, math.nan, math.nan], bars=bars) == 3


def test_slow_progress_above_the_baseline_is_not_stuck() -> None:
    assert fired_at([9.0 - 0.03 * number for number in range(80)]) is None


def test_collapse_after_health_fires_after_patience_probes() -> None:
    # 4.0 at best: the bar is 6.0.
    assert fired_at([7.0, 5.0, 4.0, 6.1, 6.1, 6.1, 6.1, 6.1]) == 8
    assert fired_at([7.0, 5.0, 4.0, 5.9, 5.9, 5.9, 5.9, 5.9, 5.9]) is None


def test_a_low_best_loss_needs_a_whole_nat_to_collapse() -> None:
    # 0.8 at best: 1.5 times is 1.2, a nat above is 1.8.
    assert fired_at([2.0, 0.8] + [1.7] * 10) is None
    assert fired_at([2.0, 0.8] + [1.9] * 10) == 7


def test_a_short_spike_is_no_collapse() -> None:
    assert fired_at([7.0, 4.0, 8.0, 8.0, 8.0, 8.0, 4.1] * 3) is None


def test_dense_probes_need_a_hundred_steps_to_collapse() -> None:
    # Probes 12 to 22 are 100 steps.
    assert fired_at([7.0] + [4.0] * 10 + [8.0] * 30, every=10) == 22


def test_rising_above_random_chance_fires_at_the_second_probe_even_in_grace() -> None:
    assert fired_at([10.1, 10.2]) == 2
    assert fired_at([10.2, 10.1, 9.0]) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_two_losses_that_are_not_finite_fire(loss: float) -> None:
    assert fired_at([5.0, loss, 4.9]) is None
    assert fired_at([5.0, loss, loss]) == 3


def test_the_sentences_name_their_figures() -> None:
    history = ProbeHistory()
    for number, loss in enumerate([5.0, 3.25] + [8.5] * 5, start=1):
        history = history.after(number * 100, loss, bars=BARS)
    sentence = soup_sentence(history, BARS)
    assert sentence is not None
    assert "8.50" in sentence
    assert "3.25 at step 200" in sentence
    assert "since step 300" in sentence


def test_the_stuck_sentence_names_the_baseline() -> None:
    history = ProbeHistory()
    for number in range(1, 11):
        history = history.after(number * 100, 6.45, bars=BARS)
    sentence = soup_sentence(history, BARS)
    assert sentence is not None
    assert "6.45" in sentence
    assert "by their frequency (6.50)" in sentence
