"""`twosignal runs` lists the runs of a folder, finished, halted, cut short or damaged."""

import json
import shutil
from pathlib import Path

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy


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
