"""Tests of the run folder's making and small files: takes names, beats and sessions, gives them back."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twosignal.errors import RunError, StorageError
from twosignal.records.alive import is_alive
from twosignal.records.folder import (
    Heartbeat,
    append_session,
    read_heartbeat,
    read_sessions,
    write_heartbeat,
)
from twosignal.records.writer import RunWriter

from .toy_trainer import COLUMNS, NOW


def create(runs_dir: Path, name: str = "toy") -> RunWriter:
    return RunWriter.create(runs_dir, name, run_toml="[run]\n", columns=COLUMNS, now=NOW)


def beat(*, age: float = 0.0) -> Heartbeat:
    return Heartbeat(run="r", step=1, state="running", time=time.time() - age, gate_step=None)


def test_a_new_run_is_named_after_itself_and_the_time(tmp_path: Path) -> None:
    with create(tmp_path / "runs") as writer:
        assert re.fullmatch(r"toy-20260102-030405-[0-9a-f]{6}", writer.path.name)
        found = {str(p.relative_to(writer.path)) for p in writer.path.rglob("*") if p.is_file()}
        assert found == {
            "run.toml",
            "events.jsonl",
            "steps/learning.bin",
            "steps/clock.bin",
            "sessions.jsonl",
            ".lock",
        }
        assert (writer.path / "checkpoints").is_dir()


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="a run's name is made of letters"):
        create(tmp_path, "../toy")


def test_a_run_that_could_not_be_made_whole_is_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        create(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_heartbeat_reads_back(tmp_path: Path) -> None:
    assert read_heartbeat(tmp_path) is None
    write_heartbeat(tmp_path, step=7, state="running", gate_step=5)
    read = read_heartbeat(tmp_path)
    assert read is not None
    assert (read.run, read.step, read.state, read.gate_step) == (tmp_path.name, 7, "running", 5)
    assert abs(read.time - time.time()) < 60
    (tmp_path / "heartbeat.json").write_text('{"torn')
    assert read_heartbeat(tmp_path) is None


def test_sessions_read_back_and_a_torn_one_does_not_spoil_the_next(tmp_path: Path) -> None:
    assert read_sessions(tmp_path) == []
    append_session(tmp_path, versions={"torch": "2.9.0"}, resumed_from=None)
    with (tmp_path / "sessions.jsonl").open("ab") as file:
        file.write(b'{"time": 1.5, "pi')
    append_session(tmp_path, versions={"torch": "2.9.0"}, resumed_from=8)
    first, second = read_sessions(tmp_path)
    assert (first["resumed_from"], second["resumed_from"]) == (None, 8)
    assert second["pid"] == os.getpid()
    assert second["versions"] == {"torch": "2.9.0"}


def test_a_session_that_cannot_be_noted_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"sessions\.jsonl: cannot write"):
        append_session(tmp_path / "absent", versions={}, resumed_from=None)


def test_a_process_of_another_user_counts_as_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    append_session(tmp_path, versions={}, resumed_from=None)
    monkeypatch.setattr(os, "kill", forbid)
    assert is_alive(tmp_path, beat())


def test_an_old_heartbeat_is_no_life(tmp_path: Path) -> None:
    assert is_alive(tmp_path, beat(age=10))
    assert not is_alive(tmp_path, beat(age=1000))


def test_a_fresh_heartbeat_of_a_dead_process_on_this_machine_is_no_life(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    session = {"pid": child.pid, "host": socket.gethostname()}
    (tmp_path / "sessions.jsonl").write_text(json.dumps(session) + "\n")
    assert not is_alive(tmp_path, beat())
    (tmp_path / "sessions.jsonl").write_text(json.dumps({**session, "pid": os.getpid()}) + "\n")
    assert is_alive(tmp_path, beat())
    (tmp_path / "sessions.jsonl").write_text(json.dumps({**session, "host": "elsewhere"}) + "\n")
    assert is_alive(tmp_path, beat())
