"""`twosignal mix` on a run that is killed and goes on: the request takes effect at one step, whatever happens after."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command
from tests.end_to_end.test_kill_and_resume import after_step, told, train_through, trainer
from tests.end_to_end.toy import the_run, write_toy
from twosignal.records.reader import Run


def asked_after_a_kill(project: Path, command: Command) -> Path:
    """A run killed after step 12 and asked to do without books."""
    run_file = write_toy(project)
    life = trainer(run_file, project / "runs", stroke=after_step(12))
    assert life.ended().code == -signal.SIGKILL
    path = the_run(project / "runs")
    ended = command("mix", path, "--set", "books=0", "--json")
    answer = json.loads(ended.out)
    assert ended.code == 0
    assert (answer["request"], answer["step"], answer["state"]) == (1, None, "stopped")
    assert "takes effect when the run goes on" in ended.err
    return run_file


@pytest.mark.slow
def test_a_request_is_followed_once_at_one_step_through_kills(tmp_path: Path, command: Command) -> None:
    """Both go on from step 10; one is killed again after step 17, before any checkpoint has the request."""
    undisturbed = asked_after_a_kill(tmp_path / "undisturbed", command)
    train_through([], undisturbed, undisturbed.parent / "runs")
    killed = asked_after_a_kill(tmp_path / "killed", command)
    train_through([after_step(17)], killed, killed.parent / "runs")
    one, other = (the_run(project.parent / "runs") for project in (undisturbed, killed))
    (switch,) = [event for event in Run(path=one).events("switch") if event.body["cause"] == "operator"]
    assert switch.step == 12
    drawn = Run(path=one).steps()["tokens[books]"]
    assert drawn[:12].any()
    assert not drawn[12:].any()
    expected, found = told(one), told(other)
    for name in expected:
        assert found[name] == expected[name], name


@pytest.mark.slow
def test_a_live_run_answers_with_the_step(tmp_path: Path, command: Command) -> None:
    """The trainer stands still in step 12 while it is asked, and goes on a second later."""
    run_file = write_toy(tmp_path / "project")
    runs_dir = run_file.parent / "runs"
    life = trainer(run_file, runs_dir, stroke=after_step(12, number=signal.SIGSTOP))
    while not any(Run(path=path).last_step == 12 for path in runs_dir.glob("toy-*")):
        assert life.process.is_alive()
        time.sleep(0.02)
    pid = life.process.pid
    assert pid is not None
    threading.Timer(1.0, os.kill, (pid, signal.SIGCONT)).start()
    ended = command("mix", the_run(runs_dir), "--cap", "books=0.1", "--json")
    answer = json.loads(ended.out)
    assert life.ended().code == 0
    assert (ended.code, answer["step"], answer["request"]) == (0, 12, 1)
    assert answer["shares"]["books"] <= 0.1
    assert "in effect after step 12" in ended.err
