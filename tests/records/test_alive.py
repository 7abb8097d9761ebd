"""Tests of signs of life: takes sessions, paces and silences, gives whether anybody still writes."""

import json
import os
import socket
import time
from pathlib import Path

import pytest

from twosignal.records.alive import is_alive, longest_silence
from twosignal.records.folder import Heartbeat
from twosignal.records.reader import Run
from twosignal.records.writer import RunWriter

from .toy_trainer import COLUMNS, NOW

ROW = dict.fromkeys([column.name for column in COLUMNS], 1)


def silent_for(seconds: float) -> Heartbeat:
    return Heartbeat(run="r", step=1, state="running", time=time.time() - seconds, gate_step=None)


def stepped(tmp_path: Path, *seconds: float) -> RunWriter:
    writer = RunWriter.create(tmp_path, "toy", run_toml="", columns=COLUMNS, now=NOW)
    for step, one in enumerate(seconds, 1):
        clock = {"seconds": one, "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 5}
        writer.step_row(step, ROW, clock=clock)
    return writer


def by(folder: Path, *, host: str, pid: int, began: float) -> None:
    (folder / "sessions.jsonl").write_text(json.dumps({"host": host, "pid": pid, "time": began}) + "\n")


def test_a_slow_run_elsewhere_may_be_silent_for_ten_of_its_steps(tmp_path: Path) -> None:
    with stepped(tmp_path, 20.0, 30.0, 25.0) as writer:
        by(writer.path, host="elsewhere", pid=1, began=0.0)
        assert longest_silence(writer.path) == 300.0
        assert is_alive(writer.path, silent_for(290))
        assert not is_alive(writer.path, silent_for(310))


def test_the_pace_is_that_of_the_last_20_steps_and_no_longer_than_a_day(tmp_path: Path) -> None:
    with stepped(tmp_path / "a", 900.0, *[0.5] * 20) as writer:
        assert longest_silence(writer.path) == 120.0
    with stepped(tmp_path / "b", 1e9) as writer:
        assert longest_silence(writer.path) == 86_400.0
    assert longest_silence(tmp_path) == 120.0


def test_here_a_step_may_take_as_long_as_it_likes_while_the_process_holds_the_run(tmp_path: Path) -> None:
    if not Path("/proc/locks").is_file():
        pytest.skip("this system does not tell who holds locks")
    with stepped(tmp_path, 0.1) as writer:
        writer.session(versions={})
        assert is_alive(writer.path, silent_for(7200))
    assert is_alive(writer.path, silent_for(10))
    assert not is_alive(writer.path, silent_for(7200))


def test_a_process_that_got_the_number_of_a_dead_one_is_not_taken_for_it(tmp_path: Path) -> None:
    if not Path("/proc/self/stat").is_file():
        pytest.skip("this system does not tell when processes began")
    by(tmp_path, host=socket.gethostname(), pid=os.getpid(), began=time.time())
    assert is_alive(tmp_path, silent_for(1))
    by(tmp_path, host=socket.gethostname(), pid=os.getpid(), began=time.time() - 86_400)
    assert not is_alive(tmp_path, silent_for(1))


def test_a_killed_run_with_a_fresh_heartbeat_is_stopped(tmp_path: Path) -> None:
    with stepped(tmp_path, 0.1) as writer:
        writer.heartbeat(state="running")
    by(writer.path, host=socket.gethostname(), pid=2**22 - 1, began=time.time())
    assert Run(path=writer.path).state == "stopped"
