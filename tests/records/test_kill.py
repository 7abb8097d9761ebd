"""Tests of the crash rule: takes kills at every write and every byte, gives the records of an undisturbed run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twosignal.records.compare import compare
from twosignal.records.journal import Journal
from twosignal.records.reader import Run, open_run

from . import toy_trainer
from .toy_trainer import train

STEPS = 10
FILES = ("events.jsonl", "steps/learning.bin", "steps/clock.bin")


class Killed(BaseException):
    """Stands for kill -9: nothing in the code may catch it."""


@pytest.fixture(autouse=True, scope="module")
def _disk_without_waiting() -> Iterator[None]:
    """Kills do not lose what the system has taken; only power cuts do, and no test can cut the power."""
    with pytest.MonkeyPatch.context() as waiting:
        waiting.setattr(os, "fsync", lambda _: None)
        yield


def told(path: Path) -> dict[str, object]:
    """Return all that must not depend on kills: everything but clocks and the folder's name."""
    run = Run(path=path)
    journal = Journal.read(path / "events.jsonl")
    return {
        "events": [journal.hash_after(i + 1) for i in range(len(journal.lines))],
        "learning": (path / "steps/learning.bin").read_bytes(),
        "clock": run.clock()[["step", "attempt"]].tolist(),
        "clock rows": (path / "steps/clock.bin").stat().st_size,
        "loss": (path / "loss.json").read_bytes().replace(path.name.encode(), b""),
        "samples": (path / "samples.json").read_bytes(),
        "chain": run.verify_chain(),
        "attempts": run.attempts(),
        "checkpoints": [checkpoint.name for checkpoint in run.checkpoints()],
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("undisturbed"), steps=STEPS)


class Executioner:
    """Kills at the n-th system call that changes a file: before it, after it, or in the midst of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, call: int, moment: str) -> None:
        self.left, self.moment = call, moment
        write = os.write

        def half(descriptor: int, data: bytes) -> int:
            return write(descriptor, data[: len(data) // 2])

        monkeypatch.setattr(os, "write", self.watch(os.write, half))
        for owner, name in ((os, "fsync"), (Path, "rename"), (Path, "replace"), (Path, "write_bytes")):
            real = getattr(owner, name)
            monkeypatch.setattr(owner, name, self.watch(real, real))

    def watch(self, real: Callable[..., Any], half: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.left -= 1
            if self.left:
                return real(*args)
            if self.moment != "before":
                (half if self.moment == "amid" else real)(*args)
            raise Killed

        return call


@pytest.mark.parametrize("moment", ["before", "amid", "after"])
def test_a_kill_at_any_system_call_loses_no_finished_step_and_changes_no_record(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    expected, finished = told(undisturbed), [0]
    one_step = toy_trainer.one_step

    def counted(*args: Any) -> int:
        state = one_step(*args)
        finished[0] = args[1]
        return state

    monkeypatch.setattr(toy_trainer, "one_step", counted)
    for call in range(1, 1000):
        runs_dir = tmp_path / str(call)
        finished[0] = 0
        with monkeypatch.context() as patched:
            Executioner(patched, call=call, moment=moment)
            try:
                train(runs_dir, steps=STEPS)
                break
            except Killed:
                pass
        if any(runs_dir.glob("toy-*")):
            assert open_run("toy", runs_dir).last_step >= finished[0]
        assert told(train(runs_dir, steps=STEPS)) == expected
    assert 60 < call < 1000


def truncate_and_resume(path: Path, whole: dict[str, bytes], cuts: dict[str, int], *, publish: bool) -> None:
    for name, data in whole.items():
        (path / name).write_bytes(data[: cuts.get(name, len(data))])
    train(path.parent, steps=STEPS, publish=publish)


def durable_sizes(whole: dict[str, bytes]) -> dict[str, int]:
    """Return the sizes the files had at the last checkpoint, step 8: nothing before them can be lost."""
    rows = {name: (len(whole[name]) - whole[name].index(b"\n") - 1) // STEPS for name in FILES[1:]}
    sizes = {name: len(whole[name]) - 2 * size for name, size in rows.items()}
    lines = whole["events.jsonl"].splitlines(keepends=True)
    return {"events.jsonl": len(b"".join(lines[:-3])), **sizes}


@pytest.mark.parametrize("name", FILES)
def test_a_file_torn_at_any_byte_is_made_whole(tmp_path: Path, undisturbed: Path, name: str) -> None:
    path = shutil.copytree(undisturbed, tmp_path / undisturbed.name)
    whole = {name: (path / name).read_bytes() for name in FILES}
    expected = told(path)
    for size in range(durable_sizes(whole)[name], len(whole[name]) + 1):
        truncate_and_resume(path, whole, {name: size}, publish=False)
        assert told(path) == expected, f"{name} torn at {size}"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shares=st.tuples(*[st.floats(0, 1)] * 3), late=st.booleans())
def test_files_torn_at_different_bytes_are_made_whole(
    tmp_path: Path, undisturbed: Path, shares: tuple[float, float, float], *, late: bool
) -> None:
    path = tmp_path / undisturbed.name
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(undisturbed, path)
    whole = {name: (path / name).read_bytes() for name in FILES}
    expected = told(path)
    least = durable_sizes(whole)
    if not late:
        for checkpoint in (path / "checkpoints").iterdir():
            shutil.rmtree(checkpoint)
        least = {name: whole[name].index(b"\n") + 1 for name in FILES}
    cuts = {
        name: least[name] + int(share * (len(whole[name]) - least[name]))
        for name, share in zip(FILES, shares, strict=True)
    }
    truncate_and_resume(path, whole, cuts, publish=True)
    assert told(path) == expected


def test_a_process_killed_again_and_again_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    script = [sys.executable, toy_trainer.__file__, str(tmp_path / "killed"), "60", "0.01"]
    undisturbed = train(tmp_path / "undisturbed", steps=60)
    kills = 0
    for wait in (0.15, 0.2, 0.25, 0.3, 0.35):
        process = subprocess.Popen(script)
        wait_for_a_run(tmp_path / "killed")
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        assert open_run("toy", tmp_path / "killed").state in {"stopped", "finished"}
    subprocess.run(script, check=True)
    killed = open_run("toy", tmp_path / "killed")
    assert kills >= 2
    assert compare(killed, Run(path=undisturbed)).equal
    assert told(killed.path) == told(undisturbed)
    assert killed.state == "finished"


def wait_for_a_run(runs_dir: Path) -> None:
    for _ in range(500):
        if any(runs_dir.glob("toy-*")):
            return
        time.sleep(0.02)
    pytest.fail("the toy trainer did not start")


@pytest.mark.slow
def test_200_kills_show_no_torn_record_and_lose_no_step_that_was_told(tmp_path: Path) -> None:
    script = Path(__file__).with_name("kill_trial.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, "200", "0.05"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kills"], found["attempts"]) == (200, 0)
    assert found["steps"] > 20
    assert found["polls"] > 200


def test_readers_see_whole_records_while_a_run_is_written(tmp_path: Path) -> None:
    script = Path(__file__).with_name("kill_trial.py")
    writer = subprocess.Popen([sys.executable, toy_trainer.__file__, str(tmp_path), "160", "0"])
    reader = subprocess.run(
        [sys.executable, script, tmp_path, "watch"], capture_output=True, text=True, check=False
    )
    assert writer.wait() == 0
    assert reader.returncode == 0, reader.stderr
    found = json.loads(reader.stdout)
    assert (found["steps"], found["looks"] > 1) == (160, True)
