"""One source of a run file: takes its table, gives its records as a stream, each marked trained on or held out.

Nothing is dropped in silence: malformed records are counted, the first hundred are kept with their
place, and a source with too many of them is refused.
"""

from collections.abc import Iterator
from hashlib import blake2b, file_digest
from itertools import islice
from pathlib import Path

from twosignal.config import SourceTable
from twosignal.errors import SourceError
from twosignal.text.builtin import BuiltinInput, builtin_fingerprint, parse_builtin
from twosignal.text.conversation import Document, Origin, Record
from twosignal.text.formats import parse
from twosignal.text.hub import HubInput, hub_fingerprint, parse_hub, read_hub
from twosignal.text.malformed import BadRecord, MalformedError
from twosignal.text.paths import InputFile, find_files
from twosignal.text.readers import Row, count_rows, named_errors, read_rows
from twosignal.text.sections import count_characters, read_pieces
from twosignal.text.split import Reading, first_held_out, is_chosen

MAX_KEPT = 100
"""Bad records kept with their place; all are counted."""
EARLY_RECORDS = 50
"""After so many records a source that is mostly malformed is refused at once."""

Input = InputFile | BuiltinInput | HubInput


class SourceReader:
    """The records of one source, in a fixed order; may be iterated again and starts afresh each time."""

    def __init__(self, name: str, table: SourceTable, *, folder: Path) -> None:
        """Find the source's inputs; relative paths begin at `folder`.

        Raises SourceError where an input is missing or of an unknown kind.
        """
        self.name = name
        self.table = table
        self.num_records = 0
        """Records given so far."""
        self.num_bad = 0
        """Malformed records met so far."""
        self.skipped: list[BadRecord] = []
        """The first of the malformed records."""
        self._inputs = _find_inputs(name, table.path, folder=folder)
        self._num_taken = 0
        self.files: tuple[Path, ...] = tuple(
            found.path for found in self._inputs if isinstance(found, InputFile)
        )
        """The files of the source, absolute, in the order they are read."""

    def __iter__(self) -> Iterator[Reading]:
        """Yield every record.

        Raises SourceError where a file cannot be read, too many records are malformed, or there is none.
        """
        self.num_records = self.num_bad = self._num_taken = 0
        self.skipped = []
        for found in self._inputs:
            if self._is_full():
                break
            for reading in self._read(found):
                self.num_records += 1
                yield reading
        self._judge()

    def input_fingerprint(self) -> str:
        """Return a hash, in hexadecimal, of everything the source reads: equal inputs, equal hash."""
        digest = blake2b(digest_size=16)
        for found in self._inputs:
            if isinstance(found, InputFile):
                with named_errors(found), found.path.open("rb") as stream:
                    digest.update(file_digest(stream, "blake2b").digest())
            elif isinstance(found, HubInput):
                digest.update(hub_fingerprint(found))
            else:
                digest.update(builtin_fingerprint(found, limit=self.table.limit))
        return digest.hexdigest()

    def _read(self, found: Input) -> Iterator[Reading]:
        if isinstance(found, BuiltinInput):
            return self._read_builtin(found)
        if isinstance(found, InputFile) and found.is_text:
            return self._read_text(found)
        return self._read_rows(found)

    def _read_rows(self, found: InputFile | HubInput) -> Iterator[Reading]:
        rows = read_hub(found) if isinstance(found, HubInput) else read_rows(found)
        first = self._first_held_out_row(found)
        for number, row in enumerate(rows):
            record = self._parse(row, found)
            if record is None:
                continue
            self._num_taken += 1
            held_out = is_chosen(record, self.table.held_out) if first is None else number >= first
            yield Reading(record=record, held_out=held_out)
            if self._is_full():
                return

    def _read_text(self, file: InputFile) -> Iterator[Reading]:
        pieces = islice(read_pieces(file, self.table.documents), self._remaining())
        first = self._first_held_out_character(file)
        for piece in pieces:
            self._num_taken += 1
            for part in (piece,) if first is None else piece.divided(first):
                record = Document(
                    text=part.text,
                    origin=Origin(source=self.name, file=file.shown, line=part.line),
                    is_start=part.is_start,
                    is_end=part.is_end,
                )
                held_out = is_chosen(record, self.table.held_out) if first is None else part.start >= first
                yield Reading(record=record, held_out=held_out)

    def _read_builtin(self, found: BuiltinInput) -> Iterator[Reading]:
        records: Iterator[Record] = found.records(source=self.name, limit=self._remaining())
        first = None
        if self.table.held_out_at == "end":
            listed = list(records)
            records, first = iter(listed), first_held_out(len(listed), self.table.held_out)
        for number, record in enumerate(records):
            self._num_taken += 1
            held_out = is_chosen(record, self.table.held_out) if first is None else number >= first
            yield Reading(record=record, held_out=held_out)

    def _first_held_out_row(self, found: InputFile | HubInput) -> int | None:
        """Return the number, from 0, of the first row held out at the end; None when texts decide."""
        if self.table.held_out_at == "hash":
            return None
        remaining = self._remaining()
        if isinstance(found, HubInput):
            length = sum(1 for _ in islice(read_hub(found), remaining))
        else:
            length = count_rows(found)
        return first_held_out(length if remaining is None else min(length, remaining), self.table.held_out)

    def _first_held_out_character(self, file: InputFile) -> int | None:
        """Return the offset of the first character held out at the end; None when texts decide.

        Under a limit the end is that of the last piece the limit lets through.
        """
        if self.table.held_out_at == "hash":
            return None
        remaining = self._remaining()
        if remaining is None:
            return first_held_out(count_characters(file), self.table.held_out)
        length = 0
        for piece in islice(read_pieces(file, self.table.documents), remaining):
            length = piece.end
        return first_held_out(length, self.table.held_out)

    def _parse(self, row: Row, found: InputFile | HubInput) -> Record | None:
        try:
            if isinstance(row.value, MalformedError):
                raise row.value
            origin = Origin(source=self.name, file=found.shown, line=row.line)
            return parse(row.value, self.table.format, origin=origin)
        except MalformedError as error:
            self._skip(BadRecord(file=found.shown, line=row.line, found=error.found, expected=error.expected))
            return None

    def _skip(self, bad: BadRecord) -> None:
        self.num_bad += 1
        if len(self.skipped) < MAX_KEPT:
            self.skipped.append(bad)
        total = self.num_bad + self.num_records
        if total >= EARLY_RECORDS and self.num_bad > max(0.5, self.table.max_bad) * total:
            raise self._too_many_bad(f"{self.num_bad} of the first {total}")

    def _judge(self) -> None:
        total = self.num_bad + self.num_records
        if self.num_bad > self.table.max_bad * total:
            raise self._too_many_bad(f"{self.num_bad} of {total}")
        if not self.num_records:
            raise SourceError(
                f'source "{self.name}": there is no record in it',
                where=", ".join(found.shown for found in self._inputs[:3]),
                found=f"{len(self._inputs)} empty {'input' if len(self._inputs) == 1 else 'inputs'}",
                expected="conversations or text",
                remedy=f"Fill it, or correct sources.{self.name}.path.",
            )

    def _too_many_bad(self, how_many: str) -> SourceError:
        first = self.skipped[0]
        return SourceError(
            f'source "{self.name}": {how_many} records are malformed, '
            f"more than max_bad = {self.table.max_bad:g}; the first is here",
            where=f"{first.file}:{first.line}",
            found=first.found,
            expected=first.expected,
            remedy=f"Correct the data, set sources.{self.name}.format, or raise sources.{self.name}.max_bad.",
        )

    def _remaining(self) -> int | None:
        return None if self.table.limit is None else self.table.limit - self._num_taken

    def _is_full(self) -> bool:
        return self.table.limit is not None and self._num_taken >= self.table.limit


def _find_inputs(name: str, path: str | list[str], *, folder: Path) -> tuple[Input, ...]:
    entries = [path] if isinstance(path, str) else path
    if not entries or not all(entry.strip() for entry in entries):
        raise SourceError(
            f'source "{name}": {"a path is empty" if entries else "the list of paths is empty"}',
            where=f"sources.{name}.path",
            expected="a file, a folder, a glob, builtin:NAME or hf:owner/name",
        )
    inputs: dict[str | Path, Input] = {}
    for entry in entries:
        if entry.startswith("builtin:"):
            inputs.setdefault(entry, parse_builtin(entry, source=name))
        elif entry.startswith("hf:"):
            inputs.setdefault(entry, parse_hub(entry, folder=folder, source=name))
        else:
            for file in find_files(entry, folder=folder, source=name):
                inputs.setdefault(file.path, file)
    return tuple(inputs.values())
