"""The right to write to a run folder: takes a folder, gives a lock that one process holds, and that dies with it.

Where the file system has locks, the system keeps it (`flock`). Where it has none, as on some network file systems, a
lease does: a file that only one process can create, naming host and process, its time renewed with every heartbeat.
A lease whose process has died on this machine is taken over; one from elsewhere is never, however old it is: only a
person can know whether that machine is off.
"""

import errno
import fcntl
import json
import os
import secrets
import socket
import time
import weakref
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from twosignal.errors import RunError
from twosignal.records.room import storage_error
from twosignal.records.values import compact

NO_LOCKS: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What a file system without locks says."""
RENEW_SECONDS: Final = 5.0
STALE_SECONDS: Final = 120.0
"""A lease older than this probably belongs to a process that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease."""

    host: str
    pid: int
    token: str
    """Tells this lease from any other."""
    time: float
    """When it was last renewed, Unix time in seconds."""

    def __str__(self) -> str:
        """Return who it is and how long ago it was heard of."""
        return f"process {self.pid} on {self.host}, last heard of {time.time() - self.time:,.0f} s ago"


class FolderLock:
    """The right to write to a folder: held by one process at a time, and released when it dies."""

    def __init__(self, folder: Path, *, name: str = ".lock") -> None:
        """Take the lock; raise RunError when another writer holds it, StorageError where it cannot be made."""
        self._folder, self._name = folder, name
        self._holder: Holder | None = None
        self.descriptor = -1
        try:
            self.descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise storage_error(folder / name, error) from error
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._close()
            message = "another process is writing to this run"
            remedy = "Wait until it has ended, or stop it."
            raise RunError(message, where=str(folder), remedy=remedy) from error
        except OSError as error:
            self._close()
            if error.errno not in NO_LOCKS:
                raise storage_error(folder / name, error) from error
            self._holder = take_lease(self._lease)
        _HELD.add(self)

    @property
    def _lease(self) -> Path:
        return self._folder / f"{self._name}.lease"

    def moved(self, folder: Path) -> None:
        """Take note that the folder has another name now."""
        self._folder = folder

    def renew(self) -> None:
        """Say that this process lives, where a lease stands for the lock; a lock of the system needs nothing.

        Raises RunError when somebody has taken the lease away, StorageError.
        """
        holder = self._holder
        if holder is None or time.time() - holder.time < RENEW_SECONDS:
            return
        found = read_lease(self._lease)
        if found is None or found.token != holder.token:
            self._holder = None
            message = "another process has taken over this run"
            remedy = "Stop one of them; what this one had recorded is there."
            raise RunError(message, where=str(self._folder), found=str(found), remedy=remedy)
        self._holder = _holder(holder.token)
        partial = self._lease.with_name(f"{self._lease.name}.{holder.token}")
        try:
            partial.write_bytes(_lease_bytes(self._holder))
            partial.replace(self._lease)
        except OSError as error:
            raise storage_error(self._lease, error) from error

    def release(self) -> None:
        """Give the lock back; harmless when it was given back before."""
        holder, self._holder = self._holder, None
        self._close()
        found = read_lease(self._lease) if holder else None
        if holder and found and found.token == holder.token:
            with suppress(OSError):
                self._lease.unlink()

    def forget(self) -> None:
        """Let go of a forked child's copy: the parent goes on holding the lock."""
        self._holder = None
        self._close()

    def _close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        self.release()


def take_lease(path: Path) -> Holder:
    """Create the lease; raise RunError naming who holds it, StorageError where it cannot be made."""
    mine = _holder(secrets.token_hex(8))
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            _clear(path, mine)
            continue
        except OSError as error:
            raise storage_error(path, error) from error
        try:
            os.write(descriptor, _lease_bytes(mine))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return mine


def read_lease(path: Path) -> Holder | None:
    """Return who holds a lease; None where there is none, or none that can be read."""
    try:
        found: Any = json.loads(path.read_bytes())
        return Holder(**found)
    except (OSError, ValueError, TypeError):
        return None


def is_locked(folder: Path, *, name: str = ".lock") -> bool:
    """Return whether the system says that a process of this machine holds the lock; False where it does not say.

    Nothing is locked to find out: a reader that did could turn a writer away.
    """
    try:
        inode = (folder / name).stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return False
    return any(" FLOCK " in line and f":{inode} " in line for line in lines)


def process_lives(pid: int) -> bool:
    """Return whether a process of this machine lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _clear(path: Path, mine: Holder) -> None:
    """Remove the lease of a process of this machine that has died; raise RunError for any other."""
    found = read_lease(path)
    if found is None and not path.exists():
        return
    if found is None or found.host != mine.host or process_lives(found.pid):
        raise _refusal(path, found)
    # Two processes may find the same dead one: what was moved away may already be the other's new lease.
    taken = path.with_name(f"{path.name}.{mine.token}")
    with suppress(FileNotFoundError):
        path.rename(taken)
        if read_lease(taken) != found:
            with suppress(FileExistsError):
                os.link(taken, path)
        taken.unlink()


def _refusal(path: Path, found: Holder | None) -> RunError:
    where = str(path.parent)
    if found is not None and time.time() - found.time <= STALE_SECONDS:
        message = "another process is writing to this run"
        return RunError(message, where=where, found=str(found), remedy="Wait until it has ended, or stop it.")
    message = "this run is held by a process that is probably gone"
    remedy = f"Make sure that it has ended, then delete {path}."
    return RunError(message, where=where, found=str(found or "a lease that says not by whom"), remedy=remedy)


def _holder(token: str) -> Holder:
    return Holder(host=socket.gethostname(), pid=os.getpid(), token=token, time=time.time())


def _lease_bytes(holder: Holder) -> bytes:
    return compact(asdict(holder)) + b"\n"


_HELD: "weakref.WeakSet[FolderLock]" = weakref.WeakSet()


def _forget_locks() -> None:
    """Close a forked child's copies: a worker that outlives its killed parent must not keep the run locked."""
    for lock in _HELD:
        lock.forget()


os.register_at_fork(after_in_child=_forget_locks)
