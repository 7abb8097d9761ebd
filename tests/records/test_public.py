"""Tests of the public files: takes recorded runs, gives loss.json and samples.json with figures computed by hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.records.columns import Rows, read_rows, source_column
from twosignal.records.curve import MAX_POINTS, LossCurve
from twosignal.records.events import Event
from twosignal.records.public import PublicFiles, write_public
from twosignal.records.writer import BEGINNING, RunWriter

from .toy_trainer import COLUMNS, NOW

SPEED = {"seconds": 0.1, "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 5}


@pytest.fixture
def writer(tmp_path: Path) -> RunWriter:
    return RunWriter.create(tmp_path, "toy", run_toml="", columns=COLUMNS, now=NOW)


def step(writer: RunWriter, number: int, loss_sum: float, *, books: int) -> None:
    """A step of 2 targets and 7 bytes, `books` of the targets from the books, half the loss theirs."""
    row = {"loss_sum": loss_sum, "targets": 2, "bytes": 7}
    row |= {"loss_sum[books]": loss_sum / 2, "targets[books]": books, "tokens[books]": 3 * books}
    writer.step_row(number, row, clock=SPEED)


def published(writer: RunWriter, name: str) -> Any:
    write_public(writer.path)
    return json.loads((writer.path / name).read_bytes())


def start(writer: RunWriter) -> None:
    body = {"model": "tiny", "vocab": 8449, "steps": 3, "sources": ["books"]}
    writer.append(Event(kind="start", step=0, body=body))


def test_loss_json_holds_the_contract(writer: RunWriter) -> None:
    start(writer)
    step(writer, 1, 16.0, books=1)
    step(writer, 2, 7.0, books=1)
    step(writer, 3, 5.6, books=0)
    loss = published(writer, "loss.json")
    assert list(loss) == [
        "run",
        "model",
        "step",
        "loss",
        "smma",
        "ppl",
        "bits_per_byte",
        "random_chance",
        "probe",
        "mix_adjusted",
        "mix",
        "by_source",
        "points",
    ]
    assert (loss["run"], loss["model"], loss["step"]) == (writer.path.name, "tiny", 3)
    assert loss["loss"] == 2.8
    assert loss["smma"] == pytest.approx((7.955 * 99 + 2.8) / 100)  # 8, then (8 * 99 + 3.5) / 100 = 7.955
    assert loss["ppl"] == pytest.approx(16.4446, abs=1e-4)
    assert loss["bits_per_byte"] == pytest.approx(5.6 / (7 * math.log(2)))
    assert loss["random_chance"] == pytest.approx(9.0418, abs=5e-5)
    assert loss["points"] == [[1, 8.0, 8.0], [2, 3.5, pytest.approx(7.955)], [3, 2.8, loss["smma"]]]
    books = {"loss": 3.5, "smma": pytest.approx(7.955), "steps": 2, "tokens": 6}
    assert loss["by_source"] == {"books": books}


def test_before_the_first_step_losses_are_null_and_not_zero(writer: RunWriter) -> None:
    loss = published(writer, "loss.json")
    assert (loss["step"], loss["points"], loss["model"], loss["random_chance"]) == (0, [], None, None)
    assert [loss[name] for name in ("loss", "smma", "ppl", "bits_per_byte")] == [None] * 4
    assert loss["by_source"] == {"books": {"loss": None, "smma": None, "steps": 0, "tokens": 0}}
    assert published(writer, "samples.json") == []


def test_a_step_that_is_not_finite_says_so(writer: RunWriter) -> None:
    step(writer, 1, 16.0, books=1)
    step(writer, 2, math.nan, books=1)
    loss = published(writer, "loss.json")
    assert (loss["loss"], loss["ppl"], loss["smma"]) == ("nan", "nan", 8.0)
    assert loss["points"] == [[1, 8.0, 8.0], [2, "nan", 8.0]]


def test_a_step_without_targets_is_no_point(writer: RunWriter) -> None:
    step(writer, 1, 16.0, books=1)
    writer.step_row(2, dict.fromkeys([column.name for column in COLUMNS], 0), clock=SPEED)
    loss = published(writer, "loss.json")
    assert (loss["step"], loss["loss"], loss["points"]) == (2, 8.0, [[1, 8.0, 8.0]])


def test_a_run_that_does_not_count_bytes_has_no_bits_per_byte(writer: RunWriter) -> None:
    row = {**dict.fromkeys([column.name for column in COLUMNS], 0), "loss_sum": 8.0, "targets": 2}
    writer.step_row(1, row, clock=SPEED)
    loss = published(writer, "loss.json")
    assert (loss["loss"], loss["bits_per_byte"]) == (4.0, None)


def test_samples_are_newest_first_with_every_field(writer: RunWriter) -> None:
    body = {"prompt": "Say", "text": "nan", "source": "books", "loss": 0.0}
    writer.append(Event(kind="sample", step=2, body=body))
    more = {"tier": "factual", "action": "ACCEPT", "domain": "birds", "scores": {"total": 80.5}}
    writer.append(Event(kind="sample", step=4, body={**body, **more, "loss": None, "copied": {"bytes": 3}}))
    newest, oldest = published(writer, "samples.json")
    assert newest == {
        "step": 4,
        "prompt": "Say",
        "text": "nan",
        "loss": None,
        "ppl": None,
        "tier": "factual",
        "action": "ACCEPT",
        "domain": "birds",
        "source": "books",
        "scores": {"total": 80.5},
        "copied": {"bytes": 3},
    }
    assert (oldest["step"], oldest["ppl"], oldest["tier"], oldest["scores"]) == (2, 1.0, None, {})


def test_only_the_newest_500_samples_are_published(writer: RunWriter) -> None:
    for number in range(1, 503):
        body = {"prompt": "", "text": "t", "source": "books", "loss": 1.0}
        writer.append(Event(kind="sample", step=number, body=body))
    samples = published(writer, "samples.json")
    assert (len(samples), samples[0]["step"], samples[-1]["step"]) == (500, 502, 3)


def rows_of(losses: list[float] | np.ndarray[Any, Any]) -> Rows:
    """Rows of one target each, numbered from 1, every third of them of the books."""
    dtype = [("step", "<i8"), *((column.name, column.dtype) for column in COLUMNS)]
    rows = np.zeros(len(losses), dtype=dtype)
    rows["step"], rows["targets"], rows["bytes"] = np.arange(1, len(losses) + 1), 1, 3
    rows["loss_sum"] = losses
    books = rows["step"] % 3 == 0
    rows[source_column("targets", "books")] = books
    rows[source_column("tokens", "books")] = 2 * books
    rows[source_column("loss_sum", "books")] = np.where(books, losses, 0)
    return rows


def drawn(losses: list[float] | np.ndarray[Any, Any], *, by: int | None = None) -> dict[str, Any]:
    """What a curve reports, fed `by` rows at a time."""
    curve, rows = LossCurve(["books"]), rows_of(losses)
    for first in range(0, len(rows), by or max(1, len(rows))):
        curve.feed(rows[first : first + (by or len(rows))])
    return curve.report()


def test_a_spike_of_one_step_survives_thinning() -> None:
    losses = np.full(123_456, 3.0)
    losses[77_777], losses[99_999], losses[55_555] = 50.0, 0.5, math.nan
    report = drawn(losses)
    points = report["points"]
    assert len(points) <= MAX_POINTS
    assert {1, 55_556, 77_778, 100_000, 123_456} <= {step for step, *_ in points}
    assert [step for step, *_ in points] == sorted({step for step, *_ in points})


def test_a_curve_does_not_depend_on_how_its_rows_came() -> None:
    losses = np.random.default_rng(7).normal(3, 1, size=9_001)
    losses[[0, 4_000, 9_000]] = math.nan, 77.0, math.inf
    expected = drawn(losses)
    for by in (7, 37, 2_500):
        assert repr(drawn(losses, by=by)) == repr(expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(MAX_POINTS, 3 * MAX_POINTS), st.integers(0, 2**32 - 1))
def test_thinning_keeps_first_last_lowest_and_highest(count: int, seed: int) -> None:
    losses = np.random.default_rng(seed).normal(size=count)
    points = drawn(losses)["points"]
    assert len(points) <= MAX_POINTS
    shown = [loss for _, loss, _ in points]
    assert {min(losses), max(losses)} <= set(shown)
    assert (shown[0], shown[-1]) == (losses[0], losses[-1])


def test_few_values_are_all_kept() -> None:
    assert [loss for _, loss, _ in drawn(np.arange(2_000.0))["points"]] == list(range(2_000))
    assert drawn([])["points"] == []


def test_files_brought_up_to_date_are_those_written_anew(writer: RunWriter) -> None:
    files, sample = PublicFiles(writer.path), {"prompt": "", "text": "t", "source": "books", "loss": 1.0}
    told = [writer.path / name for name in ("loss.json", "samples.json")]
    place = BEGINNING
    for number in range(1, 30):
        if number == 3:
            start(writer)
        if number == 20:
            writer.rewind(place, replay=False)
        step(writer, number if number < 20 else number - 5, 16.0 / number, books=number % 2)
        if number % 4 == 0:
            writer.append(Event(kind="sample", step=number, body={**sample, "text": str(number)}))
        if number == 14:
            place = writer.cursor()
        files.write()
        brought = [path.read_bytes() for path in told]
        write_public(writer.path)
        assert [path.read_bytes() for path in told] == brought
    assert read_rows(writer.path / "steps/learning.bin")["attempt"].tolist() == [0] * 19 + [1] * 10
