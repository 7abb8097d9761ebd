"""The numbers of a loop that is not ours: takes a few numbers per step, gives a file of rows that survives a kill.

    with StepLog(Path("loss.bin"), ["loss", "learning_rate", "gradient_norm"]) as log:
        log(step, loss, learning_rate, gradient_norm)
    read_log(Path("loss.bin"))["loss"]

A step costs one system call and 8 bytes, and 4 bytes a number. The file has the header of every file of steps (see
`columns`), and `read_log` reads it while it is written. A loop that goes back, after a kill or a roll-back, simply
logs the earlier step again: a step that is not above the last begins the next attempt. Nothing is overwritten; what
counts of the rows is said by `live_rows`.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np

from twosignal.errors import RunError, TwosignalError
from twosignal.records.columns import Column, ColumnFile, Rows, header_bytes, read_header, read_rows
from twosignal.records.lock import FolderLock
from twosignal.records.room import storage_error
from twosignal.records.storage import sync_folder, write_durable

LOG_KEYS: Final = (
    Column(name="step", dtype="<u4", unit="optimizer steps"),
    Column(name="attempt", dtype="<u4", unit="returns to an earlier step"),
)
"""First columns of every log; it fills the second."""
_LARGEST = float(np.finfo(np.float32).max)


class StepLog:
    """A file of numbers per step, open for appending; whole after a kill at any moment."""

    def __init__(self, path: Path, columns: Sequence[str | Column]) -> None:
        """Make the file, or go on with it after cutting off a torn last row.

        A column given by name holds 32-bit floats. Raises RunError when another process writes to it or it has other
        columns, ValueError when two columns share a name, StorageError where it cannot be written.
        """
        given = (
            *LOG_KEYS,
            *(Column(name=one, dtype="<f4") if isinstance(one, str) else one for one in columns),
        )
        header = header_bytes(given)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(path.parent, name=f".{path.name}.lock")
        except OSError as error:
            raise storage_error(path, error) from error
        try:
            self._file = _opened(path, header, given)
        except TwosignalError:
            self._lock.release()
            raise
        self.path = path
        """The file."""
        rows = read_rows(path)
        self._last_step = int(rows["step"][-1]) if len(rows) else -1
        self._attempt = int(rows["attempt"][-1]) if len(rows) else 0
        self._pack = self._file.pack_row
        self._append = self._file.append

    def __call__(self, step: int, *values: float) -> None:
        """Append the numbers of a step, in the order of the columns; on return the system has them.

        A number beyond 32 bits is kept as infinite. Raises ValueError for a value that does not fit its column,
        StorageError.
        """
        if step <= self._last_step:
            self._attempt += 1
        try:
            row = self._pack(step, self._attempt, *values)
        except (struct.error, OverflowError, TypeError):
            row = self._file.pack((step, self._attempt, *map(_narrowed, values)))
        self._append(row)
        self._last_step = step

    @property
    def last_step(self) -> int:
        """Step of the last row; -1 before the first."""
        return self._last_step

    def flush(self) -> None:
        """Wait until the disk has everything logged so far, to survive a power cut; raise StorageError."""
        self._file.sync()

    def close(self) -> None:
        """Release the file; nothing is pending."""
        self._file.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_log(path: Path) -> Rows:
    """Return the rows of a log that count, while it is written too: `step`, `attempt` and the columns, shape [steps].

    Raises RunError when the file is missing or not of this format.
    """
    return live_rows(read_rows(path))


def live_rows(rows: Rows) -> Rows:
    """Return the rows of a log that count, shape [steps]: of a step told again only the newest, and nothing behind it.

    `rows` is what `read_rows` gives. Steps rise from row to row in what is returned.
    """
    if not len(rows) or rows["attempt"][0] == rows["attempt"][-1]:
        return rows
    # From the end of the file back: a row counts when every later one is of a higher step.
    steps = rows["step"].astype(np.int64)
    later = np.minimum.accumulate(steps[::-1])[::-1]
    counted: Rows = rows[np.append(steps[:-1] < later[1:], [True])]
    return counted


def _opened(path: Path, header: bytes, columns: Sequence[Column]) -> ColumnFile:
    try:
        if not path.exists():
            hidden = path.with_name(f".{path.name}.partial")
            write_durable(hidden, header)
            hidden.rename(path)
            sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    found = read_header(path).columns
    if found != tuple(columns):
        message = "this log has other columns"
        names = [", ".join(f"{one.name} {one.dtype}" for one in some) for some in (found, columns)]
        remedy = "Log to another file, or name the columns as they are."
        raise RunError(message, where=str(path), found=names[0], expected=names[1], remedy=remedy)
    return ColumnFile(path)


def _narrowed(value: float) -> float:
    """Return infinity for what 32 bits cannot hold, as numpy does."""
    return value if not isinstance(value, float) or abs(value) <= _LARGEST else value * np.inf
