"""`twosignal mix` shows a run's mix and refuses what cannot be asked of it."""

import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy


@pytest.fixture
def stopped(toy: Toy, tmp_path: Path) -> Path:
    """A run that was killed just before its end."""
    path = shutil.copytree(toy.path, tmp_path / toy.id)
    (path / "heartbeat.json").unlink()
    lines = (path / "events.jsonl").read_bytes().splitlines(keepends=True)
    (path / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    return path


def test_the_mix_is_shown(toy: Toy, command: Command) -> None:
    ended = command("mix", toy.path)
    assert ended.code == 0
    assert f"{toy.id}, finished, after step 40: policy bandit" in ended.out
    lines = {line.split()[0]: line.split() for line in ended.out.splitlines() if line}
    assert lines["source"][:3] == ["source", "share", "by"]
    mix = json.loads(command("mix", toy.path, "--json").out)
    assert (mix["run"], mix["state"], mix["step"]) == (toy.id, "finished", 40)
    for name in ("chat", "books"):
        assert lines[name][1] == f"{mix['arms'][name]['share']:.1%}"
        assert lines[name][5] == f"{mix['arms'][name]['drawn']:,}"


def test_a_run_that_is_over_is_not_mixed(toy: Toy, command: Command) -> None:
    ended = command("mix", toy.path, "--set", "books=0")
    assert ended.code == 2
    assert "the run is finished: no step is left to mix" in ended.sentence
    assert not (toy.path / "requests").exists()


def test_a_run_that_stands_still_gets_the_request_later(stopped: Path, command: Command) -> None:
    for number in (1, 2):
        ended = command("mix", stopped, "--cap", "books=0.2", "--set", "chat=0.8", "--json")
        answer = json.loads(ended.out)
        assert (answer["request"], answer["step"], answer["state"]) == (number, None, "stopped")
        assert "(--set chat=0.8 --cap books=0.2) is left" in ended.err
    asked = json.loads((stopped / "requests" / "000002.json").read_text())
    assert asked == {"set": {"chat": 0.8}, "cap": {"books": 0.2}, "release": []}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--set", "book=0"], "the run has no source book. Did you mean books?"),
        (["--set", "books"], "a share must look like SOURCE=SHARE"),
        (["--set", "books=few"], "a share must look like SOURCE=SHARE"),
        (["--set", "books=nan"], "the share of books must be a number from 0 to 1"),
        (["--cap", "books=2"], "the share of books must be a number from 0 to 1 (found 2)"),
        (["--set", "books=0.1", "--set", "books=0.2"], "books is given twice"),
        (["--set", "books=0", "--release", "books"], "books is named twice in one request"),
        (["--set", "books=0.6", "--set", "chat=0.6"], "the shares that are set exceed the whole"),
        (["--set", "books=0", "--set", "chat=0"], "leave part of every step to nobody"),
        (["--release", "trees"], "the run has no source trees"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(
    stopped: Path, command: Command, options: list[str], sentence: str
) -> None:
    ended = command("mix", stopped, *options)
    assert ended.code == 2
    assert sentence in ended.sentence
    assert not (stopped / "requests").exists()


def test_a_run_without_a_mix_on_record_is_a_sentence(stopped: Path, command: Command) -> None:
    (stopped / "bandit.json").unlink()
    ended = command("mix", stopped)
    assert (ended.code, "the run has no curriculum on record yet" in ended.sentence) == (2, True)
