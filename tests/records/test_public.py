"""Tests of the public files: takes recorded runs, gives loss.json and samples.json with figures computed by hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.records.events import Event
from twosignal.records.public import thin, write_public
from twosignal.records.writer import RunWriter

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


def test_a_spike_of_one_step_survives_thinning() -> None:
    losses = np.full(123_456, 3.0)
    losses[77_777], losses[99_999], losses[55_555] = 50.0, 0.5, math.nan
    shown = thin(losses)
    assert len(shown) <= 2000
    assert {0, 55_555, 77_777, 99_999, 123_455} <= set(shown.tolist())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(), max_size=120))
def test_thinning_keeps_order_and_extremes(values: list[float]) -> None:
    shown = thin(values, limit=20).tolist()
    assert len(shown) <= 20
    assert shown == sorted(set(shown))
    finite = [value for value in values if math.isfinite(value)]
    if finite and len(finite) == len(values):
        assert {min(finite), max(finite)} <= {values[index] for index in shown}


def test_few_values_are_all_kept() -> None:
    assert thin([3.0, 2.0, 1.0], limit=3).tolist() == [0, 1, 2]
