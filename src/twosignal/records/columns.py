"""Numbers of every step: takes a row per step, gives a file of fixed-width binary rows under a header that names them.

The header is one line of JSON, padded with spaces: magic, version, and name, numpy type and unit of
every column. Behind it stand packed little-endian rows. A row is appended by one system call, so a
kill leaves at most a torn last row, which reading ignores and opening for writing cuts off.
"""

import json
import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twosignal.errors import RunError
from twosignal.records.room import storage_error
from twosignal.records.storage import append_record
from twosignal.records.values import compact

Rows = npt.NDArray[np.void]
"""Structured array with one field per column, shape [rows]."""

MAGIC: Final = "columns"
VERSION: Final = 1
_ALIGNMENT: Final = 64
_LONGEST_HEADER: Final = 1 << 24
_FORMATS: Final[Mapping[str, str]] = {"<f8": "d", "<f4": "f", "<i8": "q", "<i4": "i", "<u4": "I", "<u8": "Q"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One number of every step."""

    name: str
    """What it is; a column of one source is named `loss_sum[books]`."""
    dtype: str = "<f8"
    """Little-endian numpy type: <f8 <f4 <i8 <i4 <u8 <u4."""
    unit: str = ""
    """What it is counted in."""

    def __post_init__(self) -> None:
        if self.dtype not in _FORMATS:
            message = f"column {self.name}: type {self.dtype!r} is not one of {' '.join(_FORMATS)}"
            raise ValueError(message)


class ColumnHeader(NamedTuple):
    """What the first line of a file says."""

    columns: tuple[Column, ...]
    num_bytes: int

    @property
    def dtype(self) -> np.dtype[np.void]:
        """Packed structured type of a row."""
        return np.dtype([(column.name, column.dtype) for column in self.columns])


KEY_COLUMNS: Final = (
    Column(name="step", dtype="<i8", unit="optimizer steps"),
    Column(name="attempt", dtype="<i4", unit="forks"),
)
"""First columns of both files; the writer fills them."""
CLOCK_COLUMNS: Final = (
    Column(name="seconds", unit="seconds"),
    Column(name="tokens_per_second", unit="tokens/second"),
    Column(name="targets_per_second", unit="targets/second"),
    Column(name="memory_bytes", dtype="<i8", unit="bytes"),
)
"""What depends on the machine; stands in a file of its own."""
LEARNING_COLUMNS: Final = (
    Column(name="loss_sum", unit="nats"),
    Column(name="targets", dtype="<i8", unit="targets"),
    Column(name="bytes", dtype="<i8", unit="bytes"),
    Column(name="gradient_norm"),
    Column(name="learning_rate"),
    Column(name="rows", dtype="<i8", unit="rows"),
    Column(name="tokens", dtype="<i8", unit="tokens"),
)
"""What every run records of a step; all of it follows from seed and data."""
SOURCE_COLUMNS: Final = (
    Column(name="loss_sum", unit="nats"),
    Column(name="targets", dtype="<i8", unit="targets"),
    Column(name="bytes", dtype="<i8", unit="bytes"),
    Column(name="tokens", dtype="<i8", unit="tokens"),
)
"""What is recorded of every source besides."""


def learning_columns(sources: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns of a run over `sources`: those of the whole step, then those of each source."""
    return LEARNING_COLUMNS + tuple(
        Column(name=source_column(column.name, source), dtype=column.dtype, unit=column.unit)
        for source in sources
        for column in SOURCE_COLUMNS
    )


def source_column(name: str, source: str) -> str:
    """Return the name of one source's column, for example `loss_sum[books]`."""
    return f"{name}[{source}]"


def sources_of(names: Iterable[str]) -> list[str]:
    """Return the sources that have a `loss_sum[...]` among the column names, in order."""
    return [name[len("loss_sum[") : -1] for name in names if name.startswith("loss_sum[")]


def check_learning(columns: Sequence[Column]) -> None:
    """Raise ValueError when the columns of a run lack one that every reader counts on."""
    names = {column.name for column in columns}
    needed = {"loss_sum", "targets", "bytes"}
    needed |= {source_column(name, one) for one in sources_of(names) for name in ("targets", "tokens")}
    if lacking := needed - names:
        message = f"the run's columns lack {sorted(lacking)[0]}"
        raise ValueError(message)


def header_bytes(columns: Sequence[Column]) -> bytes:
    """Return the first line of a file; raise ValueError when two columns share a name."""
    names = [column.name for column in columns]
    if twice := {name for name in names if names.count(name) > 1}:
        message = f"two columns are named {sorted(twice)[0]}"
        raise ValueError(message)
    described: list[list[str]] = [[column.name, column.dtype, column.unit] for column in columns]
    line = compact({"twosignal": MAGIC, "version": VERSION, "columns": described})
    return line + b" " * (-(len(line) + 1) % _ALIGNMENT) + b"\n"


def read_header(path: Path) -> ColumnHeader:
    """Read the first line; raise RunError when the file is missing or not of this format."""
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_HEADER)
        header: Any = json.loads(line)
        version = header["version"] if header["twosignal"] == MAGIC else None
        if isinstance(version, int) and version in READERS:
            return ColumnHeader(READERS[version](header), len(line))
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = "the numbers of the run cannot be read"
        raise RunError(message, where=str(path), found=str(error), expected="a header line") from error
    message = "the numbers of the run are of a format this version of twosignal does not know"
    known = ", ".join(map(str, READERS))
    raise RunError(
        message,
        where=str(path),
        found=f"version {version}",
        expected=f"version {known}",
        remedy="Read it with the version of twosignal that wrote it.",
    )


def _columns_1(header: Mapping[str, Any]) -> tuple[Column, ...]:
    return tuple(Column(name=name, dtype=dtype, unit=unit) for name, dtype, unit in header["columns"])


READERS: Final[Mapping[int, Callable[[Mapping[str, Any]], tuple[Column, ...]]]] = {1: _columns_1}
"""Reads the header of every format there ever was; files of the newest are written."""


def read_rows(path: Path) -> Rows:
    """Map the whole rows of a file as they stand, while it is written too; a torn last row is left out.

    Shape [rows], read-only. Raises RunError when the file is missing or not of this format.
    """
    header = read_header(path)
    num_rows = (path.stat().st_size - header.num_bytes) // header.dtype.itemsize
    if not num_rows:
        return np.empty(0, dtype=header.dtype)
    return np.memmap(path, dtype=header.dtype, mode="r", offset=header.num_bytes, shape=(num_rows,))


class ColumnFile:
    """A file of rows, open for appending."""

    def __init__(self, path: Path) -> None:
        """Open the file and cut off a torn last row; raise RunError or StorageError."""
        header = read_header(path)
        self.path = path
        self.names = tuple(column.name for column in header.columns)
        self._header_bytes = header.num_bytes
        self._row = struct.Struct("<" + "".join(_FORMATS[column.dtype] for column in header.columns))
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            whole, torn = divmod(os.fstat(self._descriptor).st_size - header.num_bytes, self._row.size)
            if torn:
                os.ftruncate(self._descriptor, header.num_bytes + whole * self._row.size)
        except OSError as error:
            raise storage_error(path, error) from error
        self.num_rows = whole
        """Rows in the file."""
        self.pack_row = self._row.pack
        """Makes a row as `pack` does, with struct's own words for what does not fit."""

    def pack(self, values: Iterable[float]) -> bytes:
        """Return the row of `values`, one per column; raise ValueError naming a value that does not fit."""
        values = tuple(values)
        try:
            return self._row.pack(*values)
        except (struct.error, OverflowError, TypeError) as error:
            message = f"{self.path.name}: {dict(zip(self.names, values, strict=False))}: {error}"
            raise ValueError(message) from error

    def append(self, row: bytes) -> None:
        """Append one packed row; raise StorageError."""
        append_record(self._descriptor, row, path=self.path)
        self.num_rows += 1

    def row(self, index: int) -> bytes:
        """Return one packed row."""
        return os.pread(self._descriptor, self._row.size, self._header_bytes + index * self._row.size)

    def sync(self) -> None:
        """Wait until the disk has all rows; raise StorageError."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise storage_error(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
