"""Tests of old formats: takes a run as version 1 wrote it, kept as bytes beside this file, gives what it said."""

import math
import shutil
from pathlib import Path

import pytest

from twosignal.errors import RunError
from twosignal.records import columns, events
from twosignal.records.columns import read_header, read_rows
from twosignal.records.journal import Journal
from twosignal.records.reader import Run
from twosignal.records.steplog import live_rows
from twosignal.records.verify import verify
from twosignal.records.writer import RunWriter

FORMATS = {1: Path(__file__).parent / "format_1"}
"""A run folder of every version there ever was; these files are never changed."""


def test_every_version_that_is_read_has_a_stored_run() -> None:
    assert set(events.DECODERS) == set(columns.READERS) == set(FORMATS)
    assert max(FORMATS) == events.VERSION == columns.VERSION


@pytest.mark.parametrize("version", FORMATS)
def test_a_run_of_any_version_is_read(version: int) -> None:
    run = Run(path=FORMATS[version])
    assert Journal.read(run.path / "events.jsonl").version == version
    assert [event.kind for event in run.events()] == ["start", "sample", "verdict", "end"]
    assert run.samples()[0].body["text"] == "nan"
    evidence = run.verdicts()[0].body["evidence"]
    assert evidence == {"x": math.inf}
    losses = run.steps()["loss_sum"]
    assert [losses[0], losses[2], losses[3]] == [8.0, 4.0, 3.0]
    assert math.isnan(losses[1])
    assert run.steps(live=False)["loss_sum"][2] == 6.5
    assert run.clock()["seconds"].tolist() == [0.5] * 4
    assert (run.state, run.verify_chain(), run.attempts()[0].step) == ("finished", None, 3)
    assert [one.unit for one in read_header(run.path / "steps/learning.bin").columns][2:] == ["nats", "", ""]
    assert live_rows(read_rows(run.path / "steps/loop.bin"))["loss"].tolist() == [0.5, 2.0]
    assert verify(run).faults == []


def test_a_version_that_is_only_read_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shutil.copytree(FORMATS[1], tmp_path / "old")
    RunWriter.reopen(path).close()
    monkeypatch.setattr("twosignal.records.writer.VERSION", 2)
    with pytest.raises(RunError, match="version 1 of the format, which is read but no longer written"):
        RunWriter.reopen(path)


def test_an_unknown_version_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "steps.bin"
    path.write_bytes(b'{"twosignal":"columns","version":9,"columns":[]}\n')
    with pytest.raises(RunError, match=r"found version 9; expected version 1\). Read it with the version of"):
        read_header(path)
