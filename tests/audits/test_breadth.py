"""Tests of the breadth of domains."""

import pytest

from twosignal.audits.breadth import breadth_findings, measure_breadth
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
