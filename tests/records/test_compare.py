"""Tests of comparing: takes two runs, gives the first step and column that differ, or that none does."""

import math
from pathlib import Path

import pytest

from twosignal.records.columns import Column
from twosignal.records.compare import compare
from twosignal.records.events import Event
from twosignal.records.reader import Run
from twosignal.records.writer import BEGINNING, RunWriter

from .toy_trainer import NOW, train

SPEED = {"seconds": 0.1, "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 5}
COLUMNS = (
    Column(name="loss_sum"),
    Column(name="targets", dtype="<i8"),
    Column(name="bytes", dtype="<i8"),
)


def record(runs_dir: Path, losses: list[float], *, columns: tuple[Column, ...] = COLUMNS) -> RunWriter:
    writer = RunWriter.create(runs_dir, "toy", run_toml="", columns=columns, now=NOW)
    for step, loss in enumerate(losses, start=1):
        row = {column.name: 2 for column in columns}
        writer.step_row(step, {**row, "loss_sum": loss}, clock={**SPEED, "seconds": loss})
    return writer


def sample(step: int, text: str, **more: float) -> Event:
    body = {"prompt": "Say", "text": text, "source": "books", "loss": 1.0, **more}
    return Event(kind="sample", step=step, body=body)


def difference(a: RunWriter, b: RunWriter) -> object:
    result = compare(Run(path=a.path), Run(path=b.path))
    assert result.equal == (result.first_difference is None)
    return result.as_dict()["first_difference"]


def test_two_runs_of_one_seed_are_equal_and_of_two_are_not(tmp_path: Path) -> None:
    a, b = (Run(path=train(tmp_path / name)) for name in "ab")
    other = Run(path=train(tmp_path / "c", seed=2))
    assert compare(a, b).as_dict() == {"equal": True, "first_difference": None}
    found = compare(a, other).first_difference
    assert found is not None
    assert (found.step, found.column) == (1, "loss_sum")


def test_the_first_differing_number_is_named_with_both_values(tmp_path: Path) -> None:
    a, b = record(tmp_path, [8.0, 3.5, 2.8]), record(tmp_path, [8.0, 3.0, 2.0])
    assert difference(a, b) == {"step": 2, "column": "loss_sum", "a": 3.5, "b": 3.0}


def test_nan_equals_nan_and_the_last_bit_counts(tmp_path: Path) -> None:
    a, b = record(tmp_path, [math.nan, 0.0]), record(tmp_path, [math.nan, -0.0])
    assert difference(a, b) == {"step": 2, "column": "loss_sum", "a": 0.0, "b": -0.0}


def test_the_run_that_stopped_earlier_lacks_a_step(tmp_path: Path) -> None:
    a, b = record(tmp_path, [8.0, 3.5, 2.8]), record(tmp_path, [8.0, 3.5])
    assert difference(a, b) == {"step": 3, "column": "step", "a": 3, "b": None}
    assert difference(b, a) == {"step": 3, "column": "step", "a": None, "b": 3}


def test_runs_over_other_columns_are_named_as_such(tmp_path: Path) -> None:
    wider = (*COLUMNS, Column(name="gradient_norm"))
    a, b = record(tmp_path, [8.0]), record(tmp_path, [8.0], columns=wider)
    assert difference(a, b) == {"step": 0, "column": "columns", "a": [], "b": ["gradient_norm"]}


def test_columns_in_another_order_are_a_difference(tmp_path: Path) -> None:
    a, b = record(tmp_path, [8.0]), record(tmp_path, [8.0], columns=COLUMNS[::-1])
    found = compare(Run(path=a.path), Run(path=b.path)).first_difference
    assert found is not None
    assert found.column == "columns"
    assert found.a != found.b


def test_a_differing_event_is_named_by_kind_and_field(tmp_path: Path) -> None:
    a, b = record(tmp_path, [8.0, 3.5]), record(tmp_path, [8.0, 3.5])
    a.append(sample(1, "one"))
    b.append(sample(1, "uno"))
    assert difference(a, b) == {"step": 1, "column": "sample.text", "a": "one", "b": "uno"}


def test_numbers_come_before_events_of_later_steps(tmp_path: Path) -> None:
    a, b = record(tmp_path, [8.0, 3.5]), record(tmp_path, [8.0, 3.0])
    a.append(sample(2, "one"))
    b.append(sample(2, "uno"))
    assert difference(a, b) == {"step": 2, "column": "loss_sum", "a": 3.5, "b": 3.0}


def test_a_missing_event_and_a_missing_field_are_differences(tmp_path: Path) -> None:
    a, b = record(tmp_path, []), record(tmp_path, [])
    a.append(sample(1, "one", ppl=math.nan))
    assert difference(a, b) == {"step": 1, "column": "event", "a": "sample", "b": None}
    b.append(sample(1, "one"))
    found = compare(Run(path=a.path), Run(path=b.path)).first_difference
    assert found is not None
    assert found.column == "sample.ppl"
    assert found.b is None


@pytest.mark.parametrize("replay", [False, True])
def test_clocks_and_attempts_do_not_count(tmp_path: Path, *, replay: bool) -> None:
    a, b = record(tmp_path, [8.0]), record(tmp_path, [8.0])
    for writer, seconds in ((a, 1.0), (b, 2.0)):
        writer.append(Event(kind="sample", step=1, body=sample(1, "one").body, clock={"seconds": seconds}))
    b.rewind(BEGINNING, replay=replay)
    b.step_row(1, {"loss_sum": 8.0, "targets": 2, "bytes": 2}, clock=SPEED)
    b.append(sample(1, "one"))
    assert difference(a, b) is None
