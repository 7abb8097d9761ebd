"""The events of a run as they come: takes events.jsonl, gives what every line is, and its event when it is asked for.

Only what was appended since the last look is read. A line's kind, step and attempt stand at its beginning, so the
rest of it is parsed only when somebody wants to see it.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from twosignal.errors import RunError
from twosignal.records.events import Event, decode_event
from twosignal.records.journal import HEADER_LINE
from twosignal.records.lineage import Fork

_HEAD: Final = re.compile(rb'\{"kind":"([a-z]+)","step":(\d+),"attempt":(\d+)[,}]')
_FORK: Final = b'{"fork":'
_READ: Final = 1 << 24
"""Bytes read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one line of events.jsonl is."""

    number: int
    """Its number, from 0 for the first after the header."""
    kind: str
    """Kind of the event, or fork."""
    step: int
    """Step of the event, or first step of the new attempt."""
    attempt: int
    """Attempt it belongs to."""
    place: int
    """Its first byte in the file."""
    length: int
    """Its bytes, without the newline."""


@dataclass(slots=True, kw_only=True)
class EventTail:
    """The whole lines of events.jsonl, kept up to date by `refresh`."""

    path: Path
    """The file."""
    lines: list[Line] = field(default_factory=list)
    """Every line after the header."""
    forks: list[Fork] = field(default_factory=list)
    """Where attempts left their parents, in order."""
    by_kind: dict[str, list[int]] = field(default_factory=dict)
    """Numbers of the lines of each kind."""
    _read_to: int = 0
    _inode: int = 0

    def refresh(self) -> None:
        """Take in what was appended; start over where the file was replaced. Raises RunError where it is no record."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_size < self._read_to or found.st_ino != self._inode:
                    self._start_over(found.st_ino)
                self._take_in(file.fileno(), found.st_size)
        except OSError as error:
            raise _unreadable(self.path, error.strerror or str(error)) from error

    def event(self, number: int) -> Event:
        """Return the event of a line; raise RunError where it is damaged, IndexError where there is none."""
        line = self.lines[number]
        try:
            return decode_event(self._record(line))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unreadable(self.path, f"line {number + 2}: {error}") from error

    def records(self, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Yield several lines as they stand in the file, numbers that are not finite as words; raise RunError."""
        with self.path.open("rb") as file:
            for number in numbers:
                line = self.lines[number]
                try:
                    yield parse(os.pread(file.fileno(), line.length, line.place))
                except (OSError, ValueError) as error:
                    raise _unreadable(self.path, f"line {number + 2}: {error}") from error

    def events(self, numbers: Sequence[int]) -> Iterator[Event]:
        """Yield the events of several lines."""
        return (self.event(number) for number in numbers)

    def _start_over(self, inode: int) -> None:
        self.lines.clear()
        self.forks.clear()
        self.by_kind.clear()
        self._read_to, self._inode = 0, inode

    def _take_in(self, descriptor: int, size: int) -> None:
        torn = b""
        while (at := self._read_to + len(torn)) < size:
            piece = os.pread(descriptor, min(_READ, size - at), at)
            if not piece:
                return
            *whole, torn = (torn + piece).split(b"\n")
            for line in whole:
                self._append(line)

    def _append(self, line: bytes) -> None:
        place, self._read_to = self._read_to, self._read_to + len(line) + 1
        if place == 0:
            _check_header(line, self.path)
            return
        number = len(self.lines)
        if line.startswith(_FORK):
            self.forks.append(self._fork(line, number))
            kind, step, attempt = "fork", self.forks[-1].step, self.forks[-1].attempt
        elif head := _HEAD.match(line):
            kind, step, attempt = head[1].decode("ascii"), int(head[2]), int(head[3])
        else:
            raise _unreadable(self.path, f"line {number + 2}: {line[:40]!r}")
        self.lines.append(
            Line(number=number, kind=kind, step=step, attempt=attempt, place=place, length=len(line))
        )
        self.by_kind.setdefault(kind, []).append(number)

    def _fork(self, line: bytes, number: int) -> Fork:
        try:
            record = parse(line)
            return Fork(
                attempt=int(record["fork"]),
                parent=int(record["parent"]),
                step=int(record["step"]),
                events=int(record["events"]),
                steps=int(record["steps"]),
                index=number,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(self.path, f"line {number + 2}: {error}") from error

    def _record(self, line: Line) -> dict[str, Any]:
        with self.path.open("rb") as file:
            return parse(os.pread(file.fileno(), line.length, line.place))


def parse(line: bytes) -> dict[str, Any]:
    """Return the object of a line of JSON; raise ValueError where it is none."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        # Lone surrogates, which a model may well write, are refused by the fast parser.
        record = json.loads(line)
    if not isinstance(record, dict):
        message = f"a {type(record).__name__}, not an object"
        raise ValueError(message)  # noqa: TRY004 (one kind of error for a line that cannot be read)
    return record


def _check_header(line: bytes, path: Path) -> None:
    try:
        known = parse(line).get("twosignal") == parse(HEADER_LINE)["twosignal"]
    except ValueError:
        known = False
    if not known:
        raise _unreadable(path, f"line 1: {line[:40]!r}")


def _unreadable(path: Path, found: str) -> RunError:
    return RunError(
        "the events of the run cannot be read", where=f"{path.parent.name}/{path.name}", found=found
    )
