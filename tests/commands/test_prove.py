"""`twosignal prove` gives a receipt of a run file, or of a run again, and trains nothing."""

import json
from pathlib import Path

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy, settings, visible

RECEIPT_KEYS = {
    "passed",
    "checks",
    "conversations",
    "tokens",
    "targets",
    "targets_lost",
    "rows",
    "fill",
    "steps",
}


def test_a_run_file_is_proved_and_nothing_is_trained(run_file: Path, command: Command) -> None:
    runs_dir = run_file.parent / "runs"
    ended = command("prove", run_file, "--runs", runs_dir, "--json")
    assert ended.code == 0
    receipt = json.loads(ended.out)
    assert receipt.keys() >= RECEIPT_KEYS
    assert receipt["passed"] is True
    assert {check["passed"] for check in receipt["checks"]} == {True}
    assert (receipt["steps"], receipt["conversations"]) == (40, 147)
    assert receipt["targets"] > 9000
    assert visible(runs_dir) == []


def test_people_read_what_will_be_trained_on(run_file: Path, command: Command) -> None:
    ended = command("prove", run_file, "--runs", run_file.parent / "runs")
    assert (ended.code, ended.err) == (0, "")
    lines = [line.split() for line in ended.out.splitlines()]
    assert [
        "source",
        "records",
        "examples",
        "tokens",
        "targets",
        "lost",
        "held",
        "out",
        "rows",
        "fill",
    ] in lines
    assert next(line for line in lines if line[:1] == ["chat"])[1:3] == ["160", "147"]
    assert {line[0] for line in lines if line[1:2] == ["pass"]} == {
        "S4",
        "S5",
        "S6",
        "S8",
        "P1",
        "P3",
        "P5",
        "P6",
    }


def test_a_run_is_proved_again_as_it_was(toy: Toy, command: Command) -> None:
    first = json.loads((toy.path / "receipt.json").read_text())
    for name in (toy.id, toy.id[:12], toy.path):
        ended = command("prove", name, "--runs", toy.runs_dir, "--json")
        assert ended.code == 0
        assert json.loads(ended.out) | {"seconds": None} == first | {"seconds": None}


def test_a_refusal_ends_with_four(run_file: Path, command: Command) -> None:
    ended = command("prove", run_file, "--runs", run_file.parent / "runs", *settings(rows__tokens=16))
    assert ended.code == 4
    assert "the proof refuses to start: S4" in ended.sentence
    assert "fail" in ended.out
