"""The run folder: takes a name and a run file's text, gives a new folder, and reads and writes its small files."""

import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from twosignal.errors import RunError, StorageError
from twosignal.records.columns import CLOCK_COLUMNS, KEY_COLUMNS, Column, check_learning, header_bytes
from twosignal.records.journal import HEADER_LINE
from twosignal.records.lock import NO_LOCKS, FolderLock
from twosignal.records.room import storage_error
from twosignal.records.storage import append_record, sync_folder, write_durable, write_json_atomic
from twosignal.records.values import Json, compact

RUN_FILE: Final = "run.toml"
EVENTS: Final = "events.jsonl"
LEARNING: Final = "steps/learning.bin"
CLOCK: Final = "steps/clock.bin"
CHECKPOINTS: Final = "checkpoints"
SESSIONS: Final = "sessions.jsonl"
HEARTBEAT: Final = "heartbeat.json"
KEEP: Final = "keep"
"""Mark of a run that is to be kept whole: nothing in it is thinned out."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PARTIAL = re.compile(rf"\.{_NAME.pattern}-\d{{8}}-\d{{6}}-[0-9a-f]{{6}}\.partial")

Pulse = Literal["running", "finished", "halted", "refused", "interrupted", "failed"]


class NewFolder(NamedTuple):
    """A run folder just made, and the right to write to it."""

    path: Path
    lock: FolderLock


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The last sign of life of a run."""

    run: str
    """Id of the run."""
    step: int
    """Last step done."""
    state: Pulse
    """What the writing process was doing."""
    time: float
    """Unix time in seconds."""
    gate_step: int | None
    """Last step at which the gate judged; None before the first or without a gate."""


def make_folder(
    runs_dir: Path, name: str, *, run_toml: str, columns: Sequence[Column], now: datetime
) -> NewFolder:
    """Make `<name>-<yyyymmdd-hhmmss>-<6 hex>` under `runs_dir`, locked, so that it appears whole or not at all.

    Raises RunError for a name that cannot start a folder name, ValueError for columns that lack what
    readers count on, StorageError where writing fails.
    """
    if not _NAME.fullmatch(name):
        message = "a run's name is made of letters, digits, dot, dash and underscore"
        raise RunError(message, where="run.name", found=repr(name))
    run_id = f"{name}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    partial, final = runs_dir / f".{run_id}.partial", runs_dir / run_id
    check_learning(columns)
    contents = {
        RUN_FILE: run_toml.encode("utf-8"),
        EVENTS: HEADER_LINE,
        LEARNING: header_bytes((*KEY_COLUMNS, *columns)),
        CLOCK: header_bytes((*KEY_COLUMNS, *CLOCK_COLUMNS)),
        SESSIONS: b"",
    }
    try:
        lock = _begin(partial)
        _fill(partial, contents)
        partial.rename(final)
        lock.moved(final)
        sync_folder(runs_dir)
    except OSError as error:
        raise storage_error(final, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return NewFolder(final, lock)


def _begin(partial: Path) -> FolderLock:
    """Make a hidden folder and lock it, after removing those that killed processes left behind.

    The folder above is locked meanwhile: between the making and the locking of a folder nobody may take it for a
    killed process's. Where the file system has no locks nothing is removed.
    """
    runs_dir = partial.parent
    runs_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(runs_dir, os.O_RDONLY)
    try:
        leftovers = [path for path in runs_dir.iterdir() if _PARTIAL.fullmatch(path.name)]
        for path in leftovers if _is_held(descriptor) else ():
            _sweep(path)
        partial.mkdir()
        return FolderLock(partial)
    finally:
        os.close(descriptor)


def _is_held(descriptor: int) -> bool:
    """Wait for the lock of an open folder; return whether this file system has locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return False
        raise
    return True


def _sweep(partial: Path) -> None:
    """Remove a hidden folder unless a living process holds it."""
    # Where the lock cannot be had, the folder is held, or has got its name this moment.
    with suppress(RunError, StorageError):
        lock = FolderLock(partial)
        shutil.rmtree(partial, ignore_errors=True)
        lock.release()


def _fill(folder: Path, contents: Mapping[str, bytes]) -> None:
    (folder / "steps").mkdir()
    (folder / CHECKPOINTS).mkdir()
    for name, data in contents.items():
        write_durable(folder / name, data)
    sync_folder(folder / "steps")
    sync_folder(folder)


def write_heartbeat(folder: Path, *, step: int, state: Pulse, gate_step: int | None) -> None:
    """Replace heartbeat.json; raise StorageError."""
    beat = {
        "run": folder.name,
        "step": step,
        "state": state,
        "time": time.time(),
        "gate_step": gate_step,
    }
    write_json_atomic(folder / HEARTBEAT, beat)


def read_heartbeat(folder: Path) -> Heartbeat | None:
    """Return the last heartbeat, or None when there is none that can be read."""
    try:
        beat: Any = json.loads((folder / HEARTBEAT).read_bytes())
        return Heartbeat(**beat)
    except (OSError, ValueError, TypeError):
        return None


def append_session(folder: Path, *, versions: Mapping[str, str], resumed_from: int | None) -> None:
    """Note in sessions.jsonl that this process writes to the run; raise StorageError.

    `versions` names what the numbers depend on, for example {"torch": "2.9.0"}; `resumed_from` is the
    step of the checkpoint it goes on from.
    """
    path = folder / SESSIONS
    session: dict[str, Json] = {
        "time": time.time(),
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "versions": dict(versions),
        "resumed_from": resumed_from,
    }
    try:
        with path.open("ab+", buffering=0) as file:
            file.seek(max(0, path.stat().st_size - 1))
            mend = b"\n" if file.read(1) not in (b"", b"\n") else b""
            append_record(file.fileno(), mend + compact(session) + b"\n", path=path)
    except OSError as error:
        raise storage_error(path, error) from error


def read_sessions(folder: Path) -> list[dict[str, Any]]:
    """Return the process starts of a run, oldest first; a torn line is left out."""
    try:
        lines = (folder / SESSIONS).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    sessions = []
    for line in lines:
        try:
            sessions.append(json.loads(line))
        except ValueError:
            continue
    return [session for session in sessions if isinstance(session, dict)]


def is_kept(folder: Path) -> bool:
    """Return whether a run is marked to be kept whole."""
    return (folder / KEEP).exists()


def mark_kept(folder: Path, *, kept: bool) -> None:
    """Set the mark of a run that is to be kept whole, or take it away; raise StorageError."""
    path = folder / KEEP
    try:
        if kept:
            path.touch()
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
