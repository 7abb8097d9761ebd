"""Tests of waiting for room: takes disks that are full for a while, gives records that are whole and told once."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from twosignal.errors import StorageError
from twosignal.records import room
from twosignal.records.columns import read_rows
from twosignal.records.reader import Run
from twosignal.records.room import Patience, waiting_for_room, with_room
from twosignal.records.storage import write_atomic

from .toy_trainer import train


class Disk:
    """A disk that takes half of a write, and has room again after so many looks at it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, full_at: int, looks: int) -> None:
        self.writes, self.full_at, self.looks = 0, full_at, looks
        self.write = os.write
        monkeypatch.setattr(os, "write", self.half)
        monkeypatch.setattr(room, "free_bytes", self.free)

    @property
    def is_full(self) -> bool:
        return self.writes >= self.full_at and self.looks > 0

    def half(self, descriptor: int, data: bytes) -> int:
        self.writes += 1
        return self.write(descriptor, data[: len(data) // 2] if self.is_full else data)

    def free(self, _: Path) -> int:
        self.looks -= 1
        return 0 if self.is_full else 1 << 20


def patience(said: list[str], **more: object) -> Patience:
    given: dict[str, object] = {"seconds": 60.0, "poll_seconds": 0.0, "say": said.append}
    return Patience(**{**given, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("full_at", [1, 2, 3, 20])
def test_a_run_waits_and_its_records_are_those_of_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: int
) -> None:
    undisturbed, said = train(tmp_path / "undisturbed"), list[str]()
    (tmp_path / "full").mkdir()
    with monkeypatch.context() as patched, waiting_for_room(patience(said)):
        Disk(patched, full_at=full_at, looks=5)
        path = train(tmp_path / "full")
    assert "No space left on device. The run waits for room, at most 1 minutes: free some space" in said[0]
    assert [len(said), "written after" in said[1]] == [2, True]
    assert Run(path=path).fingerprint == Run(path=undisturbed).fingerprint
    assert Run(path=path).verify_chain() is None
    for name in ("learning.bin", "clock.bin"):
        assert read_rows(path / "steps" / name)["step"].tolist() == list(range(1, 11))


@pytest.mark.parametrize("limit", [{"seconds": 0.0}, {"is_stopped": lambda: True}])
def test_patience_ends_by_time_and_by_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: dict[str, object]
) -> None:
    said: list[str] = []
    with (
        monkeypatch.context() as patched,
        waiting_for_room(patience(said, **limit)),
        pytest.raises(StorageError, match="No space left on device. Free some space"),
    ):
        Disk(patched, full_at=10, looks=1 << 60)
        train(tmp_path)
    assert len(said) == 1
    assert Run(path=train(tmp_path)).verify_chain() is None


def test_the_second_ctrl_c_ends_the_wait_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with (
        monkeypatch.context() as patched,
        waiting_for_room(patience([], poll_seconds=1.0)),
        pytest.raises(KeyboardInterrupt),
    ):
        Disk(patched, full_at=10, looks=1 << 60)
        patched.setattr("twosignal.records.room.time.sleep", interrupted)
        train(tmp_path)
    path = train(tmp_path)
    assert Run(path=path).verify_chain() is None
    assert Run(path=path).steps()["step"].tolist() == list(range(1, 11))


def failing(*codes: int) -> Callable[[], str]:
    left = list(codes)

    def act() -> str:
        if left:
            code = left.pop(0)
            raise OSError(code, os.strerror(code))
        return "done"

    return act


def test_only_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_BLIND_SECONDS", 0.0)
    said: list[str] = []
    with pytest.raises(StorageError, match="No space left"):
        with_room(failing(errno.ENOSPC), path=tmp_path)
    with waiting_for_room(patience(said)):
        assert with_room(failing(errno.ENOSPC, errno.EDQUOT), path=tmp_path) == "done"
        with pytest.raises(StorageError, match="Input/output error"):
            with_room(failing(errno.EIO), path=tmp_path)
        with pytest.raises(StorageError, match="Read-only file system"):
            with_room(failing(errno.ENOSPC, errno.EROFS), path=tmp_path)
    assert len(said) == 3


def test_a_replacement_waits_too_and_leaves_the_old_content_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write, seen = tmp_path / "loss.json", Path.write_bytes, list[bytes]()
    write_atomic(path, b"old")

    def full(self: Path, data: bytes) -> int:
        if not seen:
            seen.append(path.read_bytes())
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(room, "_BLIND_SECONDS", 0.0)
    monkeypatch.setattr(Path, "write_bytes", full)
    with waiting_for_room(patience([])):
        write_atomic(path, b"new")
    assert (seen, path.read_bytes()) == ([b"old"], b"new")


def test_free_space_is_that_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert room.free_bytes(tmp_path / "absent" / "more") > 0
