"""The sequential tests: their sums by hand, their waits by formula and by simulation, and what resets them."""

import math
import random
from dataclasses import asdict

import pytest

from twosignal.audits.sequential import Cusum, KOfN, Test, mean_wait


def fed(test: Test, strikes: str) -> Test:
    """Feed X for a strike, . for a sound sample, ? for one that nothing can be said about."""
    for sign in strikes:
        test = test.after({"X": True, ".": False, "?": None}[sign])
    return test


def test_the_evidence_is_a_sum_of_logarithms_worked_out_by_hand() -> None:
    """ln(.3/.05) = ln 6 = 1.7918 and ln(.7/.95) = -0.3054."""
    test = fed(Cusum(), "X")
    assert isinstance(test, Cusum)
    assert test.evidence == pytest.approx(1.791759)
    test = fed(Cusum(), "XX.")
    assert isinstance(test, Cusum)
    assert test.evidence == pytest.approx(2 * 1.791759 - 0.305382, abs=1e-5)


def test_the_evidence_never_falls_below_zero() -> None:
    assert fed(Cusum(), "X.........") == Cusum()
    assert fed(Cusum(), "....") == Cusum()


@pytest.mark.parametrize(
    ("strikes", "fires"), [("XXXX", False), ("XXXXX", True), ("XX.X.XX", True), ("X.X.X.X", False)]
)
def test_when_the_sum_fires(strikes: str, *, fires: bool) -> None:
    """4 ln 6 = 7.17 is below 8; 5 ln 6 - 2 * 0.305 = 8.35 is above; 4 ln 6 - 3 * 0.305 = 6.25 is below."""
    assert fed(Cusum(), strikes).fires is fires


def test_swapped_shares_wait_for_good_news() -> None:
    """ln(.95/.7) = 0.3054, so that 20 sound samples are 6.11 nats and 19 are 5.80."""
    waiting = Cusum(p0=0.3, p1=0.05, bar=6.0)
    assert not fed(waiting, "." * 19).fires
    assert fed(waiting, "." * 20).fires
    assert not fed(waiting, "." * 15 + "X" + "." * 10).fires
    assert fed(waiting, "." * 15 + "X" + "." * 11).fires


def test_k_of_the_last_n() -> None:
    assert not fed(KOfN(k=3, n=5), "XX...X").fires
    assert fed(KOfN(k=3, n=5), "X.X.X").fires
    assert not fed(KOfN(k=3, n=5), "X.X..X").fires


def test_five_of_five_is_five_in_a_row() -> None:
    assert not fed(KOfN(), "XXXX.XXXX").fires
    assert fed(KOfN(), "XXXX.XXXXX").fires


@pytest.mark.parametrize("test", [KOfN(), Cusum()])
def test_nothing_to_say_changes_nothing(test: Test) -> None:
    assert fed(test, "XX?X??XX") == fed(test, "XXXXX")
    assert fed(test, "XXXXX").fires


def test_the_wait_for_a_row_by_hand() -> None:
    """Two heads of a fair coin take 6 throws on average; the classic rule at 30 % takes 586 samples."""
    assert mean_wait(2, 0.5) == 6
    assert mean_wait(5, 0.3) == pytest.approx(586.5, abs=0.1)
    assert mean_wait(5, 1.0) == 5
    assert mean_wait(5, 0.0) == math.inf


def test_a_third_of_degenerate_samples_is_found_within_32_on_average() -> None:
    draw = random.Random(0)
    waits = []
    for _ in range(600):
        test, waited = Cusum(), 0
        while not test.fires:
            test, waited = test.after(draw.random() < 0.3), waited + 1
        waits.append(waited)
    assert sum(waits) / len(waits) < 27


def test_states_are_plain_data() -> None:
    test = fed(Cusum(), "XX.")
    assert Cusum(**asdict(test)) == test


@pytest.mark.parametrize("figures", [{"p0": 0.0}, {"p1": 1.0}, {"p0": 0.3}, {"bar": 0.0}, {"p0": math.nan}])
def test_a_sum_without_sense_is_refused(figures: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="two different shares"):
        Cusum(**figures)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (6, 5)])
def test_a_count_without_sense_is_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="from 1 to as many as there are"):
        KOfN(k=k, n=n)
