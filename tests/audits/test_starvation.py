"""Why a run stands still, on curves made by hand."""

import math

import pytest

from twosignal.audits.starvation import plateau_finding

SHARES = {"chat": 0.5, "books": 0.5, "noise": 0.0}


def curve(*, until: int, flat_from: int) -> list[tuple[int, float]]:
    """A probe every 100 steps that falls by 0.5 nats per e-fold of steps, and stops."""
    return [
        (step, 8 - 0.5 * math.log(min(step, flat_from))) for step in range(0, until + 1, 100) if step
    ] + []


def test_a_flat_loss_on_worn_data_is_starvation_and_names_the_most_worn_source() -> None:
    epochs = {"chat": 9.0, "books": 3.0, "noise": 99.0}
    finding = plateau_finding(curve(until=4000, flat_from=2000), epochs=epochs, shares=SHARES)
    assert finding is not None
    assert (finding.id, finding.severity) == ("data-starvation", "warning")
    assert "stands still since step 2,000" in finding.message
    assert (
        "6.0 times on the average (chat 9.0 times, books 3.0 times): the data is used up" in finding.message
    )
    assert finding.remedy.startswith("Add data to chat")
    assert finding.steps == (2000, 4000)


def test_a_flat_loss_on_fresh_data_is_no_want_of_data() -> None:
    finding = plateau_finding(
        curve(until=4000, flat_from=2000), epochs={"chat": 0.5, "books": 1.5}, shares=SHARES
    )
    assert finding is not None
    assert finding.id == "plateau"
    assert "1.0 times on the average: it is not for want of data" in finding.message


@pytest.mark.parametrize("epochs", [0.1, 50.0])
def test_a_loss_that_falls_says_nothing_however_worn_the_data(epochs: float) -> None:
    worn = dict.fromkeys(SHARES, epochs)
    assert plateau_finding(curve(until=4000, flat_from=4000), epochs=worn, shares=SHARES) is None


def test_a_plateau_that_is_over_says_nothing() -> None:
    probes = curve(until=4000, flat_from=2000)
    probes += [(step, 8 - 0.5 * math.log(2000) - 0.002 * (step - 4000)) for step in range(4100, 6000, 100)]
    assert plateau_finding(probes, epochs=dict.fromkeys(SHARES, 9.0), shares=SHARES) is None


def test_few_or_broken_probes_say_nothing() -> None:
    assert plateau_finding([], epochs={}, shares=SHARES) is None
    assert plateau_finding([(0, 8.0), (100, math.nan)], epochs={}, shares=SHARES) is None
