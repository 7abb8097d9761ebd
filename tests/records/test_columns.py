"""Tests of the column files: takes rows, gives that they come back bit for bit, whole rows only."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from twosignal.errors import RunError, StorageError
from twosignal.records.columns import (
    Column,
    ColumnFile,
    check_learning,
    header_bytes,
    learning_columns,
    read_rows,
    sources_of,
)

COLUMNS = (
    Column(name="step", dtype="<i8", unit="steps"),
    Column(name="loss", unit="nats"),
    Column(name="rows", dtype="<i4"),
)
ROW_BYTES = 8 + 8 + 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "learning.bin"
    path.write_bytes(header_bytes(COLUMNS))
    return path


def fill(path: Path, rows: list[tuple[float, ...]]) -> None:
    file = ColumnFile(path)
    for row in rows:
        file.append(file.pack(row))
    file.close()


def test_the_header_is_a_line_of_json_that_names_columns_types_and_units(path: Path) -> None:
    line = path.read_bytes()
    assert len(line) % 64 == 0
    assert json.loads(line) == {
        "twosignal": "columns",
        "version": 1,
        "columns": [["step", "<i8", "steps"], ["loss", "<f8", "nats"], ["rows", "<i4", ""]],
    }


def test_rows_come_back_as_a_structured_array(path: Path) -> None:
    fill(path, [(1, 8.0, 3), (2, math.nan, 4)])
    rows = read_rows(path)
    assert rows.dtype.names == ("step", "loss", "rows")
    assert rows["step"].tolist() == [1, 2]
    assert rows["loss"][0] == 8.0
    assert math.isnan(rows["loss"][1])
    assert rows["rows"].tolist() == [3, 4]


def test_a_file_without_rows_reads_as_no_rows(path: Path) -> None:
    assert read_rows(path).shape == (0,)
    assert read_rows(path).dtype.names == ("step", "loss", "rows")


@pytest.mark.parametrize("torn", range(1, ROW_BYTES))
def test_a_torn_last_row_is_ignored_on_reading_and_cut_on_writing(path: Path, torn: int) -> None:
    fill(path, [(1, 8.0, 3), (2, 3.5, 4)])
    path.write_bytes(path.read_bytes()[:-torn])
    assert read_rows(path)["step"].tolist() == [1]
    fill(path, [(2, 2.8, 5)])
    assert read_rows(path)["loss"].tolist() == [8.0, 2.8]


def test_a_row_is_read_back_by_its_number(path: Path) -> None:
    file = ColumnFile(path)
    rows = [file.pack((1, 8.0, 3)), file.pack((2, 3.5, 4))]
    for row in rows:
        file.append(row)
    assert [file.row(0), file.row(1), file.num_rows] == [*rows, 2]
    file.close()


def test_a_value_that_does_not_fit_its_column_is_named(path: Path) -> None:
    file = ColumnFile(path)
    with pytest.raises(ValueError, match=r"learning\.bin: .*'rows': 1\.5"):
        file.pack((1, 8.0, 1.5))
    with pytest.raises(ValueError, match="learning"):
        file.pack((1, 8.0))
    file.close()


def test_a_column_of_another_type_and_two_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="column loss: type 'float64'"):
        Column(name="loss", dtype="float64")
    with pytest.raises(ValueError, match="two columns are named loss"):
        header_bytes([Column(name="loss"), Column(name="loss")])


def test_a_run_must_record_what_its_readers_count_on() -> None:
    loss, targets = Column(name="loss_sum"), Column(name="targets", dtype="<i8")
    with pytest.raises(ValueError, match="the run's columns lack bytes"):
        check_learning([loss, targets])
    with pytest.raises(ValueError, match=r"lack targets\[books\]"):
        check_learning([*learning_columns([]), Column(name="loss_sum[books]")])


def test_a_file_that_is_not_ours_is_refused_with_its_path(tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    with pytest.raises(RunError, match=r"other\.bin: the numbers of the run cannot be read"):
        read_rows(other)
    other.write_bytes(b"\x00\xff")
    with pytest.raises(RunError, match="cannot be read"):
        read_rows(other)
    other.write_bytes(b'{"twosignal":"columns","version":2,"columns":[]}\n')
    with pytest.raises(RunError, match="version 2"):
        read_rows(other)


def test_a_file_that_cannot_be_opened_for_writing_is_a_storage_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("twosignal.records.columns.os.open", refuse)
    with pytest.raises(StorageError, match="cannot write: Permission denied"):
        ColumnFile(path)


def test_a_run_over_two_sources_has_columns_for_each() -> None:
    names = [column.name for column in learning_columns(["books", "chat"])]
    assert names[:3] == ["loss_sum", "targets", "bytes"]
    assert names[-4:] == ["loss_sum[chat]", "targets[chat]", "bytes[chat]", "tokens[chat]"]
    assert sources_of(names) == ["books", "chat"]
    check_learning(learning_columns(["books", "chat"]))
    assert np.dtype([(c.name, c.dtype) for c in learning_columns(["books"])]).itemsize == 11 * 8
