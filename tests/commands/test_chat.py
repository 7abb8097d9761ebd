"""`twosignal chat` answers until its input ends, and forgets on request."""

import io

import pytest

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy

QUESTION = "Ada has 2 figs and buys 3. How many?"


def chat(command: Command, toy: Toy, monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[str]:
    """Say lines at temperature 0; return the answers."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    ended = command("chat", toy.id, "--runs", toy.runs_dir, "--temperature", 0)
    assert (ended.code, ended.err) == (0, "")
    told = ended.out.replace("\n", " ")
    assert told.startswith(f"{toy.id}, step 40. An empty line ends; /new begins again.")
    return [part.removesuffix("you ").strip() for part in told.split("model ")[1:]]


def test_every_question_is_answered_until_the_input_ends(
    toy: Toy, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = chat(command, toy, monkeypatch, QUESTION, QUESTION)
    assert len(answers) == 2
    assert all(answers)


def test_an_empty_line_ends_the_talk(toy: Toy, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chat(command, toy, monkeypatch, "", QUESTION) == []


def test_new_forgets_what_was_said(toy: Toy, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, anew = chat(command, toy, monkeypatch, QUESTION, QUESTION, "/new", QUESTION)
    assert anew == first
    assert again != first, "what was said before is a part of the prompt"
