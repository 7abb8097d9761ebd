"""Tests of the list of runs: takes a folder of runs, gives one summary each, damaged ones included."""

from pathlib import Path

import pytest

from twosignal.records.events import Event
from twosignal.records.listing import list_runs
from twosignal.records.writer import RunWriter

from .toy_trainer import COLUMNS, NOW, train


def create(runs_dir: Path, name: str) -> RunWriter:
    return RunWriter.create(runs_dir, name, run_toml="", columns=COLUMNS, now=NOW)


def test_a_finished_run_is_summed_up(tmp_path: Path) -> None:
    path = train(tmp_path)
    with RunWriter.reopen(path) as writer:
        writer.append(Event(kind="probe", step=10, body={"loss": 3.5, "by_source": {}}))
        writer.append(Event(kind="verdict", step=10, body={"verdict": "pivot", "reason": "loops"}))
    (summary,) = list_runs(tmp_path)
    assert (summary.id, summary.state) == (path.name, "finished")
    assert (summary.steps, summary.planned_steps) == (10, 10)
    assert (summary.probe, summary.verdict) == (3.5, "pivot")
    assert summary.loss is not None
    assert 0 < summary.loss < 4
    assert summary.started is not None
    assert summary.started > 1.7e9


def test_an_empty_run_has_nothing_to_tell_yet(tmp_path: Path) -> None:
    create(tmp_path, "new").close()
    (summary,) = list_runs(tmp_path)
    assert (summary.state, summary.steps, summary.loss, summary.started) == ("stopped", 0, None, None)


def test_a_step_without_targets_has_no_loss(tmp_path: Path) -> None:
    row = dict.fromkeys([column.name for column in COLUMNS], 0)
    speed = {"seconds": 0.1, "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 5}
    with create(tmp_path, "new") as writer:
        writer.step_row(1, row, clock=speed)
    (summary,) = list_runs(tmp_path)
    assert (summary.steps, summary.loss) == (1, None)


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path) -> None:
    create(tmp_path, "whole").close()
    with create(tmp_path, "broken") as writer:
        (writer.path / "events.jsonl").write_text("hello\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / ".toy-20260102-030405-000000.partial").mkdir()
    assert [summary.state for summary in list_runs(tmp_path)] == ["damaged", "stopped"]


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_no_runs_are_an_empty_list(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    assert list_runs(tmp_path / name) == []
