"""A disk that is full, at the start or in the midst of a run, is one sentence, and the run goes on when there is room."""

import errno
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from tests.end_to_end.conftest import Command, refused, train
from tests.end_to_end.toy import SHORT, Toy, the_run
from twosignal.records.reader import Run
from twosignal.train import checkpoint
from twosignal.train.recorder import Recorder
from twosignal.train.watch import Watch

NO_WAIT = ("--set", "checkpoints.wait_minutes=0")


class Disk:
    """A small disk of its own, for those who may mount one."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def mount(self, options: str) -> None:
        """Mount it, or change how it is mounted."""
        place = str(self.place)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("this user may not mount a disk")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A place for a small disk, empty again afterwards."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk to fill")
    place = tmp_path / "disk"
    place.mkdir()
    yield Disk(place)
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


@pytest.mark.parametrize("size", ["8k", "48k", "96k"])
def test_a_disk_that_is_full_from_the_start_is_one_sentence(
    run_file: Path, command: Command, disk: Disk, size: str
) -> None:
    disk.mount(f"size={size}")
    runs_dir = disk.place / "runs"
    sentence = refused(command("train", run_file, "--runs", runs_dir, *SHORT), runs_dir)
    assert f"{runs_dir}" in sentence
    assert (
        "No space left on device" in sentence or "checkpoints of this run do not fit on the disk" in sentence
    )
    assert "ree some space" in sentence


def test_a_read_only_disk_is_one_sentence(run_file: Path, command: Command, disk: Disk) -> None:
    disk.mount("size=1m,ro")
    runs_dir = disk.place / "runs"
    sentence = refused(command("train", run_file, "--runs", runs_dir, *SHORT), runs_dir)
    assert "cannot write: Read-only file system" in sentence
    assert "choose another with --runs" in sentence


def fill_up(disk: Disk, name: str) -> None:
    """Leave the disk without room for another checkpoint; for use after one was saved."""
    free = shutil.disk_usage(disk.place).free
    (disk.place / name).write_bytes(b"0" * (free - (1 << 16)))


@pytest.mark.slow
def test_a_run_waits_on_a_full_disk_and_goes_on_when_there_is_room(
    run_file: Path, toy: Toy, command: Command, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.mount("size=200m")
    runs_dir, said, real = disk.place / "runs", list[str](), Watch.notice

    def notice(watch: Watch, sentence: str) -> None:
        said.append(sentence)
        (disk.place / "filler").unlink(missing_ok=True)
        real(watch, sentence)

    monkeypatch.setattr(Watch, "notice", notice)
    monkeypatch.setattr(Recorder, "checkpoint", filling(Recorder.checkpoint, disk))
    ended = command("train", run_file, "--runs", runs_dir)
    path = the_run(runs_dir)
    assert ended.code == 0, ended.err
    assert "The run waits for room, at most 60 minutes" in said[0]
    assert f"{path}" in said[0]
    assert "the run goes on" in said[1]
    assert json.loads(command("compare", path, toy.path, "--json").out)["equal"]
    assert command("verify", path).code == 0


def filling(checkpoint: Callable[..., None], disk: Disk) -> Callable[..., None]:
    """Return `checkpoint`, the disk filled behind its first call."""
    left = ["filler"]

    def saved(*given: Any) -> None:
        checkpoint(*given)
        if left:
            fill_up(disk, left.pop())

    return saved


@pytest.mark.slow
def test_ctrl_c_ends_the_wait_and_the_run_is_resumed_when_there_is_room(
    run_file: Path, toy: Toy, command: Command, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.mount("size=200m")
    runs_dir = disk.place / "runs"

    def pressed(watch: Watch, _: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert watch.interrupted

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "notice", pressed)
        patched.setattr(Recorder, "checkpoint", filling(Recorder.checkpoint, disk))
        ended = command("train", run_file, "--runs", runs_dir)
    path = the_run(runs_dir)
    assert ended.code == 2
    assert f"{path}/checkpoints/step-00000020: cannot write: No space left on device" in ended.sentence
    assert "go on with --resume auto" in ended.sentence
    assert [saved.name for saved in Run(path=path).checkpoints()] == ["step-00000010"]
    assert Run(path=path).state == "failed"
    (disk.place / "filler").unlink()
    assert command("train", run_file, "--runs", runs_dir, "--resume", "auto").code == 0
    ended = command("compare", path, toy.path, "--json")
    assert json.loads(ended.out)["equal"]


def full(*_: object, **__: object) -> Any:
    """Be a disk without room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_for_tensors(*_: object, **__: object) -> None:
    """Be the same, in the words of safetensors."""
    message = "Error while serializing: I/O error: No space left on device (os error 28)"
    raise SafetensorError(message)


def full_at_the_lock(path: str, *given: int, **more: int) -> int:
    """Be a disk without room for one more file, the lock."""
    if str(path).endswith(".lock"):
        full()
    return OPEN(path, *given, **more)


OPEN = os.open


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("twosignal.records.folder.write_durable", full),
        ("twosignal.records.lock.os.open", full_at_the_lock),
    ],
)
def test_a_run_folder_that_cannot_be_made_leaves_nothing(
    run_file: Path, command: Command, monkeypatch: pytest.MonkeyPatch, place: str, fault: Callable[..., Any]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(place, fault)
        ended = train(command, run_file, *SHORT)
    sentence = refused(ended, run_file.parent / "runs")
    assert "No space left on device. Free some space on this disk" in sentence


@pytest.mark.parametrize("fault", [full, full_for_tensors])
def test_a_checkpoint_that_cannot_be_written_ends_the_run_resumably(
    run_file: Path, command: Command, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., None]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save_file", fault)
        ended = train(command, run_file, *SHORT, *NO_WAIT)
    path = the_run(run_file.parent / "runs")
    assert ended.code == 2
    assert f"{path}/checkpoints/step-00000002: cannot write: No space left on device." in ended.sentence
    assert "go on with --resume auto" in ended.sentence
    assert list((path / "checkpoints").iterdir()) == []
    assert train(command, run_file, *SHORT, *NO_WAIT, "--resume", "auto").code == 0
    assert Run(path=path).state == "finished"
    assert Run(path=path).attempts() == []


def test_a_record_that_cannot_be_written_ends_the_run_resumably(
    run_file: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, left = os.write, iter(range(8))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda *given: full() if next(left, None) is None else write(*given))
        ended = train(command, run_file, *SHORT, *NO_WAIT)
    path = the_run(run_file.parent / "runs")
    assert ended.code == 2
    assert f"{path}" in ended.sentence
    assert "No space left on device" in ended.sentence
    assert train(command, run_file, *SHORT, *NO_WAIT, "--resume", "auto").code == 0
    assert Run(path=path).verify_chain() is None
    assert Run(path=path).state == "finished"
