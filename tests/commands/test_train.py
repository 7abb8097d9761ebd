"""`twosignal train` prints its result for programs and for people, and ends with the right exit code."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy, settings, the_run


def test_json_is_one_line_on_stdout_and_the_log_goes_to_stderr(toy: Toy) -> None:
    assert toy.out.count("\n") == 1
    assert json.loads(toy.out)["run"] == toy.id
    log = (toy.run_file.parent / "log.err").read_text()
    for told in (
        "what will be trained on",
        "run folder: ",
        "step 0  held-out loss",
        f"{toy.id} finished at step 40",
    ):
        assert told in log
    assert "%|" not in log, "no foreign progress bars"


def test_without_json_people_read_it_on_stdout(run_file: Path, command: Command) -> None:
    runs_dir = run_file.parent / "runs"
    ended = command("train", run_file, "--runs", runs_dir, *settings(run__steps=2, samples__tokens=2))
    assert (ended.code, ended.err) == (0, "")
    last = ended.out.splitlines()[-1]
    told = r"finished at step 2; held-out loss \d\.\d{3}; best checkpoint step-0+2"
    assert re.fullmatch(f"{the_run(runs_dir).name} {told}", last)


def test_the_runs_folder_is_runs_unless_told_otherwise(
    run_file: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_file.parent)
    assert command("train", "run.toml", *settings(run__steps=1, samples__tokens=1)).code == 0
    assert the_run(run_file.parent / "runs").name.startswith("toy-")


def test_hours_become_steps_before_the_first(run_file: Path, command: Command) -> None:
    run_file.write_text(run_file.read_text().replace("steps = 40", "hours = 0.0004"))
    runs_dir = run_file.parent / "runs"
    options = ["--runs", runs_dir, *settings(samples__tokens=2)]
    ended = command("train", run_file, "--json", *options)
    assert ended.code == 0
    told = re.search(r"([\d,]+) steps fit into 0\.024 minutes", ended.err)
    assert told is not None
    steps = int(told[1].replace(",", ""))
    stored = tomllib.loads((the_run(runs_dir) / "run.toml").read_text())["run"]
    assert (stored["steps"], "hours" in stored) == (steps, False)
    assert json.loads(ended.out)["steps"] == steps
    again = command("train", run_file, "--resume", "auto", *options)
    assert (again.code, "nothing is left to do" in again.out) == (0, True)
