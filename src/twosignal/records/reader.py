"""Reading a run's records: takes a run folder or id, gives a `Run` with its events and steps, while it is written too.

Nothing is kept between calls: every call reads the files as they stand.
"""

import difflib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np

import twosignal.records.folder as places
from twosignal.errors import RunError
from twosignal.records.alive import is_alive
from twosignal.records.columns import Rows, read_rows
from twosignal.records.events import Event, Kind
from twosignal.records.journal import Journal
from twosignal.records.lineage import Fork, Segment, live_segments
from twosignal.records.saved import saved_checkpoints

State = Literal["running", "finished", "halted", "refused", "interrupted", "failed", "stopped"]

_STEP_BITS: Final = 40
"""A step and its attempt are joined into one integer to look rows up; steps stay below 2**40."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The records of a run at one moment."""

    journal: Journal
    """Lines of events.jsonl."""
    rows: Rows
    """Rows of learning.bin, abandoned attempts included."""
    live: list[Segment]
    """Which of both count."""

    @classmethod
    def of(cls, journal: Journal, rows: Rows) -> Self:
        """Join both; the rows must have been read first, so that every attempt among them has its fork."""
        live = live_segments(journal.forks, num_lines=len(journal.lines), row_attempts=rows["attempt"])
        return cls(journal=journal, rows=rows, live=live)

    def events(self, kind: Kind | None = None, *, live: bool = True) -> Iterator[Event]:
        """Yield the events of a kind, or all, as they were told."""
        everything = [Segment(attempt=0, events=range(len(self.journal.lines)), rows=range(0))]
        for index in self.journal.indexes(self.live if live else everything, kind=kind):
            yield self.journal.event(index)

    def newest_events(self, kind: Kind) -> Iterator[Event]:
        """Yield the live events of a kind, newest first; those not asked for are not parsed."""
        for index in self.journal.indexes(self.live, kind=kind, newest_first=True):
            yield self.journal.event(index)

    def last_event(self, kind: Kind) -> Event | None:
        """Return the newest live event of a kind."""
        return next(self.newest_events(kind), None)

    def steps(self) -> Rows:
        """Return the live rows, shape [steps]."""
        if len(self.live) == 1 and len(self.live[0].rows) == len(self.rows):
            return self.rows
        return np.concatenate([self.rows[segment.rows.start : segment.rows.stop] for segment in self.live])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run folder, for reading."""

    path: Path
    """The folder."""

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def config(self) -> dict[str, Any]:
        """The resolved run file as it was stored; raise RunError where it cannot be read."""
        path = self.path / places.RUN_FILE
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            message = "the run's configuration cannot be read"
            raise RunError(message, where=str(path), found=str(error)) from error

    def snapshot(self) -> Snapshot:
        """Return events and steps as they stand now; raise RunError where they cannot be read."""
        rows = read_rows(self.path / places.LEARNING)
        return Snapshot.of(Journal.read(self.path / places.EVENTS), rows)

    def events(self, kind: Kind | None = None, *, live: bool = True) -> Iterator[Event]:
        """Yield the events of a kind, or all, as they were told; `live` leaves out abandoned attempts.

        Raises RunError with file and line at a damaged one. A torn last line is not there yet.
        """
        return self.snapshot().events(kind, live=live)

    def samples(self) -> list[Event]:
        """Return what the model said by itself, oldest first."""
        return list(self.events("sample"))

    def probes(self) -> list[Event]:
        """Return the held-out losses, oldest first."""
        return list(self.events("probe"))

    def verdicts(self) -> list[Event]:
        """Return what the gate decided, oldest first."""
        return list(self.events("verdict"))

    def steps(self, *, live: bool = True) -> Rows:
        """Return the deterministic numbers of every step, one row per step, shape [steps].

        `live` leaves out abandoned attempts, and then steps rise from row to row.
        """
        return self.snapshot().steps() if live else read_rows(self.path / places.LEARNING)

    def clock(self) -> Rows:
        """Return the timing of every live step that has one, shape [steps]."""
        steps, timing = self.steps(), read_rows(self.path / places.CLOCK)
        return timing[np.isin(_keys(timing), _keys(steps))]

    def attempts(self) -> list[Fork]:
        """Return where the run left its earlier records, in order; empty for a run that never did."""
        return Journal.read(self.path / places.EVENTS).forks

    def checkpoints(self) -> list[Path]:
        """Return the checkpoint folders, oldest first; one still being written has another name."""
        return saved_checkpoints(self.path)

    @property
    def last_step(self) -> int:
        """Last live step; 0 before the first."""
        steps = self.steps()["step"]
        return int(steps[-1]) if len(steps) else 0

    @property
    def state(self) -> State:
        """What the run is doing; `stopped` when its process is gone and nothing says why."""
        beat = places.read_heartbeat(self.path)
        if beat and (beat.state != "running" or is_alive(self.path, beat)):
            return beat.state
        end = self.snapshot().last_event("end")
        return end.text("state") if end else "stopped"  # type: ignore[return-value]

    @property
    def fingerprint(self) -> str:
        """Hash of the last line: equal for two runs that recorded the same, on any day and machine."""
        journal = Journal.read(self.path / places.EVENTS)
        return journal.hash_after(len(journal.lines))

    def verify_chain(self) -> int | None:
        """Return the number of the first line of events.jsonl that was changed or lost; None when all hold."""
        return Journal.read(self.path / places.EVENTS).first_broken_line()


def open_run(run: str | Path, runs_dir: Path | None = None) -> Run:
    """Return the run in a folder, or the one under `runs_dir` (default `runs`) whose id is or begins with `run`.

    Raises RunError naming the nearest ids when there is none, or all when there are several.
    """
    if (Path(run) / places.EVENTS).is_file():
        return Run(path=Path(run).resolve())
    where = runs_dir or Path("runs")
    ids = [path.name for path in run_folders(where)]
    matching = [name for name in ids if name == str(run)] or [n for n in ids if n.startswith(str(run))]
    if len(matching) == 1:
        return Run(path=(where / matching[0]).resolve())
    if matching:
        message = f"{run} is the beginning of several runs"
        raise RunError(message, where=str(where), found=", ".join(matching), expected="one of them")
    near = difflib.get_close_matches(str(run), ids, n=3, cutoff=0.4)
    raise RunError(
        f"there is no run {run}",
        where=str(where),
        expected="a run folder, a run's id, or its beginning",
        remedy=f"The nearest are {', '.join(near)}."
        if near
        else "List the runs with: twosignal runs FOLDER.",
    )


def run_folders(runs_dir: Path) -> list[Path]:
    """Return the run folders directly under `runs_dir`, by name; none when it does not exist."""
    if not runs_dir.is_dir():
        return []
    visible = (path for path in runs_dir.iterdir() if not path.name.startswith("."))
    return sorted(path for path in visible if (path / places.EVENTS).is_file())


def _keys(rows: Rows) -> Any:  # noqa: ANN401 - numpy does not know the type of a field
    return (rows["attempt"].astype(np.int64) << _STEP_BITS) + rows["step"]
