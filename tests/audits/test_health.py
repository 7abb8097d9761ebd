"""Tests of the alarms on the training loss."""

import math

import numpy as np
import pytest

from twosignal.audits.health import check_step, check_steps

CHANCE = math.log(8449)


def test_a_sound_step_has_no_finding() -> None:
    assert check_step(1, 9.0 * 512, targets=512, gradient_norm=2.5, random_chance=CHANCE) == ()


@pytest.mark.parametrize("loss_sum", [0.0, math.nan])
def test_no_targets_is_named_so_whatever_the_loss_says(loss_sum: float) -> None:
    (finding,) = check_step(7, loss_sum, targets=0, gradient_norm=math.nan)
    assert finding.id == "no-targets"
    assert "no targets at step 7: 0 tokens were supervised" in finding.message
    assert finding.steps == (7,)
    assert finding.severity == "alarm"


def test_a_loss_of_exactly_zero_is_wrong_targets() -> None:
    (finding,) = check_step(3, 0.0, targets=512)
    assert finding.id == "zero-loss"
    assert "exactly 0 at step 3 over 512 targets" in finding.message
    assert check_step(3, 1e-9, targets=512) == ()


@pytest.mark.parametrize("loss_sum", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_never_called_zero(loss_sum: float) -> None:
    (finding,) = check_step(9, loss_sum, targets=4, gradient_norm=1.0)
    assert finding.id == "non-finite"
    assert f"loss {loss_sum:g}, gradient norm 1" in finding.message


def test_a_gradient_norm_that_is_not_finite_is_an_alarm_of_its_own() -> None:
    (finding,) = check_step(9, 8.0, targets=4, gradient_norm=math.inf)
    assert finding.id == "non-finite"
    assert finding.message.startswith("the gradient norm")


def test_a_first_loss_of_48_is_worse_than_random() -> None:
    (finding,) = check_step(1, 48.0 * 100, targets=100, random_chance=CHANCE)
    assert finding.id == "worse-than-random"
    assert "48.00 at step 1, and guessing at random gives 9.04" in finding.message
    assert "tokenizer" in finding.remedy


def test_worse_than_random_needs_a_whole_nat_and_the_first_step() -> None:
    assert check_step(1, CHANCE + 0.9, targets=1, random_chance=CHANCE) == ()
    assert check_step(1, CHANCE + 1.1, targets=1, random_chance=CHANCE) != ()
    assert check_step(2, CHANCE + 1.1, targets=1, random_chance=CHANCE) == ()
    assert check_step(1, 48.0, targets=1) == ()


def test_the_lost_mask_story_gives_two_findings_over_its_columns() -> None:
    findings = check_steps(
        np.array([1, 2, 3, 4]),
        np.array([4800.0, 0.0, 0.0, 0.0]),
        targets=np.array([100, 0, 0, 0]),
        gradient_norms=np.array([50.0, 0.0, 0.0, 0.0]),
        random_chance=CHANCE,
    )
    assert [(finding.id, finding.steps) for finding in findings] == [
        ("worse-than-random", (1,)),
        ("no-targets", (2, 3, 4)),
    ]
    assert findings[1].message.endswith("and at 2 later steps")
    assert findings[1].evidence["num_steps"] == 3


def test_columns_of_a_sound_run_give_nothing() -> None:
    steps = np.arange(1, 1001)
    assert (
        check_steps(steps, np.full(1000, 20.0), targets=np.full(1000, 8), gradient_norms=np.full(1000, 0.5))
        == ()
    )


def test_a_finding_lists_at_most_twenty_steps() -> None:
    (finding,) = check_steps(
        np.arange(1, 101), np.full(100, math.nan), targets=np.full(100, 8), gradient_norms=None
    )
    assert len(finding.steps) == 20
    assert finding.evidence["num_steps"] == 100
