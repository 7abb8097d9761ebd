"""`twosignal runs` lists the runs of a folder, finished, halted, cut short or damaged."""

import json
import math
import shutil
from pathlib import Path

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy
from tests.records.toy_trainer import COLUMNS, NOW
from twosignal.records.events import Event
from twosignal.records.writer import RunWriter


def test_json_lists_every_run(toy: Toy, command: Command) -> None:
    ended = command("runs", toy.runs_dir, "--json")
    assert ended.code == 0
    (listed,) = json.loads(ended.out)["runs"]
    loss = json.loads((toy.path / "loss.json").read_text())
    assert listed["id"] == toy.id
    assert (listed["state"], listed["verdict"]) == ("finished", "continue")
    assert (listed["steps"], listed["planned_steps"]) == (40, 40)
    assert listed["loss"] == loss["loss"]
    assert listed["probe"] == json.loads(toy.out)["probe"]


def test_people_read_whole_ids(toy: Toy, command: Command) -> None:
    ended = command("runs", toy.runs_dir)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["run", "state", "step", "loss", "held-out", "verdict", "started"]
    assert toy.id in lines[1]


def test_a_run_that_was_cut_short_is_stopped(toy: Toy, command: Command, tmp_path: Path) -> None:
    path = shutil.copytree(toy.path, tmp_path / toy.id)
    (path / "heartbeat.json").unlink()
    lines = (path / "events.jsonl").read_bytes().splitlines(keepends=True)
    (path / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    ended = command("runs", tmp_path, "--json")
    assert [run["state"] for run in json.loads(ended.out)["runs"]] == ["stopped"]


def test_a_folder_without_runs_is_no_error(tmp_path: Path, command: Command) -> None:
    assert command("runs", tmp_path).out.strip() == f"no runs in {tmp_path}"
    assert json.loads(command("runs", tmp_path, "--json").out) == {"runs": []}


def ids(command: Command, *options: object) -> list[str]:
    listed = json.loads(command("runs", *options, "--json").out)["runs"]
    return [run["id"].split("-")[0] for run in listed]


def make(runs_dir: Path, name: str, *, steps: int, loss: float, verdict: str) -> Path:
    with RunWriter.create(runs_dir, name, run_toml="", columns=COLUMNS, now=NOW) as writer:
        row = {**dict.fromkeys([column.name for column in COLUMNS], 1), "loss_sum": loss}
        speed = {"seconds": 0.1, "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 5}
        for step in range(1, steps + 1):
            writer.step_row(step, row, clock=speed)
        writer.append(Event(kind="verdict", step=steps, body={"verdict": verdict, "reason": "so"}))
        if verdict == "halt":
            writer.append(Event(kind="end", step=steps, body={"state": "halted"}))
        return writer.path


def test_runs_are_sorted_and_chosen(tmp_path: Path, command: Command) -> None:
    make(tmp_path, "a", steps=2, loss=3.0, verdict="continue")
    make(tmp_path, "b", steps=9, loss=math.nan, verdict="halt")
    make(tmp_path, "c", steps=5, loss=1.0, verdict="pivot")
    assert ids(command, tmp_path) == ["a", "b", "c"]
    assert ids(command, tmp_path, "--sort", "steps") == ["b", "c", "a"]
    assert ids(command, tmp_path, "--sort", "loss") == ["c", "a", "b"]
    assert ids(command, tmp_path, "--sort", "state") == ["b", "a", "c"]
    assert ids(command, tmp_path, "--state", "halted") == ["b"]
    assert ids(command, tmp_path, "--verdict", "pivot", "--verdict", "halt") == ["b", "c"]
    assert "no such runs in" in command("runs", tmp_path, "--state", "refused").out


def test_a_run_is_marked_to_be_kept(tmp_path: Path, command: Command) -> None:
    path = make(tmp_path, "a", steps=1, loss=3.0, verdict="continue")
    ended = command("runs", tmp_path, "--keep", "a")
    assert (ended.code, ended.out) == (
        0,
        f"{path.name} is kept whole: its checkpoints are not thinned out from now on\n",
    )
    assert json.loads(command("runs", tmp_path, "--json").out)["runs"][0]["kept"] is True
    assert "stopped kept" in command("runs", tmp_path).out
    assert command("runs", tmp_path, "--let-go", "a").code == 0
    assert json.loads(command("runs", tmp_path, "--json").out)["runs"][0]["kept"] is False
    ended = command("runs", tmp_path, "--keep", "b")
    assert ended.code == 2
    assert "there is no run b" in ended.sentence
