"""Files of records: takes a JSON Lines, JSON or Parquet file, gives its parsed rows one by one with their line.

JSON Lines and Parquet are streamed; a JSON file is one value and is read whole.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from twosignal.errors import SourceError
from twosignal.text.columnar import checked_columns
from twosignal.text.formats import EXTRA_KEYS, KNOWN_KEYS, shape_of
from twosignal.text.malformed import MalformedError, describe
from twosignal.text.paths import InputFile
from twosignal.text.tokenized import looks_like_mask

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PARQUET_BATCH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One parsed value of a file."""

    line: int
    """Line it begins at, from 1; its number in formats without lines."""
    value: object
    """The value, or a `MalformedError` that says why there is none."""


def read_rows(file: InputFile) -> Iterator[Row]:
    """Yield every row of a record file; a row that cannot be parsed holds a `MalformedError`.

    Raises SourceError where the file itself cannot be read.
    """
    with named_errors(file):
        if file.suffix == ".jsonl":
            yield from _read_lines(file)
        elif file.suffix == ".parquet":
            yield from _read_parquet(file)
        else:
            for number, value in enumerate(_read_json(file), 1):
                yield Row(line=number, value=value)


def count_rows(file: InputFile) -> int:
    """Return how many rows `read_rows` yields, malformed ones included."""
    with named_errors(file):
        if file.suffix == ".jsonl":
            with open_bytes(file) as stream:
                return sum(1 for line in stream if line.removeprefix(BYTE_ORDER_MARK).strip())
        if file.suffix == ".parquet":
            return int(pq.read_metadata(file.path).num_rows)
        return len(_read_json(file))


def open_bytes(file: InputFile) -> BinaryIO:
    """Open a file for reading bytes, unpacking gzip on the way."""
    if file.is_compressed:
        return cast("BinaryIO", gzip.open(file.path, "rb"))
    return file.path.open("rb")


@contextmanager
def named_errors(file: InputFile) -> Iterator[None]:
    """Turn what opening and decoding may raise into a SourceError that names the file."""
    try:
        yield
    except PermissionError as error:
        raise SourceError(
            "the file cannot be read: permission denied",
            where=file.shown,
            remedy="Give yourself the right to read it.",
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(
            "the file is not a whole gzip file",
            where=file.shown,
            found=str(error),
            remedy="Fetch or pack it again.",
        ) from error
    except pa.ArrowException as error:
        raise SourceError(
            "the file is not a whole Parquet file",
            where=file.shown,
            found=str(error).splitlines()[0],
            remedy="Fetch or write it again.",
        ) from error
    except UnicodeDecodeError as error:
        raise _wrong_encoding(file) from error
    except OSError as error:
        raise SourceError(
            "the file cannot be read", where=file.shown, found=error.strerror or str(error)
        ) from error


def _wrong_encoding(file: InputFile) -> SourceError:
    """Read the file again, up to the first byte that is not UTF-8."""
    offset = 0
    with open_bytes(file) as stream:
        for number, line in enumerate(stream, 1):
            if number == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                return _not_utf8(file, 1, "the byte order mark of UTF-16")
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = f"byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line"
                return _not_utf8(file, number, f"{byte}, byte {offset + error.start + 1} of the file")
            offset += len(line)
    return _not_utf8(file, 1, "other bytes at a second reading")


def _not_utf8(file: InputFile, line: int, found: str) -> SourceError:
    return SourceError(
        "the file is not UTF-8 text",
        where=f"{file.shown}:{line}",
        found=found,
        expected="UTF-8",
        remedy="Convert it, for example with: iconv -f LATIN1 -t UTF-8",
    )


def _read_lines(file: InputFile) -> Iterator[Row]:
    with open_bytes(file) as stream:
        for number, raw in enumerate(stream, 1):
            text = (raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw).decode("utf-8")
            if text.strip():
                yield Row(line=number, value=_parse_line(text))


def _parse_line(text: str) -> object:
    """Return the value of one line, or a MalformedError; a line without its end is the file's last."""
    expected = "one whole JSON value on the line"
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        found = f"invalid JSON at column {error.colno}: {error.msg}"
        if not text.endswith("\n") and _is_cut_off(text, error):
            found = f"the end of the file inside a record, after column {len(text)}: {error.msg}"
        return MalformedError(found=found, expected=expected)
    except (ValueError, RecursionError) as error:
        return MalformedError(found=f"JSON that cannot be read: {error}", expected=expected)
    return value


def _is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    rest = text[error.pos :].strip()
    words = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
    is_part = any(word.startswith(rest) for word in words)
    return is_part or error.msg.startswith("Unterminated string")


def _read_json(file: InputFile) -> list[object]:
    with open_bytes(file) as stream:
        text = stream.read().removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        is_lines = error.msg == "Extra data" and error.lineno > 1
        raise SourceError(
            "the file is not valid JSON",
            where=f"{file.shown}:{error.lineno}",
            found=f"{error.msg} at column {error.colno}",
            expected="one JSON value",
            remedy="One record per line? Then name the file .jsonl." if is_lines else "",
        ) from error
    except (ValueError, RecursionError) as error:
        raise SourceError("the JSON cannot be read", where=file.shown, found=str(error)) from error
    return _records_in(value, file)


def _records_in(value: object, file: InputFile) -> list[object]:
    """Return the records of a list, of an object of records, or of an object of lists of records."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and shape_of(value) is not None:
        return [value]
    if isinstance(value, dict) and all(isinstance(held, dict | list) for held in value.values()):
        groups = (held if isinstance(held, list) else [held] for held in value.values())
        return [record for group in groups for record in group]
    raise SourceError(
        "the file holds no records",
        where=file.shown,
        found=describe(value) if not isinstance(value, dict) else "an object that is not made of records",
        expected="a list of records, or an object of records",
    )


def _read_parquet(file: InputFile) -> Iterator[Row]:
    with pq.ParquetFile(file.path) as table:
        names = list(table.schema_arrow.names)
        # Other columns, images for example, may be far larger than the text.
        wanted = [name for name in names if name in (*KNOWN_KEYS, *EXTRA_KEYS) or looks_like_mask(name)]
        columns = wanted if set(wanted) & set(KNOWN_KEYS) else None
        number = 0
        for batch in table.iter_batches(batch_size=PARQUET_BATCH, columns=columns):
            for value in batch.to_pylist():
                number += 1
                yield Row(line=number, value=checked_columns(value))
