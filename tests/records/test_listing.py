"""Tests of the list of runs: takes a folder of runs, gives one summary each, damaged ones included."""

import json
import shutil
import socket
import time
from pathlib import Path

import pytest

from twosignal.records import listing
from twosignal.records.catalogue import CATALOGUE
from twosignal.records.events import Event
from twosignal.records.folder import mark_kept
from twosignal.records.listing import RunSummary, list_runs, summary_of
from twosignal.records.reader import Run
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


def test_a_listing_reads_only_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = train(tmp_path)
    with create(tmp_path, "nan") as writer:
        row = dict.fromkeys([column.name for column in COLUMNS], 1)
        speed = {"seconds": 0.1, "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 5}
        writer.step_row(1, {**row, "loss_sum": float("nan")}, clock=speed)
    first = list_runs(tmp_path)
    read: list[str] = []

    def noted(run: Run) -> RunSummary:
        read.append(run.id)
        return summary_of(run)

    monkeypatch.setattr(listing, "summary_of", noted)
    assert repr(list_runs(tmp_path)) == repr(first)
    assert read == []
    with RunWriter.reopen(path) as writer:
        writer.append(Event(kind="verdict", step=10, body={"verdict": "pivot", "reason": "loops"}))
    found = {summary.id: summary for summary in list_runs(tmp_path)}
    assert read == [path.name]
    assert (found[path.name].verdict, found[path.name].reason) == ("pivot", "loops")


@pytest.mark.parametrize("content", ["", "[1]", '{"version":1,"runs":[]}', '{"version":9,"runs":{"a":{}}}'])
def test_a_catalogue_that_cannot_be_read_is_made_anew(tmp_path: Path, content: str) -> None:
    path = train(tmp_path)
    (tmp_path / CATALOGUE).write_text(content)
    assert [summary.id for summary in list_runs(tmp_path)] == [path.name]
    assert path.name in (tmp_path / CATALOGUE).read_text()
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([CATALOGUE, path.name])


def test_a_folder_that_cannot_be_written_is_listed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    path = train(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert [summary.id for summary in list_runs(tmp_path)] == [path.name]


def test_death_and_marks_are_seen_though_no_record_changes(tmp_path: Path) -> None:
    with create(tmp_path, "new") as writer:
        writer.session(versions={})
        writer.heartbeat(state="running")
        (summary,) = list_runs(tmp_path)
        assert (summary.state, summary.kept) == ("running", False)
        mark_kept(writer.path, kept=True)
        (writer.path / "sessions.jsonl").write_text(
            json.dumps({"pid": 2**22 - 1, "host": socket.gethostname(), "time": 0.0}) + "\n"
        )
        (summary,) = list_runs(tmp_path)
        assert (summary.state, summary.kept) == ("stopped", True)
        mark_kept(writer.path, kept=False)
        mark_kept(writer.path, kept=False)
        assert not list_runs(tmp_path)[0].kept


@pytest.mark.slow
def test_two_thousand_runs_are_listed_within_a_second(tmp_path: Path) -> None:
    one = train(tmp_path / "seed")
    for number in range(2000):
        shutil.copytree(
            one, tmp_path / "runs" / f"toy-{number:04}", ignore=shutil.ignore_patterns("checkpoints")
        )
    list_runs(tmp_path / "runs")
    began = time.process_time()
    assert len(list_runs(tmp_path / "runs")) == 2000
    assert time.process_time() - began < 1.0
