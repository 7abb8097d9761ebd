"""Exposure in bits, worked out by hand, and the curve a run's audit shows."""

import math

import pytest

from twosignal.audits.copying.exposure import exposure, exposure_finding, read_finding


@pytest.mark.parametrize(
    ("loss", "bits"),
    [(0.5, 3.0), (1.0, 2.0), (1.5, 2.0), (3.5, 1.0), (6.9, 3 - math.log2(7)), (99.0, 0.0)],
)
def test_bits_by_rank_among_seven_others(loss: float, bits: float) -> None:
    """Of eight, rank 1 has 3 bits, rank 2 has 2, rank 4 has 1, rank 8 none; a tie with the best is rank 2."""
    others = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert exposure(loss, others) == pytest.approx(bits)


def test_a_loss_that_is_not_a_number_has_no_exposure() -> None:
    assert math.isnan(exposure(math.nan, [1.0]))


def test_the_curve_is_the_mean_by_repeat_count() -> None:
    others = [float(n) for n in range(1, 1024)]
    finding = exposure_finding({100: [0.5, 0.1], 1: [511.5, 1023.5]}, others, step=40)
    assert finding.evidence["bits"] == {"1": pytest.approx(0.5), "100": 10.0}  # ranks 512 and 1024 of 1024
    assert "0.5 at 1 time, at least 10.0 at 100 times" in finding.message
    assert (finding.steps, finding.severity) == ((40,), "note")
    assert read_finding(finding.as_dict()) == finding
