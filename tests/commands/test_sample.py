"""`twosignal sample` lets a checkpoint speak, the same for the same seed."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy

QUESTION = "Ada has 2 figs and buys 3. How many?"


def sample(command: Command, toy: Toy, *options: object) -> list[dict[str, Any]]:
    """Return what `sample --json` prints, line by line."""
    ended = command("sample", toy.id, *options, "--runs", toy.runs_dir, "--tokens", 12, "--json")
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def test_json_is_one_line_for_each_sample(toy: Toy, command: Command) -> None:
    told = sample(command, toy, QUESTION, "-n", 3)
    assert len(told) == 3
    for one in told:
        assert list(one) == ["step", "prompt", "text", "scores"]
        assert (one["step"], one["prompt"]) == (40, QUESTION)
        assert one["scores"].keys() == {"total", "bigram", "trigram", "english", "character"}
    assert len({one["text"] for one in told}) > 1


def test_the_seed_decides_the_text(toy: Toy, command: Command) -> None:
    first = sample(command, toy, QUESTION)
    assert sample(command, toy, QUESTION) == first
    assert any(sample(command, toy, QUESTION, "--seed", seed) != first for seed in (1, 2, 3))
    greedy = [sample(command, toy, QUESTION, "--seed", seed, "--temperature", 0) for seed in (1, 2)]
    assert greedy[0] == greedy[1]


def test_an_older_checkpoint_can_be_asked(toy: Toy, command: Command) -> None:
    assert sample(command, toy, QUESTION, "--step", 30)[0]["step"] == 30


def test_a_checkpoint_that_is_not_there_is_named_with_those_that_are(toy: Toy, command: Command) -> None:
    ended = command("sample", toy.id, "--runs", toy.runs_dir, "--step", 35)
    assert ended.code == 2
    assert "there is no checkpoint of step 35 (found checkpoints of steps 20, 30, 40)" in ended.sentence


def test_without_a_prompt_the_panel_of_the_run_is_asked(toy: Toy, command: Command) -> None:
    newest = [one for one in json.loads((toy.path / "samples.json").read_text()) if one["step"] == 40]
    assert [one["prompt"] for one in sample(command, toy)] == [one["prompt"] for one in reversed(newest)]


@pytest.mark.slow
def test_a_process_of_its_own_prints_nothing_but_the_text(toy: Toy) -> None:
    words = [sys.executable, "-m", "twosignal", "sample", str(toy.path), QUESTION, "--tokens", "4"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith(QUESTION)
