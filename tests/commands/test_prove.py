"""`twosignal prove` gives a receipt of a run file, or of a run again, and trains nothing."""

import json
import re
import shutil
from pathlib import Path

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy, settings, visible

ALL = [*(f"S{n}" for n in range(1, 10)), *(f"P{n}" for n in range(1, 7))]

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
    assert [line[0] for line in lines if line[1:2] == ["pass"]] == ALL
    assert re.search(r"proof: [0-9.]+ s", ended.out)
    assert "loss before any step, on some real rows: " in ended.out


def test_a_run_is_proved_again_as_it_was(toy: Toy, command: Command) -> None:
    for name in (toy.id, toy.path):
        ended = command("prove", name, "--runs", toy.runs_dir, "--json")
        assert ended.code == 0
        assert json.loads(ended.out)["stored"] == {"same": True, "changed": []}
        assert f"the receipt is the one that {toy.id} has stored" in ended.err


def test_what_changed_since_a_run_was_proved_is_named(toy: Toy, command: Command, tmp_path: Path) -> None:
    """One conversation is taken out of the data behind the run's back."""
    project = tmp_path / "project"
    shutil.copytree(toy.runs_dir.parent, project)
    run = project / "runs" / toy.id
    table = (run / "run.toml").read_text().replace(str(toy.runs_dir.parent), str(project))
    (run / "run.toml").write_text(table)
    chats = (project / "chat.jsonl").read_text().splitlines(keepends=True)
    (project / "chat.jsonl").write_text("".join(chats[:-1]))
    ended = command("prove", toy.id, "--runs", project / "runs", "--json")
    assert ended.code == 0
    stored = json.loads(ended.out)["stored"]
    assert not stored["same"]
    assert stored["changed"][0].startswith("inputs.chat: ")
    assert any(line.startswith("sources.chat.records: 160 -> 159") for line in stored["changed"])
    assert "differs from the one that" in ended.err


def test_a_run_has_its_receipt_as_a_page(toy: Toy, command: Command, tmp_path: Path) -> None:
    stored = (toy.path / "receipt.html").read_text()
    assert stored.startswith("<!doctype html>")
    assert "Proof of toy" in stored
    page = tmp_path / "page.html"
    ended = command("prove", toy.path, "--runs", toy.runs_dir, "--html", page)
    assert ended.code == 0
    assert f"Proof of {toy.id}" in page.read_text()


def test_a_refusal_ends_with_four(run_file: Path, command: Command) -> None:
    ended = command("prove", run_file, "--runs", run_file.parent / "runs", *settings(rows__tokens=16))
    assert ended.code == 4
    assert "the proof refuses to start: S4" in ended.sentence
    assert "fail" in ended.out
