"""Tests of logging from any loop: takes numbers by step, gives rows that survive kills, returns and full disks."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from twosignal.errors import RunError, StorageError
from twosignal.records.columns import Column, read_rows
from twosignal.records.steplog import StepLog, live_rows, read_log

NAMES = ["loss", "rate", "norm"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "steps.bin"


def test_three_numbers_of_a_step_are_20_bytes_written_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StepLog(path, NAMES) as log:
        size, calls, write = path.stat().st_size, [], os.write

        def counted(descriptor: int, data: bytes) -> int:
            calls.append(len(data))
            return write(descriptor, data)

        monkeypatch.setattr(os, "write", counted)
        for step in range(100):
            log(step, 1.5, 0.25, np.float64(2.0))
            assert path.stat().st_size == size + 20 * (step + 1)
    assert calls == [20] * 100
    rows = read_rows(path)
    assert rows.dtype.names == ("step", "attempt", *NAMES)
    assert rows[-1].tolist() == (99, 0, 1.5, 0.25, 2.0)


def test_a_log_goes_on_and_steps_told_again_replace_those_before(path: Path) -> None:
    with StepLog(path, ["loss"]) as log:
        for step in range(6):
            log(step, step)
    path.write_bytes(path.read_bytes()[:-5])
    with StepLog(path, ["loss"]) as log:
        assert log.last_step == 4
        log(3, 30)
        log(4, 40)
        log(2, 200)
        log(3, 300)
    rows = read_rows(path)
    assert rows["attempt"].tolist() == [0, 0, 0, 0, 0, 1, 1, 2, 2]
    assert live_rows(rows)["loss"].tolist() == read_log(path)["loss"].tolist() == [0, 1, 200, 300]
    assert live_rows(rows[:5])["loss"].tolist() == [0, 1, 2, 3, 4]
    assert len(live_rows(rows[:0])) == 0


def test_what_32_bits_cannot_hold_is_infinite_and_what_is_no_number_is_refused(path: Path) -> None:
    with StepLog(path, ["loss", Column(name="rows", dtype="<i8")]) as log:
        log(1, 3e39, 2**40)
        log(2, math.nan, 0)
        log(3, -1e300, 0)
        with pytest.raises(ValueError, match=r"steps\.bin: .*'loss': 'much'"):
            log(4, "much", 0)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"steps\.bin"):
            log(4, 1.0)
        with pytest.raises(ValueError, match=r"'step': 4294967296"):
            log(2**32, 1.0, 0)
    rows = read_rows(path)
    assert rows["loss"].tolist()[::2] == [math.inf, -math.inf]
    assert math.isnan(rows["loss"][1])
    assert rows["rows"][0] == 2**40


def test_other_columns_and_a_second_writer_are_refused(path: Path) -> None:
    with (
        StepLog(path, NAMES) as log,
        pytest.raises(RunError, match="another process is writing"),
    ):
        StepLog(log.path, NAMES)
    with pytest.raises(RunError, match=r"this log has other columns \(found step <u4, attempt <u4, loss <f4"):
        StepLog(path, ["loss"])
    StepLog(path, NAMES).close()


def test_a_log_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        StepLog(tmp_path / "file" / "steps.bin", NAMES)
