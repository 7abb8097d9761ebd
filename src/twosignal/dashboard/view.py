"""One run, followed: takes its folder, gives its records as they stand, read again only where they have grown."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from twosignal.dashboard.curves import Curves
from twosignal.dashboard.notes import Notes
from twosignal.dashboard.tail import EventTail
from twosignal.dashboard.tracks import Track, track_to
from twosignal.errors import RunError
from twosignal.records.folder import CLOCK, EVENTS, HEARTBEAT, LEARNING
from twosignal.records.reader import Run

_STATE_SECONDS: Final = 1.0
"""How long a run's state is believed: a process may die without a word."""
FILES: Final = (EVENTS, LEARNING, CLOCK, HEARTBEAT)
"""What an answer depends on, unless it says otherwise."""

Signature = tuple[tuple[int, int, int], ...]
"""Inode, size and time of change of every file that answers depend on."""


@dataclass(slots=True, kw_only=True)
class RunView:
    """The records of one run, for many readers."""

    run: Run
    """The run."""
    tail: EventTail
    """Its events."""
    curves: Curves
    """Its numbers."""
    notes: Notes
    """What its events say."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held while an answer is made: views are shared between threads."""
    _seen: Signature = ()
    _state: tuple[float, str] = (0.0, "")

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Return the view of a run folder; nothing is read yet."""
        tail = EventTail(path=folder / EVENTS)
        return cls(run=Run(path=folder), tail=tail, curves=Curves(folder=folder), notes=Notes(tail=tail))

    @property
    def id(self) -> str:
        """Id of the run."""
        return self.run.id

    def signature(self, files: Sequence[str] = FILES) -> Signature:
        """Return what tells whether anything changed in some files of the run, without reading them."""
        return tuple(_stamp(self.run.path / name) for name in files)

    def refresh(self) -> None:
        """Take in what was recorded since; raise RunError where the records cannot be read."""
        now = self.signature()
        if now == self._seen:
            return
        # Rows first: every attempt among them then has its fork among the events.
        self.curves.refresh()
        self.tail.refresh()
        if self._seen and now[0][0] != self._seen[0][0]:
            self.notes.forget()
        self._seen = now

    def track(self, attempt: int | None = None) -> Track:
        """Return the track to an attempt, the newest by default; raise IndexError where it never was."""
        forks = self.tail.forks
        chosen = len(forks) if attempt is None else attempt
        return track_to(chosen, forks, rows=self.curves.learning, num_lines=len(self.tail.lines))

    def state(self) -> str:
        """Return what the run is doing; raise RunError where its records cannot be read."""
        since, known = self._state
        if time.monotonic() - since > _STATE_SECONDS or not known:
            known = self.run.state
            self._state = (time.monotonic(), known)
        return known

    def state_or_damaged(self) -> str:
        """Return what the run is doing; damaged where its records cannot be read."""
        try:
            return self.state()
        except RunError:
            return "damaged"


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
