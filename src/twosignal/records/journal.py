"""The lines of events.jsonl: takes the file, gives its whole lines, its forks, and whether its chain holds."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from twosignal.errors import RunError
from twosignal.records.events import DECODERS, FIRST_HASH, HEADER, VERSION, Event, chain_hash
from twosignal.records.lineage import Fork, Segment
from twosignal.records.values import Json, compact

HEADER_LINE = compact(HEADER) + b"\n"
_HASH_AT_END = re.compile(rb'"hash":"([0-9a-f]{32})"\}$')
_FORK = b'{"fork":'
_KIND = b'{"kind":"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The whole lines of events.jsonl at the moment of reading."""

    path: Path
    """The file."""
    lines: list[bytes]
    """Lines after the header, without newlines; a torn last line is left out."""
    forks: list[Fork]
    """Where attempts left their parents, in order."""
    num_bytes: int
    """Bytes of the file up to the end of the last whole line."""
    version: int = VERSION
    """Format of the lines."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file as it stands, while it is written too.

        Raises RunError when the file is missing, not of this format, or has a broken fork line.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            message = "the events of the run cannot be read"
            raise RunError(message, where=str(path), found=error.strerror or str(error)) from error
        num_bytes = data.rfind(b"\n") + 1
        header, *lines = data[:num_bytes].split(b"\n")[:-1] or [b""]
        version = _version(header, path)
        journal = cls(path=path, lines=lines, forks=[], num_bytes=num_bytes, version=version)
        for index, line in enumerate(lines):
            if line.startswith(_FORK):
                journal.forks.append(journal.fork(index))
        return journal

    def record(self, index: int) -> dict[str, Json]:
        """Return the parsed line; raise RunError with file and line where it is damaged."""
        try:
            value: Any = json.loads(self.lines[index])
        except ValueError as error:
            raise self.damaged(index, str(error)) from error
        if not isinstance(value, dict):
            raise self.damaged(index, f"a {type(value).__name__}")
        return value

    def event(self, index: int) -> Event:
        """Return the event of a line; raise RunError with file and line where it is damaged."""
        record = self.record(index)
        try:
            return DECODERS[self.version](record)
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged(index, str(error)) from error

    def fork(self, index: int) -> Fork:
        """Return the fork of a line; raise RunError where it is damaged."""
        record = self.record(index)
        names = ("fork", "parent", "step", "events", "steps")
        attempt, parent, step, events, steps = (record.get(name) for name in names)
        if (
            not isinstance(step, int)
            or not (isinstance(attempt, int) and attempt == len(self.forks) + 1)
            or not (isinstance(parent, int) and 0 <= parent < attempt)
            or not (isinstance(events, int) and 0 <= events <= index)
            or not (isinstance(steps, int) and steps >= 0)
        ):
            raise self.damaged(index, "a fork that does not fit the lines before it")
        return Fork(attempt=attempt, parent=parent, step=step, events=events, steps=steps, index=index)

    def indexes(
        self, segments: list[Segment], *, kind: str | None = None, newest_first: bool = False
    ) -> Iterator[int]:
        """Yield the indexes of the events within `segments`, only those of `kind` if given.

        Raises RunError at a line that is neither an event nor a fork.
        """
        wanted = _KIND + (f'{kind}"'.encode() if kind else b"")
        for segment in reversed(segments) if newest_first else segments:
            for index in reversed(segment.events) if newest_first else segment.events:
                line = self.lines[index]
                if line.startswith(wanted):
                    yield index
                elif not line.startswith((_KIND, _FORK)):
                    raise self.damaged(index, repr(line[:40].decode("ascii", "replace")))

    def hash_after(self, count: int) -> str:
        """Return the hash that the line after the first `count` lines is chained to."""
        if not count:
            return FIRST_HASH
        found = _HASH_AT_END.search(self.lines[count - 1])
        if not found:
            raise self.damaged(count - 1, "no hash at the end of the line")
        return found[1].decode("ascii")

    def first_broken_line(self) -> int | None:
        """Return the number in the file of the first line whose hash does not follow; None when all do."""
        previous = FIRST_HASH
        hashes = [FIRST_HASH]
        for index, line in enumerate(self.lines):
            try:
                record = self.record(index)
            except RunError:
                return index + 2
            if line.startswith(_FORK):
                previous = hashes[_left_at(record)]
            if record.get("hash") != chain_hash(record, previous):
                return index + 2
            previous = str(record["hash"])
            hashes.append(previous)
        return None

    def damaged(self, index: int, found: str) -> RunError:
        """Return the error for a line that cannot be read."""
        return RunError(
            "this line of the record is damaged",
            where=f"{self.path}:{index + 2}",
            found=found,
            expected="one JSON object as twosignal wrote it",
            remedy="Restore the file from a copy: records are only ever appended, so an older copy is its beginning.",
        )


def lines_behind(path: Path, num_bytes: int) -> list[bytes]:
    """Return the whole lines behind the first `num_bytes` of events.jsonl, without newlines; raise RunError."""
    try:
        with path.open("rb") as file:
            file.seek(num_bytes)
            data = file.read()
    except OSError as error:
        message = "the events of the run cannot be read"
        raise RunError(message, where=str(path), found=error.strerror or str(error)) from error
    return data.split(b"\n")[:-1]


def _left_at(fork: Mapping[str, Json]) -> int:
    events = fork["events"]
    assert isinstance(events, int)
    return events


def _version(line: bytes, path: Path) -> int:
    try:
        header: Any = json.loads(line)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("twosignal") != HEADER["twosignal"]:
        message = "this is not the record of a run"
        found = repr(line[:40].decode("ascii", "replace"))
        raise RunError(message, where=f"{path}:1", found=found, expected=HEADER_LINE.decode().strip())
    version = header.get("version")
    if not isinstance(version, int) or version not in DECODERS:
        message = "the record is of a format this version of twosignal does not know"
        remedy = "Read it with the version of twosignal that wrote it."
        found, expected = f"version {version}", f"version {', '.join(map(str, DECODERS))}"
        raise RunError(message, where=f"{path}:1", found=found, expected=expected, remedy=remedy)
    return version
