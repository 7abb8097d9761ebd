"""Writing that survives a kill: takes bytes and a place, gives files that are whole or as before, or a StorageError.

On a full disk these wait where `room.waiting_for_room` says so.
"""

import errno
import hashlib
import os
from functools import partial
from pathlib import Path

from twosignal.records.room import storage_error as storage_error
from twosignal.records.room import tried_again, with_room
from twosignal.records.values import compact, encode


def append_record(descriptor: int, data: bytes, *, path: Path) -> None:
    """Append `data` by one system call; on a full disk leave nothing of it behind, wait if told to, and try again.

    Raises StorageError.
    """
    try:
        _append_whole(descriptor, data)
    except OSError as error:
        tried_again(partial(_append_whole, descriptor, data), error, path=path)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` so that a reader sees the old content or the new, never a part; raise StorageError."""
    with_room(partial(_replace, path, data), path=path)


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


def file_hash(path: Path) -> str:
    """Return 32 hex digits of a file's content: blake2b, as the files of a checkpoint are listed with."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _replace(path: Path, data: bytes) -> None:
    hidden = path.with_name(f".{path.name}.partial")
    hidden.write_bytes(data)
    hidden.replace(path)


def _append_whole(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    if written != len(data):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
