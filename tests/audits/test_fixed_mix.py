"""Tests of the loss at a fixed mix, by hand."""

import math

import numpy as np
import pytest

from twosignal.audits.diagnosis import diagnose
from twosignal.audits.fixed_mix import fixed_mix_losses
from twosignal.records.columns import Rows


def steps_of(*told: tuple[tuple[float, int], ...]) -> Rows:
    """Return steps of (nats per target, targets) by source."""
    columns = [(f"{column}[{name}]", "<f8") for name in "ab" for column in ("loss_sum", "targets")]
    rows = np.zeros(len(told), dtype=[("loss_sum", "<f8"), ("targets", "<f8"), *columns])
    for row, given in zip(rows, told, strict=True):
        for name, (loss, targets) in zip("ab", given, strict=False):
            row[f"targets[{name}]"], row[f"loss_sum[{name}]"] = targets, loss * targets
        row["targets"] = sum(targets for _, targets in given)
        row["loss_sum"] = sum(loss * targets for loss, targets in given)
    return rows


def test_a_change_of_the_mix_alone_does_not_move_the_loss() -> None:
    rows = steps_of(((1.0, 4), (4.0, 0)), ((1.0, 2), (4.0, 2)), ((1.0, 0), (4.0, 4)))
    # Six of twelve targets are of either source: (1 + 4) / 2.
    assert fixed_mix_losses(rows).tolist() == [2.5, 2.5, 2.5]


def test_learning_moves_it_by_the_source_that_learned() -> None:
    rows = steps_of(((2.0, 3), (4.0, 1)), ((1.0, 3), (4.0, 1)), ((1.0, 3), (3.0, 1)))
    assert fixed_mix_losses(rows) == pytest.approx([2.5, 1.75, 1.5])


def test_a_single_source_keeps_its_loss_and_gaps_stay_gaps() -> None:
    assert fixed_mix_losses(steps_of(((2.0, 3),), ((1.0, 3),))).tolist() == [2.0, 1.0]
    broken = fixed_mix_losses(steps_of(((2.0, 3), (1.0, 1)), ((math.nan, 3), (1.0, 1)), ((0.0, 0), (0.0, 0))))
    assert np.isnan(broken).tolist() == [False, True, True]


def test_a_turn_to_a_harder_source_is_no_divergence() -> None:
    """A source of 1 nat, then one of 4, both as flat as can be."""
    rows = steps_of(*[((1.0, 9), (4.0, 1))] * 300, *[((1.0, 1), (4.0, 9))] * 300)
    steps = np.arange(1, 601)
    plain = [one.id for one in diagnose(steps, rows["loss_sum"] / rows["targets"])]
    assert "divergence" in plain
    assert "divergence" not in [one.id for one in diagnose(steps, fixed_mix_losses(rows))]
