"""Tests of training rows beside the mix, on step columns made by hand."""

import numpy as np
import pytest

from twosignal.audits.breadth import effective_number
from twosignal.audits.draws import Draws, draw_findings, draws_of, shares_at, whole_rows
from twosignal.records.columns import Rows


def steps_of(*dealt: tuple[int, ...], unit: str = "tokens", names: str = "ab", first: int = 1) -> Rows:
    """Return steps of which each deals so many rows to every source, ten tokens a row."""
    columns = [(f"{column}[{name}]", "<i8") for name in names for column in ("loss_sum", unit)]
    rows = np.zeros(len(dealt), dtype=[("step", "<i8"), ("rows", "<i8"), *columns])
    for number, given in enumerate(dealt):
        rows[number]["step"], rows[number]["rows"] = first + number, sum(given)
        for name, count in zip(names, given, strict=True):
            rows[number][f"{unit}[{name}]"] = count * (10 if unit == "tokens" else 1)
    return rows


def known(draws: Draws | None) -> Draws:
    assert draws is not None
    return draws


def test_drawn_and_due_by_hand() -> None:
    draws = known(draws_of(steps_of((3, 1), (2, 2)), {"a": 0.75, "b": 0.25}))
    assert (draws.unit, draws.drawn) == ("tokens", {"a": 50, "b": 30})
    assert draws.due == {"a": 6.0, "b": 2.0}
    assert draws.effective == pytest.approx(effective_number({"a": 5, "b": 3}))
    assert draws.expected == pytest.approx(1.755, abs=0.001)  # of 3/4 and 1/4
    assert (draws.alone, draws.alone_steps, draws.missed_rows) == ("", 0, 0.0)


def test_rows_by_source_are_taken_where_the_record_has_them() -> None:
    draws = known(draws_of(steps_of((3, 1), unit="rows"), {"a": 0.75, "b": 0.25}))
    assert (draws.unit, draws.drawn) == ("rows", {"a": 3, "b": 1})


def test_few_rows_cannot_come_from_many_sources() -> None:
    # Three rows by shares 0.5, 0.3, 0.2: 1.5, 0.9, 0.6 rows due, of which one each is the nearest.
    assert whole_rows({"a": 1.5, "b": 0.9, "c": 0.6}) == {"a": 1, "b": 1, "c": 1}
    assert whole_rows({"a": 1.2, "b": 0.5, "c": 0.3}) == {"a": 1, "b": 1, "c": 0}
    assert whole_rows({"a": 7.0, "b": 1.0}) == {"a": 7, "b": 1}
    draws = known(draws_of(steps_of((1, 0, 0), names="abc"), {"a": 0.4, "b": 0.3, "c": 0.3}))
    assert (draws.effective, draws.expected) == (1.0, 1.0)


def test_shares_are_in_force_from_the_step_after_their_switch() -> None:
    switches = [(2, {"a": 0.0, "b": 1.0}), (3, {"a": 1.0, "b": 1.0})]
    assert shares_at(2, {"a": 1.0}, switches) == {"a": 1.0}
    assert shares_at(3, {"a": 1.0}, switches) == {"a": 0.0, "b": 1.0}
    draws = known(draws_of(steps_of((4, 0), (4, 0), (0, 4), (2, 2)), {"a": 1.0, "b": 0.0}, switches=switches))
    assert draws.due == {"a": 4.0 + 4.0 + 0.0 + 2.0, "b": 4.0 + 2.0}
    later = known(draws_of(steps_of((0, 4), first=3), {"a": 1.0, "b": 0.0}, switches=switches))
    assert later.due == {"a": 0.0, "b": 4.0}


def test_seven_steps_of_one_source_against_the_mix_are_an_alarm() -> None:
    shares = {"a": 0.5, "b": 0.5}
    stuck = draws_of(steps_of((2, 2), *[(4, 0)] * 7, (2, 2)), shares)
    (finding,) = draw_findings(stuck, step=9)
    assert (finding.id, finding.severity) == ("stuck-source", "alarm")
    assert (
        "all rows of 7 steps running came from a, and the mix promised 14 rows of others" in finding.message
    )
    assert draw_findings(draws_of(steps_of((2, 2), *[(4, 0)] * 6, (2, 2)), shares), step=9) == ()


def test_a_source_alone_by_design_is_not_stuck() -> None:
    assert draw_findings(draws_of(steps_of(*[(4, 0)] * 50), {"a": 1.0, "b": 0.0}), step=50) == ()
    rare = draws_of(steps_of(*[(4, 0)] * 8, (3, 1)), {"a": 0.97, "b": 0.03})
    assert draw_findings(rare, step=9) == ()


def test_a_source_that_never_came_is_named() -> None:
    draws = draws_of(steps_of(*[(2, 2, 0)] * 10, names="abc"), {"a": 0.4, "b": 0.4, "c": 0.2})
    (finding,) = draw_findings(draws, step=10)
    assert (finding.id, finding.severity) == ("starved-source", "warning")
    assert finding.message == "c gave no row of this window, and the mix promised 8"


def test_without_sources_shares_or_steps_nothing_is_said() -> None:
    rows = steps_of((1, 1))
    assert draws_of(rows, {}) is None
    assert draws_of(rows[:0], {"a": 1.0}) is None
    assert draws_of(np.zeros(3, dtype=[("step", "<i8"), ("rows", "<i8")]), {"a": 1.0}) is None
    assert draw_findings(None, step=1) == ()
