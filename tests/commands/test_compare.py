"""`twosignal compare` says whether two runs are the same numbers, and where they part."""

import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy, settings, the_run, write_toy
from twosignal.records.columns import read_rows


def test_a_run_equals_itself(toy: Toy, command: Command) -> None:
    ended = command("compare", toy.id, toy.path, "--runs", toy.runs_dir, "--json")
    assert ended.code == 0
    assert json.loads(ended.out) == {"equal": True, "first_difference": None}
    ended = command("compare", toy.id, toy.id, "--runs", toy.runs_dir)
    assert ended.out.strip() == "equal: 40 steps and all events agree bit for bit"


@pytest.fixture
def changed(toy: Toy, tmp_path: Path) -> Path:
    """A copy of the run whose loss at step 7 differs in its last bit."""
    path = shutil.copytree(toy.path, tmp_path / toy.id)
    columns = path / "steps/learning.bin"
    data, rows = bytearray(columns.read_bytes()), read_rows(columns)
    assert rows.dtype.fields is not None
    offset = len(data) - (40 - 6) * rows.dtype.itemsize + rows.dtype.fields["loss_sum"][1]
    data[offset] ^= 1
    columns.write_bytes(data)
    return path


def test_the_first_difference_is_named(toy: Toy, command: Command, changed: Path) -> None:
    ended = command("compare", toy.path, changed, "--json")
    assert ended.code == 0
    told = json.loads(ended.out)
    assert told["equal"] is False
    assert (told["first_difference"]["step"], told["first_difference"]["column"]) == (7, "loss_sum")
    assert told["first_difference"]["a"] != told["first_difference"]["b"]
    assert told["first_difference"]["a"] == pytest.approx(told["first_difference"]["b"])
    assert "they differ first at step 7, loss_sum: " in command("compare", toy.path, changed).out


def test_runs_of_two_seeds_differ_before_the_first_step(toy: Toy, command: Command, tmp_path: Path) -> None:
    run_file = write_toy(tmp_path)
    options = settings(run__seed=1, run__steps=1, samples__tokens=1)
    assert command("train", run_file, "--runs", tmp_path / "runs", *options).code == 0
    told = json.loads(command("compare", toy.path, the_run(tmp_path / "runs"), "--json").out)
    assert (told["equal"], told["first_difference"]["step"]) == (False, 0)
