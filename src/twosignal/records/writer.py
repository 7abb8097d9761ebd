"""Writing a run's records: takes steps and events, gives a run folder that survives a kill at any moment.

The caller trains; the writer records. The protocol that makes a killed and resumed run end with the
records of an undisturbed one, clock data apart:

1.  Within a step, first `step_row`, then the step's events. Both are deterministic but for `clock`.
2.  At a checkpoint, after all rows and events of the step:
    `cursor = writer.cursor()`, which waits until the disk has everything recorded so far;
    save the checkpoint with `cursor` in it, so that it appears whole or not at all;
    `writer.append(checkpoint event)`.
3.  After a restart: `writer = RunWriter.reopen(folder)`, restore the newest checkpoint,
    `writer.rewind(its cursor)`, append the checkpoint event again, and train on. Without a checkpoint,
    `writer.rewind(BEGINNING)` and start over, `start` event first.

The cursor is taken before the checkpoint event, so it does not matter whether the kill came before or
after that event: the resumed run always tells it again. What is told again is compared with what
stands there. While both are equal nothing is written. Where they differ, or the caller asks for it, the
run forks: everything from there on is written behind the old records under the next attempt number,
and the old records from there on no longer count (see `lineage`).

Therefore an `end` event is for a run that is over. A run that was interrupted or failed writes only a
heartbeat, and goes on from its last checkpoint.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Final, Self, TypedDict

import twosignal.records.folder as places
from twosignal.errors import RunError, TwosignalError
from twosignal.records.columns import CLOCK_COLUMNS, KEY_COLUMNS, Column, ColumnFile, read_rows
from twosignal.records.events import FIRST_HASH, VERSION, Event, chain, encode_event
from twosignal.records.journal import Journal
from twosignal.records.lineage import Fork, Segment, live_segments
from twosignal.records.lock import FolderLock
from twosignal.records.room import storage_error
from twosignal.records.storage import append_record


class Cursor(TypedDict):
    """A place in a run's records: plain data, kept in every checkpoint."""

    events: int
    """Lines of events.jsonl after the header."""
    steps: int
    """Rows of learning.bin, one per step."""
    step: int
    """Step of the last row."""
    attempt: int
    """Attempt that the last record belongs to."""
    hash: str
    """Hash of the last line."""


BEGINNING: Final[Cursor] = {"events": 0, "steps": 0, "step": 0, "attempt": 0, "hash": FIRST_HASH}
"""The cursor of a run that has recorded nothing."""


class RunWriter:
    """The one writer of a run folder; made by `create` or `reopen`, released by `close` or by death."""

    def __init__(self, path: Path, lock: FolderLock) -> None:
        self.path = path
        """The run folder."""
        self.diverged_at: int | None = None
        """First step at which a resumed run differed from its earlier records; None while it did not."""
        self._lock = lock
        self._closed = False
        journal = Journal.read(path / places.EVENTS)
        if journal.version != VERSION:
            message = f"the records are of version {journal.version} of the format, which is read but no longer written"
            raise RunError(message, where=str(path), remedy="Start a new run from its newest checkpoint.")
        self._events_path = journal.path
        self._events = _open_lines(journal)
        self._hashes = [journal.hash_after(i + 1) for i in range(len(journal.lines))]
        self._forks = journal.forks
        self._learning = ColumnFile(path / places.LEARNING)
        self._clock = ColumnFile(path / places.CLOCK)
        self._learning_numbers = _Ordered(self._learning.names[len(KEY_COLUMNS) :])
        self._told_clocks: set[tuple[int, int]] = set()
        live = self._live_segments()
        self._segments = live[-1:]
        self._events_at, self._rows_at = len(self._hashes), self._learning.num_rows
        self._hash = self._hashes[-1] if self._hashes else FIRST_HASH
        self._last_step = self._last_live_step(live)

    @classmethod
    def create(
        cls, runs_dir: Path, name: str, *, run_toml: str, columns: Sequence[Column], now: datetime
    ) -> Self:
        """Make a new run folder `<name>-<time>-<6 hex>` and open it.

        `columns` are the deterministic numbers of a step, usually `learning_columns(sources)`; step and
        attempt come before them. Raises RunError for a bad name, ValueError for columns without loss_sum,
        targets and bytes, StorageError where writing fails.
        """
        new = places.make_folder(runs_dir, name, run_toml=run_toml, columns=columns, now=now)
        return cls._open(new.path, new.lock)

    @classmethod
    def reopen(cls, folder: Path) -> Self:
        """Open an existing run folder at the end of its records, after cutting off what a kill left torn.

        Raises RunError when the folder is no run, is damaged, or is being written by another process.
        """
        if not (folder / places.EVENTS).is_file():
            message = "this is not a run folder"
            raise RunError(message, where=str(folder), expected=f"a folder with {places.EVENTS}")
        return cls._open(folder, FolderLock(folder))

    @classmethod
    def _open(cls, folder: Path, lock: FolderLock) -> Self:
        try:
            return cls(folder, lock)
        except TwosignalError:
            lock.release()
            raise

    @property
    def attempt(self) -> int:
        """Number of the attempt now being recorded."""
        return self._segments[0].attempt

    def append(self, event: Event) -> None:
        """Record an event; the attempt is set here, and the wall time too unless the clock has one.

        Raises ValueError or TypeError for an event that breaks the schema, StorageError.
        """
        event.check()
        self._pass_fork()
        timed = {"time": time.time(), **event.clock}
        line = encode_event(replace(event, attempt=self.attempt, clock=timed), self._hash)
        if self._events_at == len(self._hashes):
            self._write_line(line.line, line.hash)
        elif self._events_at in self._segments[0].events and self._hashes[self._events_at] == line.hash:
            self._events_at += 1
            self._hash = line.hash
        else:
            self._diverge(event.step)
            self.append(event)

    def step_row(self, step: int, learning: Mapping[str, float], *, clock: Mapping[str, float]) -> None:
        """Record the numbers of a step: `learning` by the names of the run's columns, `clock` by CLOCK_COLUMNS.

        Raises ValueError when a name is missing or unknown or the step is not above the last, StorageError.
        """
        if step <= self._last_step:
            message = f"step {step} after step {self._last_step}: steps of an attempt rise"
            raise ValueError(message)
        numbers = self._learning_numbers(learning)
        timing = _CLOCK_NUMBERS(clock)
        if len(self._segments) > 1:
            self._pass_fork()
        row = self._learning.pack((step, self.attempt, *numbers))
        if self._rows_at < self._learning.num_rows and not self._is_told(row):
            self._diverge(step)
            row = self._learning.pack((step, self.attempt, *numbers))
        if self._rows_at == self._learning.num_rows:
            self._learning.append(row)
        self._rows_at += 1
        if (self.attempt, step) not in self._told_clocks:
            self._clock.append(self._clock.pack((step, self.attempt, *timing)))
        self._last_step = step

    def cursor(self) -> Cursor:
        """Return the place reached, once the disk has everything up to it; raise StorageError."""
        self.flush()
        return {
            "events": self._events_at,
            "steps": self._rows_at,
            "step": self._last_step,
            "attempt": self.attempt,
            "hash": self._hash,
        }

    def rewind(self, cursor: Cursor, *, replay: bool = True) -> None:
        """Go back to `cursor`: what is told from here on is compared with the records behind it.

        Without `replay`, or where the records behind the cursor no longer count, a new attempt
        begins at once. Raises RunError when the cursor is not of these records.
        """
        self._check_cursor(cursor)
        live = self._live_segments()
        reached = [i for i, segment in enumerate(live) if _holds(segment, cursor)]
        self._events_at, self._rows_at = cursor["events"], cursor["steps"]
        self._hash, self._last_step = cursor["hash"], cursor["step"]
        self.diverged_at = None
        clocks = read_rows(self.path / places.CLOCK)
        clocks = clocks[clocks["step"] > cursor["step"]]
        self._told_clocks = set(zip(clocks["attempt"].tolist(), clocks["step"].tolist(), strict=True))
        if replay and reached:
            self._segments = live[reached[0] :]
        else:
            self._fork(cursor["attempt"], step=cursor["step"] + 1)

    def session(self, *, versions: Mapping[str, str], resumed_from: int | None = None) -> None:
        """Note that this process writes to the run, and from which step it goes on; raise StorageError."""
        places.append_session(self.path, versions=versions, resumed_from=resumed_from)

    def heartbeat(self, *, state: places.Pulse, gate_step: int | None = None) -> None:
        """Say that the run is alive, or how it stopped; every few seconds is enough.

        Raises StorageError, and RunError when another process has taken the run over.
        """
        self._lock.renew()
        places.write_heartbeat(self.path, step=self._last_step, state=state, gate_step=gate_step)

    def flush(self) -> None:
        """Wait until the disk has everything recorded so far; raise StorageError."""
        self._sync_lines()
        self._learning.sync()
        self._clock.sync()

    def close(self) -> None:
        """Release the folder, once; nothing is pending, every record was written when it was told."""
        if self._closed:
            return
        self._closed = True
        os.close(self._events)
        self._learning.close()
        self._clock.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_told(self, row: bytes) -> bool:
        return self._rows_at in self._segments[0].rows and self._learning.row(self._rows_at) == row

    def _pass_fork(self) -> None:
        """Follow the earlier records into their next attempt when all of this one has been told again."""
        while len(self._segments) > 1 and (self._events_at, self._rows_at) == (
            self._segments[0].events.stop,
            self._segments[0].rows.stop,
        ):
            self._segments = self._segments[1:]
            self._events_at, self._rows_at = self._segments[0].events.start + 1, self._segments[0].rows.start
            self._hash = self._hashes[self._events_at - 1]

    def _diverge(self, step: int) -> None:
        if self.diverged_at is None:
            self.diverged_at = step
        self._fork(self.attempt, step=step)

    def _fork(self, parent: int, *, step: int) -> None:
        """Begin the next attempt behind all records, as a child of `parent` left at the present place."""
        fork = Fork(
            attempt=len(self._forks) + 1,
            parent=parent,
            step=step,
            events=self._events_at,
            steps=self._rows_at,
            index=len(self._hashes),
        )
        line = chain(fork.record(), self._hash)
        self._write_line(line.line, line.hash)
        self._sync_lines()
        self._forks.append(fork)
        self._rows_at = self._learning.num_rows
        self._segments = self._live_segments()[-1:]

    def _write_line(self, line: bytes, digest: str) -> None:
        append_record(self._events, line, path=self._events_path)
        self._hashes.append(digest)
        self._hash = digest
        self._events_at = len(self._hashes)

    def _sync_lines(self) -> None:
        try:
            os.fsync(self._events)
        except OSError as error:
            raise storage_error(self._events_path, error) from error

    def _live_segments(self) -> list[Segment]:
        attempts = read_rows(self.path / places.LEARNING)["attempt"]
        return live_segments(self._forks, num_lines=len(self._hashes), row_attempts=attempts)

    def _last_live_step(self, live: Sequence[Segment]) -> int:
        rows = read_rows(self.path / places.LEARNING)
        ends = [segment.rows.stop - 1 for segment in live if segment.rows]
        return int(rows["step"][ends[-1]]) if ends else 0

    def _check_cursor(self, cursor: Cursor) -> None:
        events, rows = cursor["events"], cursor["steps"]
        known = [FIRST_HASH, *self._hashes]
        if events < len(known) and known[events] == cursor["hash"] and rows <= self._learning.num_rows:
            return
        message = "the checkpoint is not of these records"
        raise RunError(
            message,
            where=str(self.path),
            found=f"{len(self._hashes)} events, {self._learning.num_rows} rows",
            expected=f"{events} events ending in {cursor['hash'][:8]}, {rows} rows",
            remedy="Resume from an older checkpoint of this folder, or start a new run.",
        )


class _Ordered:
    """The numbers of a step in the order of its columns."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._pick = itemgetter(*names)

    def __call__(self, numbers: Mapping[str, float]) -> tuple[float, ...]:
        """Return the numbers; raise ValueError when their names are not those of the columns."""
        try:
            ordered: tuple[float, ...] = self._pick(numbers)
        except KeyError as error:
            message = f"the step's numbers lack {error}"
            raise ValueError(message) from error
        if len(numbers) != len(self._names):
            message = f"the run has no column {sorted(set(numbers) - set(self._names))[0]!r}"
            raise ValueError(message)
        return ordered


_CLOCK_NUMBERS: Final = _Ordered([column.name for column in CLOCK_COLUMNS])


def _open_lines(journal: Journal) -> int:
    """Return a descriptor that appends behind the last whole line."""
    try:
        descriptor = os.open(journal.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.ftruncate(descriptor, journal.num_bytes)
    except OSError as error:
        raise storage_error(journal.path, error) from error
    return descriptor


def _holds(segment: Segment, cursor: Cursor) -> bool:
    return (
        segment.attempt == cursor["attempt"]
        and cursor["events"] <= segment.events.stop
        and cursor["steps"] <= segment.rows.stop
    )
