"""Writing that survives a kill: takes bytes and a place, gives files that are whole or as before, or a StorageError."""

import errno
import fcntl
import os
import weakref
from pathlib import Path

from twosignal.errors import RunError, StorageError
from twosignal.records.values import compact, encode

_REMEDIES = {
    errno.ENOSPC: "Free some space on this disk, then go on with --resume auto.",
    errno.EDQUOT: "Free some of your quota on this disk, then go on with --resume auto.",
    errno.EROFS: "The disk is read-only: choose another folder with --runs.",
    errno.EACCES: "Give yourself the right to write there, or choose another folder with --runs.",
    errno.EPERM: "Give yourself the right to write there, or choose another folder with --runs.",
}


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the sentence for a failed write."""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "Check the disk and the folder, then go on with --resume auto.")
    return StorageError(f"cannot write: {reason}", where=str(path), remedy=remedy)


def append_record(descriptor: int, data: bytes, *, path: Path) -> None:
    """Append `data` by one system call; on a full disk leave nothing of it behind.

    Raises StorageError.
    """
    try:
        written = os.write(descriptor, data)
        if written == len(data):
            return
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
    except OSError as error:
        raise storage_error(path, error) from error
    raise storage_error(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` so that a reader sees the old content or the new, never a part; raise StorageError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error


def write_json_atomic(path: Path, value: object) -> None:
    """Replace `path` by `value` as strict JSON; nan and infinity become the words "nan", "inf", "-inf"."""
    write_atomic(path, compact(encode(value, where=path.name, escape=False)) + b"\n")


def write_durable(path: Path, data: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """The right to write to a run folder: held by one process at a time, and released when it dies."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raise RunError when another writer holds it."""
        path = folder / ".lock"
        self.descriptor = -1
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise storage_error(path, error) from error
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            message = "another process is writing to this run"
            remedy = "Wait until it has ended, or stop it."
            raise RunError(message, where=str(folder), remedy=remedy) from error
        _HELD.add(self)

    def release(self) -> None:
        """Give the lock back; harmless when it was given back before."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        self.release()


_HELD: "weakref.WeakSet[FolderLock]" = weakref.WeakSet()


def _forget_locks() -> None:
    """Close a forked child's copies: a worker that outlives its killed parent must not keep the run locked."""
    for lock in _HELD:
        lock.release()


os.register_at_fork(after_in_child=_forget_locks)
