"""Tests of the breadth of domains."""

import math
import random

import pytest

from twosignal.audits.breadth import (
    breadth_findings,
    effective_number,
    expected_number,
    measure_breadth,
    panel_of,
)
from twosignal.audits.recorded import Sample


def drawn(*domains: str) -> list[Sample]:
    return [Sample(step=number, text="t", domain=domain) for number, domain in enumerate(domains)]


def test_six_equal_domains_count_as_six() -> None:
    breadth = measure_breadth(drawn(*"abcdef"))
    assert breadth.effective == pytest.approx(6.0)
    assert breadth.longest_run == 1
    assert not breadth.is_stuck


def test_unequal_domains_count_as_fewer() -> None:
    # Shares 3/4 and 1/4: exp(0.5623) = 1.755.
    assert measure_breadth(drawn("a", "a", "a", "b")).effective == pytest.approx(1.755, abs=0.001)


def test_one_domain_seven_times_running_is_stuck() -> None:
    assert not measure_breadth(drawn(*"baaaaaab")).is_stuck
    breadth = measure_breadth(drawn(*"baaaaaaab"))
    assert breadth.is_stuck
    assert (breadth.longest_domain, breadth.longest_run) == ("a", 7)
    (finding,) = breadth_findings(breadth, step=900)
    assert (finding.id, finding.severity, finding.steps) == ("stuck-domain", "alarm", (900,))
    assert "7 samples running came from a alone" in finding.message


def test_a_run_with_a_single_domain_is_not_stuck_in_it() -> None:
    breadth = measure_breadth(drawn(*"aaaaaaaaa"), is_alone=True)
    assert not breadth.is_stuck
    assert breadth_findings(breadth, step=9) == ()


def test_unknown_domains_are_left_out() -> None:
    breadth = measure_breadth(drawn("", ""))
    assert (breadth.effective, breadth.longest_run, dict(breadth.counts)) == (0.0, 0, {})


def asked(*prompts: str, step: int = 100) -> list[Sample]:
    """Return one sampling; the domain of a prompt is its first letter, its source the capital."""
    return [Sample(step=step, text="t", prompt=p, domain=p[:1], source=p[:1].upper()) for p in prompts]


def test_two_draws_from_two_equal_shares_give_the_square_root_of_two() -> None:
    # Half of all pairs are of one kind (entropy 0), half of two (ln 2): exp(ln 2 / 2).
    assert expected_number({"a": 0.5, "b": 0.5}, 2) == pytest.approx(2**0.5)


def test_three_draws_from_unequal_shares_by_hand() -> None:
    # (3/4, 1/4): 2:1 with chance 27/64, 1:2 with 9/64; either has entropy ln 3 - 2/3 ln 2 = 0.63651.
    assert expected_number({"a": 3.0, "b": 1.0}, 3) == pytest.approx(math.exp(36 / 64 * 0.636514), rel=1e-6)


def test_the_expected_number_agrees_with_draws() -> None:
    shares = {"a": 0.6, "b": 0.25, "c": 0.1, "d": 0.05}
    draw = random.Random(5)
    numbers = []
    for _ in range(4_000):
        found = draw.choices(list(shares), list(shares.values()), k=12)
        numbers.append(math.log(effective_number({name: found.count(name) for name in shares})))
    assert expected_number(shares, 12) == pytest.approx(math.exp(sum(numbers) / len(numbers)), rel=0.01)


def test_many_draws_come_near_the_shares_themselves_and_one_draw_is_one() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert expected_number(shares, 20_000) == pytest.approx(effective_number(shares), rel=1e-3)
    assert expected_number(shares, 1) == pytest.approx(1.0)
    assert expected_number({"a": 1.0}, 9) == pytest.approx(1.0)
    assert (expected_number({}, 9), expected_number({"a": 0.0}, 9), expected_number(shares, 0)) == (0, 0, 0)


def test_a_panel_is_measured_by_its_own_composition() -> None:
    samplings = [one for step in (1, 2, 3) for one in asked("a1", "a2", "b1", step=step)]
    panel = panel_of(samplings)
    assert [sample.prompt for sample in panel] == ["a1", "a2", "b1"]
    breadth = measure_breadth(samplings, panel=panel, shares={"A": 0.1, "B": 0.9})
    # Shares 2/3 and 1/3 of the panel, whatever the mix is.
    assert breadth.expected == pytest.approx(math.exp(-(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))))
    assert breadth.effective == pytest.approx(breadth.expected)
    assert (breadth.basis, breadth.sources.basis) == ("panel", "panel")
    assert breadth_findings(breadth, step=3) == ()


def test_a_fixed_panel_of_one_domain_is_not_stuck_in_it() -> None:
    samplings = [one for step in range(9) for one in asked("a1", "a2", step=step)]
    assert not measure_breadth(samplings, panel=panel_of(samplings)).is_stuck
    assert measure_breadth(samplings).is_stuck


def test_prompts_that_change_or_are_empty_are_no_panel() -> None:
    assert panel_of([*asked("a1"), *asked("b1", step=200)]) == []
    assert panel_of([*asked("", step=1), *asked("", step=2)]) == []
    assert panel_of(asked("a1")) == []
    assert panel_of([]) == []


def test_drawn_prompts_are_measured_by_the_mix() -> None:
    samples = [one for step in range(10) for one in asked(f"{'ab'[step == 3]}{step}", step=step)]
    shares = {"A": 0.25, "B": 0.25, "C": 0.25, "D": 0.25}
    breadth = measure_breadth(samples, shares=shares)
    assert (breadth.expected, breadth.basis) == (None, "")  # domains are finer than sources
    assert breadth.sources.basis == "mix"
    assert breadth.sources.expected == pytest.approx(expected_number(shares, 10))
    (finding,) = breadth_findings(breadth, step=9)
    assert finding.id == "narrow-samples"
    assert "10 samples come from 1.4 sources in effect" in finding.message
    even = measure_breadth(samples, shares={"A": 0.9, "B": 0.1})
    assert breadth_findings(even, step=9) == ()
