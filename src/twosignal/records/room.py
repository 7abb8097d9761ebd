"""A full disk: takes something to write, gives it written, now or when there is room again.

Without a `Patience` in force a full disk is an error at once. With one, the writer says so, waits, and tries again
when the disk has more room than before; nothing is half written meanwhile, and nothing written twice. Only writes
are tried again, never a failed fsync: after one the system may have dropped what it could not write.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from twosignal.errors import StorageError

T = TypeVar("T")

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""What a system says when there is no room: on the disk, or in the user's share of it."""
_BLIND_SECONDS: Final = 15.0
"""Where free space says nothing, as under a quota, a write is tried this often."""
_REMEDIES = {
    errno.ENOSPC: "Free some space on this disk, then go on with --resume auto.",
    errno.EDQUOT: "Free some of your quota on this disk, then go on with --resume auto.",
    errno.EROFS: "The disk is read-only: choose another folder with --runs.",
    errno.EACCES: "Give yourself the right to write there, or choose another folder with --runs.",
    errno.EPERM: "Give yourself the right to write there, or choose another folder with --runs.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How to wait for room."""

    seconds: float
    """Longest wait; behind it the write fails."""
    say: Callable[[str], None]
    """Takes one sentence when the wait begins, and one when it is over."""
    is_stopped: Callable[[], bool] = bool
    """Whether the user has asked to stop: the write then fails at once."""
    poll_seconds: float = 0.5
    """How often to look for room."""


_PATIENCE: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextmanager
def waiting_for_room(patience: Patience) -> Iterator[None]:
    """Let every write within wait for room as `patience` says."""
    token = _PATIENCE.set(patience)
    try:
        yield
    finally:
        _PATIENCE.reset(token)


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the sentence for a failed write."""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "Check the disk and the folder, then go on with --resume auto.")
    return StorageError(f"cannot write: {reason}", where=str(path), remedy=remedy)


def with_room(act: Callable[[], T], *, path: Path) -> T:
    """Return what `act` returns; where it finds the disk full, wait and try again while patience lasts.

    `act` must leave nothing behind when it raises OSError. Raises StorageError.
    """
    try:
        return act()
    except OSError as error:
        return tried_again(act, error, path=path)


def tried_again(act: Callable[[], T], error: OSError, *, path: Path) -> T:
    """Return what `act` returns in the end, which has failed with `error` so far; raise StorageError."""
    patience = _PATIENCE.get()
    if patience is None or error.errno not in FULL:
        raise storage_error(path, error) from error
    patience.say(_waiting(path, error, patience))
    began = time.monotonic()
    while _is_worth_trying(path, patience, until=began + patience.seconds):
        try:
            done = act()
        except OSError as another:
            if another.errno in FULL:
                continue
            raise storage_error(path, another) from another
        patience.say(f"{path}: written after {time.monotonic() - began:,.0f} s; the run goes on")
        return done
    raise storage_error(path, error) from error


def free_bytes(path: Path) -> int:
    """Return how many bytes this user may still write to the disk of `path`, or of the nearest folder above it."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _is_worth_trying(path: Path, patience: Patience, *, until: float) -> bool:
    """Wait until there is more room than now, or long enough; return False when the user or time says stop."""
    free, again = free_bytes(path), time.monotonic() + _BLIND_SECONDS
    while not patience.is_stopped():
        now = time.monotonic()
        if now >= until:
            return False
        if now >= again or free_bytes(path) > free:
            return True
        time.sleep(min(patience.poll_seconds, until - now))
    return False


def _waiting(path: Path, error: OSError, patience: Patience) -> str:
    reason = error.strerror or os.strerror(errno.ENOSPC)
    return (
        f"{path}: cannot write: {reason}. The run waits for room, at most {patience.seconds / 60:,.0f} minutes: "
        "free some space on this disk, or press Ctrl-C to stop and go on later with --resume auto"
    )
