"""Tests of writing that survives: takes full disks, locked folders and kills, gives old content or new, and a sentence."""

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from twosignal.errors import RunError, StorageError
from twosignal.records.lock import FolderLock
from twosignal.records.storage import append_record, write_atomic, write_json_atomic


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "Give yourself the right"),
        (errno.EIO, "Check the disk"),
    ],
)
def test_a_failed_write_is_a_sentence_with_path_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, remedy: str
) -> None:
    descriptor = opened(tmp_path / "events.jsonl")

    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(StorageError, match=rf"events\.jsonl: cannot write: .*{remedy}"):
        append_record(descriptor, b"line\n", path=tmp_path / "events.jsonl")
    os.close(descriptor)


def test_a_record_that_fits_only_in_part_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    descriptor = opened(path)
    append_record(descriptor, b"first\n", path=path)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    with pytest.raises(StorageError, match="No space left"):
        append_record(descriptor, b"second\n", path=path)
    monkeypatch.undo()
    append_record(descriptor, b"third\n", path=path)
    os.close(descriptor)
    assert path.read_bytes() == b"first\nthird\n"


def test_a_failed_replacement_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "loss.json"
    write_atomic(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(StorageError, match=r"loss\.json: cannot write: No space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"


def test_public_json_says_nan_and_keeps_texts(tmp_path: Path) -> None:
    write_json_atomic(tmp_path / "loss.json", {"loss": math.nan, "text": "nan", "shares": {"books": 0.5}})
    written = json.loads((tmp_path / "loss.json").read_bytes())
    assert written == {"loss": "nan", "text": "nan", "shares": {"books": 0.5}}


def test_a_second_writer_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    with pytest.raises(RunError, match="another process is writing to this run"):
        FolderLock(tmp_path)
    first.release()
    first.release()
    FolderLock(tmp_path).release()


def test_a_child_that_outlives_its_killed_parent_does_not_hold_the_lock(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from twosignal.records.lock import FolderLock\n"
        "lock = FolderLock(Path(sys.argv[1]))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.close(1)\n"
        "    time.sleep(30)\n"
        "print(child, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, check=False
    )
    try:
        FolderLock(tmp_path).release()
    finally:
        os.kill(int(parent.stdout), 9)


def test_a_folder_that_cannot_be_locked_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write: No such file"):
        FolderLock(tmp_path / "absent")
