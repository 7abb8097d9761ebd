"""`twosignal audit` reads a run's samples from the records alone and says what to do."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy


def audit(command: Command, toy: Toy, *options: str) -> dict[str, Any]:
    """Return what `audit --json` prints."""
    ended = command("audit", toy.id, "--runs", toy.runs_dir, "--json", *options)
    assert ended.code == 0, ended.err
    assert ended.out.count("\n") == 1
    report: dict[str, Any] = json.loads(ended.out)
    return report


def test_json_has_five_checks_findings_and_a_verdict(toy: Toy, command: Command) -> None:
    report = audit(command, toy)
    assert report.keys() >= {"run", "steps", "checks", "findings", "verdict", "reason"}
    assert report["checks"].keys() == {"tiers", "outliers", "texts", "breadth", "grading"}
    assert (report["run"], report["steps"], report["verdict"]) == (toy.id, [10, 40], "continue")
    samples = json.loads((toy.path / "samples.json").read_text())
    assert [text["text"] for text in report["checks"]["texts"]] == [one["text"] for one in reversed(samples)]
    for finding in report["findings"]:
        assert finding.keys() >= {"id", "severity", "message", "evidence", "steps"}


@pytest.mark.parametrize(
    ("window", "steps", "num_texts"), [("20:30", [20, 30], 4), (":10", [0, 10], 2), ("35:", [35, 40], 2)]
)
def test_a_window_of_steps_is_audited_alone(
    toy: Toy, command: Command, window: str, steps: list[int], num_texts: int
) -> None:
    report = audit(command, toy, "--steps", window)
    assert report["steps"] == steps
    assert len(report["checks"]["texts"]) == num_texts


def test_a_window_without_samples_says_so(toy: Toy, command: Command) -> None:
    report = audit(command, toy, "--steps", "11:19")
    assert [finding["id"] for finding in report["findings"]] == ["no-samples"]


@pytest.mark.parametrize("window", ["5", "9:3", "a:b"])
def test_a_mistaken_window_is_one_sentence(toy: Toy, command: Command, window: str) -> None:
    ended = command("audit", toy.id, "--runs", toy.runs_dir, "--steps", window)
    assert ended.code == 2
    assert f"--steps {window}: a window of steps must look like A:B" in ended.sentence


def test_people_read_samples_and_verdict(toy: Toy, command: Command) -> None:
    ended = command("audit", toy.id, "--runs", toy.runs_dir)
    assert (ended.code, ended.err) == (0, "")
    assert toy.id in ended.out
    assert "continue" in ended.out.lower()


def test_the_records_are_enough(toy: Toy, command: Command, tmp_path: Path) -> None:
    bare = tmp_path / toy.id
    (bare / "steps").mkdir(parents=True)
    for name in ("events.jsonl", "run.toml", "steps/learning.bin"):
        shutil.copy(toy.path / name, bare / name)
    ended = command("audit", bare, "--json")
    assert json.loads(ended.out) == audit(command, toy)


def test_the_page_holds_every_text_and_where_it_was_written_is_told(
    toy: Toy, command: Command, tmp_path: Path
) -> None:
    page = tmp_path / "audit.html"
    ended = command("audit", toy.id, "--runs", toy.runs_dir, "--html", page)
    assert (ended.code, ended.err) == (0, "")
    assert f"page: {page}" in ended.out
    told = page.read_text(encoding="utf-8")
    assert toy.id in told
    assert told.count("<article") == len(json.loads((toy.path / "samples.json").read_text()))
    as_json = command("audit", toy.id, "--runs", toy.runs_dir, "--json", "--html", page)
    assert json.loads(as_json.out)["run"] == toy.id


def test_a_page_that_cannot_be_written_is_one_sentence(toy: Toy, command: Command, tmp_path: Path) -> None:
    ended = command("audit", toy.id, "--runs", toy.runs_dir, "--html", tmp_path / "no" / "audit.html")
    assert ended.code == 2
    assert "the page cannot be written" in ended.sentence


def test_the_json_has_what_was_drawn_and_where_texts_are_broken(toy: Toy, command: Command) -> None:
    report = audit(command, toy)
    assert report["draws"].keys() >= {"unit", "drawn", "due", "effective", "expected"}
    assert report["advice"]
    for text in report["checks"]["texts"]:
        assert text.keys() >= {"degenerate", "signals", "copied", "action", "tier"}
