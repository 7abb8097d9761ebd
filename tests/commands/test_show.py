"""`twosignal show` shows examples as the model sees them: which text is learned, and which row it lies in."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy


def show(command: Command, toy: Toy, *options: object) -> list[dict[str, Any]]:
    """Return what `show --json` prints, line by line."""
    ended = command("show", toy.run_file, "--runs", toy.runs_dir, "--json", *options)
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def test_json_tells_where_an_example_is_from_and_what_is_learned(toy: Toy, command: Command) -> None:
    shown = show(command, toy, "-n", 2)
    assert [one["source"] for one in shown] == ["chat", "chat", "books", "books"]
    first = shown[0]
    assert list(first) == ["source", "file", "line", "tokens", "targets", "text", "supervised"]
    record = json.loads((toy.run_file.parent / "chat.jsonl").read_text().splitlines()[0])
    question, answer = (message["content"] for message in record["messages"])
    assert (first["file"], first["line"]) == ("chat.jsonl", 1)
    assert first["text"] == f"<|bos|><|user|>{question}<|end|><|assistant|>{answer}<|end|>"
    assert first["supervised"] == [f"{answer}<|end|>"]
    assert 0 < first["targets"] < first["tokens"]
    assert shown[2]["supervised"] == [shown[2]["text"].removeprefix("<|bos|>")]


def test_packed_shows_the_segments_of_rows(toy: Toy, command: Command) -> None:
    shown = show(command, toy, "-n", 40, "--packed", "--source", "chat")
    tokens: dict[int, int] = {}
    for one in shown:
        assert one["source"] == "chat"
        tokens[one["row"]] = tokens.get(one["row"], 0) + one["tokens"]
    assert list(tokens) == sorted(tokens)
    assert max(tokens.values()) <= 64


def test_one_source_is_shown_with_the_tokenizer_of_all(toy: Toy, command: Command) -> None:
    alone = show(command, toy, "--source", "chat", "-n", 3)
    assert alone == show(command, toy, "-n", 3)[:3]


def test_an_unknown_source_is_named_with_the_known_ones(toy: Toy, command: Command) -> None:
    ended = command("show", toy.run_file, "--runs", toy.runs_dir, "--source", "cha")
    assert ended.code == 2
    assert "--source: there is no source 'cha' (expected chat, books)" in ended.sentence


def test_people_see_what_is_learned_in_brackets(toy: Toy, command: Command) -> None:
    ended = command("show", toy.run_file, "--runs", toy.runs_dir, "-n", 1, "--source", "chat")
    assert (ended.code, ended.err) == (0, "")
    learned = show(command, toy, "-n", 1)[0]["supervised"][0]
    assert f"[[{learned}]]" in ended.out
    assert "chat.jsonl:1" in ended.out


def test_a_page_is_written(toy: Toy, command: Command, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ended = command("show", toy.run_file, "--runs", toy.runs_dir, "-n", 2, "--html", page)
    assert ended.code == 0
    assert f"wrote {page}" in ended.out
    text = page.read_text()
    assert text.lower().startswith("<!doctype html>")
    assert "How many?" in text
    assert "<script" not in text


@pytest.mark.parametrize("place", ["none/page.html", "."])
def test_a_page_that_cannot_be_written_is_one_sentence(
    toy: Toy, command: Command, tmp_path: Path, place: str
) -> None:
    ended = command("show", toy.run_file, "--runs", toy.runs_dir, "--html", tmp_path / place)
    assert ended.code == 2
    assert "the page cannot be written" in ended.sentence
