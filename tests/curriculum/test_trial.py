"""The opening trial: its verdict by hand, when there is one, and what ends it without."""

import json
import math

import pytest

from twosignal.curriculum.trial import Trial, trial_for


def read(trial: Trial, *losses: float) -> list[str]:
    """Take readings at the steps they are due; return whose mix was drawn by after each."""
    turns: list[str] = []
    for loss in losses:
        trial.read(trial.due, {"t": loss})
        turns.append(trial.turn)
    return turns


def falling(*gains: float) -> list[float]:
    """Return losses from 1 whose logarithm falls by these."""
    return [math.exp(-sum(gains[:count])) for count in range(len(gains) + 1)]


def test_the_windows_take_turns_so_that_an_even_slowing_falls_to_both_alike() -> None:
    trial = Trial({"t": 1.0}, 10)
    turns = read(trial, *falling(0.09, 0.07, 0.05))
    assert turns == ["prior", "rows", "prior", "rows"]
    assert trial.last_step == 80
    assert trial.gains() == {"prior": pytest.approx(0.07), "rows": pytest.approx(0.07)}


def test_where_neither_is_clearly_better_two_more_windows_follow_up_to_seven() -> None:
    trial = Trial({"t": 1.0}, 10)
    losses = falling(0.09, 0.07, 0.05, 0.05, 0.05, 0.05, 0.05)
    read(trial, *losses[:6])
    assert trial.is_open
    read(trial, *losses[6:])
    assert not trial.is_open
    assert trial.better() is None
    assert trial.told().endswith("the latter stays")
    # After five windows: (0.07 + 0.10) / 2 by rows, (0.09 + 0.05 + 0.05) / 3 by the prior.
    trial = Trial({"t": 1.0}, 10)
    read(trial, *falling(0.09, 0.07, 0.05, 0.10, 0.05))
    assert not trial.is_open
    assert trial.better() == "rows"
    assert trial.last_step == 100


@pytest.mark.parametrize(
    ("gains", "better"),
    [
        # 0.015 more is above a tenth of 0.125 and above the least that counts.
        ((0.06, 0.07, 0.05), "rows"),
        # 0.012 is not above a tenth of 0.122.
        ((0.06, 0.067, 0.05), None),
        # 0.03 more, but the two did 0.37.
        ((0.2, 0.2, 0.14), None),
        # Far more in proportion, and still no more than readings wander.
        ((0.0, 0.01, 0.0), None),
        # The prior's windows did harm.
        ((-0.3, 0.1, -0.2), "rows"),
        ((0.1, -0.2, 0.1), "prior"),
    ],
)
def test_the_verdict_by_hand(gains: tuple[float, ...], better: str | None) -> None:
    trial = Trial({"t": 1.0}, 10)
    read(trial, *falling(*gains))
    assert trial.better() == better
    assert trial.is_open is (better is None)


def test_targets_count_by_their_weight() -> None:
    trial = Trial({"a": 0.75, "b": 0.25}, 5)
    for one, other in zip(falling(0, 0.12, 0), falling(0.12, 0, 0.2), strict=True):
        trial.read(trial.due, {"a": one, "b": other, "unasked": 0.0})
    assert trial.gains() == {"prior": pytest.approx(0.04), "rows": pytest.approx(0.09)}


def test_a_reading_that_fails_ends_the_trial_without_a_verdict() -> None:
    for step, losses in ((25, {}), (25, {"t": math.nan}), (25, {"t": 0.0}), (26, {"t": 1.0})):
        trial = Trial({"t": 1.0}, 5)
        assert not trial.read(step, losses)
        assert not trial.is_open
        assert "without a verdict" in trial.told()
    trial = Trial({"t": 1.0}, 5)
    read(trial, *falling(0.09, 0.07, 0.05, 0.3))
    trial.read(trial.due, {})
    assert "without a verdict" in trial.told()
    trial = Trial({"t": 1.0}, 5)
    for step in range(1, 26):
        trial.pass_step(step)
    assert trial.is_open
    trial.pass_step(26)
    assert not trial.is_open


def test_it_begins_with_the_first_step_seen_unless_that_is_late() -> None:
    for begins, is_open in ((0, True), (80, True), (81, False)):
        trial = Trial({"t": 1.0}, 5)
        trial.pass_step(begins + 1)
        assert trial.is_open is is_open
        assert (trial.due, trial.last_step) == (begins + 25, begins)
        read(trial, *falling(0.1, 0.1, 0.1))
        assert trial.last_step == begins + 40


def test_the_verdict_is_told_with_its_figures() -> None:
    trial = Trial({"t": 1.0}, 10)
    assert trial.told() == "trial: the next 10 steps draw by the mix found before the run"
    read(trial, *falling(0.03, 0.1, 0.01))
    assert trial.told() == (
        "trial: 10 steps by rows took 10.0% off the targets' loss, as many by the mix found before the run 2.0%: "
        "the mix by rows takes over"
    )


def test_runs_too_short_for_a_trial_have_none() -> None:
    assert trial_for(500, 10) == 10
    # Half a window of 23 steps: no more readings than elsewhere.
    assert trial_for(500, 23) == 12
    assert trial_for(100_000, 10) == 2000
    # 8 windows of 5 steps are a quarter of 160.
    assert (trial_for(160, 10), trial_for(159, 10)) == (5, 0)
    assert (trial_for(1600, 100), trial_for(1599, 100)) == (50, 0)
    assert trial_for(0, 10) == 0
    assert not Trial({"t": 1.0}, 0).is_open


def test_it_survives_as_plain_values() -> None:
    trial, again = Trial({"t": 1.0}, 10), Trial({"t": 1.0}, 0)
    read(trial, 3.0, 2.5)
    again.restore(json.loads(json.dumps(trial.state())))
    assert again.state() == trial.state()
    assert (again.turn, again.due) == ("rows", 70)
    with pytest.raises(KeyError):
        again.restore(trial.state() | {"readings": [{"other": 1.0}]})
