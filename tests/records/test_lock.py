"""Tests of leases: takes file systems without locks, gives one writer, whoever dies, and a sentence for what is stale."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twosignal.errors import RunError, StorageError
from twosignal.records.lock import FolderLock, is_locked, read_lease
from twosignal.records.reader import Run
from twosignal.records.writer import RunWriter

from .toy_trainer import open_writer, train

LEASE = ".lock.lease"


@pytest.fixture
def _no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


def hold(folder: Path, *, host: str, pid: int, age: float = 0.0) -> None:
    lease = {"host": host, "pid": pid, "token": "another", "time": time.time() - age}
    (folder / LEASE).write_text(json.dumps(lease))


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_a_lease_lets_one_writer_in(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    with pytest.raises(RunError, match=rf"another process is writing .*process {os.getpid()} on .* 0 s ago"):
        FolderLock(tmp_path)
    first.release()
    assert not (tmp_path / LEASE).exists()
    FolderLock(tmp_path).release()


@pytest.mark.usefixtures("_no_locks")
def test_a_run_is_made_trained_and_resumed_without_locks(tmp_path: Path) -> None:
    path = train(tmp_path)
    assert Run(path=path).verify_chain() is None
    with open_writer(tmp_path) as writer:
        assert (writer.path / LEASE).is_file()
        with pytest.raises(RunError, match="another process is writing"):
            RunWriter.reopen(path)
    assert not (path / LEASE).exists()


@pytest.mark.usefixtures("_no_locks")
def test_the_lease_of_a_process_that_died_here_is_taken_over(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    hold(tmp_path, host=socket.gethostname(), pid=child.pid)
    lock = FolderLock(tmp_path)
    found = read_lease(tmp_path / LEASE)
    assert found is not None
    assert found.pid == os.getpid()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", LEASE]
    lock.release()


@pytest.mark.usefixtures("_no_locks")
@pytest.mark.parametrize(("age", "words"), [(30.0, "Wait until it has ended"), (1e5, "then delete ")])
def test_a_lease_from_elsewhere_is_left_and_a_stale_one_named_with_its_remedy(
    tmp_path: Path, age: float, words: str
) -> None:
    hold(tmp_path, host="elsewhere", pid=77, age=age)
    with pytest.raises(RunError, match=rf"process 77 on elsewhere, last heard of [0-9,]+ s ago.*{words}"):
        FolderLock(tmp_path)
    assert (tmp_path / LEASE).exists()


@pytest.mark.usefixtures("_no_locks")
def test_a_torn_lease_is_named(tmp_path: Path) -> None:
    (tmp_path / LEASE).write_text('{"host')
    with pytest.raises(RunError, match=r"probably gone .*then delete .*\.lease"):
        FolderLock(tmp_path)


@pytest.mark.usefixtures("_no_locks")
def test_a_lease_is_renewed_and_one_taken_away_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = FolderLock(tmp_path)
    before = read_lease(tmp_path / LEASE)
    lock.renew()
    assert read_lease(tmp_path / LEASE) == before
    monkeypatch.setattr("twosignal.records.lock.RENEW_SECONDS", -1.0)
    lock.renew()
    after = read_lease(tmp_path / LEASE)
    assert before is not None
    assert after is not None
    assert (after.token, after.time > before.time) == (before.token, True)
    hold(tmp_path, host="elsewhere", pid=77)
    with pytest.raises(RunError, match=r"another process has taken over .*process 77 on elsewhere"):
        lock.renew()
    lock.release()
    assert (tmp_path / LEASE).exists()


def test_whether_a_lock_is_held_is_seen_without_locking(tmp_path: Path) -> None:
    if not Path("/proc/locks").is_file():
        pytest.skip("this system does not tell who holds locks")
    assert not is_locked(tmp_path)
    lock = FolderLock(tmp_path)
    assert is_locked(tmp_path)
    lock.release()
    assert not is_locked(tmp_path)


def test_another_failure_of_a_lock_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        FolderLock(tmp_path)
