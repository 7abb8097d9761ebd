"""`twosignal verify` says whether a run's records are whole, and where they are not."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command
from tests.records.toy_trainer import train


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return train(tmp_path / "runs")


def test_a_whole_run_is_one_sentence(path: Path, command: Command) -> None:
    ended = command("verify", path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(
        f"{path.name}: the chain of 9 records holds, 10 steps are in order, 2 checkpoints"
    )
    found = json.loads(command("verify", "toy", "--runs", path.parent, "--json").out)
    assert (found["whole"], found["faults"], found["events"], found["rows"]) == (True, [], 9, 10)


def test_a_changed_line_is_named_with_what_to_do(path: Path, command: Command) -> None:
    data = (path / "events.jsonl").read_bytes()
    (path / "events.jsonl").write_bytes(data.replace(b"word", b"work", 1))
    ended = command("verify", path)
    assert ended.code == 2
    assert f"{path}/events.jsonl:3: this line was changed" in ended.sentence
    assert "Restore the file from a copy" in ended.sentence
    ended = command("verify", path, "--json", "--quick")
    (fault, *_), whole = json.loads(ended.out)["faults"], json.loads(ended.out)["whole"]
    assert (ended.code, whole, fault["where"]) == (2, False, f"{path}/events.jsonl:3")


def test_several_faults_are_all_shown(path: Path, command: Command) -> None:
    (path / "steps" / "clock.bin").write_bytes(b"")
    (path / "checkpoints" / "step-00000004" / "state.json").unlink()
    ended = command("verify", path)
    assert ended.code == 2
    assert "and 1 more fault" in ended.sentence
    assert "step-00000004/state.json: this cannot be read" in ended.out
    assert "Delete this folder" in ended.out


def test_what_was_in_flight_is_a_note(path: Path, command: Command) -> None:
    with (path / "events.jsonl").open("ab") as file:
        file.write(b"{")
    ended = command("verify", path)
    assert ended.code == 0
    assert "note: " in ended.out
    assert "1 bytes of a line in flight behind the last; it never counted" in ended.out
