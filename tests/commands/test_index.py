"""`index` and `trace`: from files to the place a text was copied from, and sentences for everything that is wrong."""

import io
import json
from pathlib import Path

import pytest

from tests.audits.copying.corpus import letters
from tests.end_to_end.conftest import Command
from tests.end_to_end.toy import Toy

LINES = [letters(60, seed=n).strip() + "." for n in range(40)]


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "texts" / "book.txt"
    path.parent.mkdir()
    path.write_text("\n".join(LINES))
    records = [{"text": letters(200, seed=100 + n)} for n in range(20)]
    (path.parent / "notes.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def index(text_file: Path, tmp_path: Path, command: Command) -> Path:
    assert command("index", text_file.parent, "--out", tmp_path / "index").code == 0
    return tmp_path / "index"


def test_index_says_what_it_holds(text_file: Path, tmp_path: Path, command: Command) -> None:
    ended = command("index", text_file.parent, "--out", tmp_path / "index", "--json")
    assert ended.code == 0
    told = json.loads(ended.out)
    assert (told["files"], told["documents"], told["skipped"], told["built"]) == (2, 21, 0, True)
    assert told["bytes"] == len("\n".join(LINES)) + 20 * 200 + 20  # 20 separators
    again = command("index", text_file.parent, "--out", tmp_path / "index", "--json")
    assert json.loads(again.out)["built"] is False
    text_file.write_text("quite another text, of some length, so that there is something to hold")
    third = command("index", text_file.parent, "--out", tmp_path / "index")
    assert "is of other text: building it anew" in third.out
    assert "21 documents of 2 files" in third.out


def test_trace_gives_matches_with_places(index: Path, text_file: Path, command: Command) -> None:
    copy = "\n".join(LINES[10:14])
    ended = command("trace", index, f"Once upon a time {copy} and so on", "--json")
    assert ended.code == 0
    told = json.loads(ended.out)
    (match,) = told["matches"]
    assert (match["file"], match["line"]) == (str(text_file), 11)
    assert match["source"] == str(text_file.parent)
    assert match["text"].strip() == copy
    assert (match["bytes"], match["tokens"]) == (len(match["text"]), len(match["text"]) // 4)
    assert (told["longest_tokens"], told["verdict"]) == (match["tokens"], "memorized")
    assert set(match) >= {"start", "end", "bytes", "tokens", "source", "document", "file", "line", "text"}


def test_trace_shows_the_copied_part_marked(index: Path, text_file: Path, command: Command) -> None:
    ended = command("trace", index, "He wrote<" + letters(200, seed=107) + ">\x1b[31m twice")
    assert ended.code == 0
    assert f"He wrote<[[{letters(200, seed=107)}]]>" in ended.out
    assert "\x1b[31m" not in ended.out
    assert f"{text_file.parent}/notes.jsonl:8  200 bytes, 50 tokens" in ended.out
    assert "memorized: copied from the training text" in ended.out


def test_trace_reads_a_file_or_stdin(
    index: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = letters(200, seed=107)
    (tmp_path / "sample.txt").write_text(text)
    from_file = command("trace", index, tmp_path / "sample.txt", "--json")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="ascii"))
    from_stdin = command("trace", index, "-", "--json")
    assert from_file.out == from_stdin.out
    assert json.loads(from_stdin.out)["matches"][0]["line"] == 8


def test_clean_text_has_no_match(index: Path, command: Command) -> None:
    told = json.loads(command("trace", index, letters(2000, seed=999), "--json").out)
    assert (told["matches"], told["longest_tokens"], told["verdict"]) == ([], 0, "novel")


def test_a_run_file_gives_its_training_text(tmp_path: Path, toy: Toy, command: Command) -> None:
    ended = command("index", toy.run_file, "--out", tmp_path / "index", "--json")
    told = json.loads(ended.out)
    assert told["sources"] == ["books", "chat"]


def test_a_run_can_be_traced_in_and_counts_its_own_tokens(toy: Toy, command: Command) -> None:
    text = " ".join((toy.run_file.parent / "books.txt").read_text().split("\n\n")[:8])
    longest = max((toy.run_file.parent / "books.txt").read_text().split("\n\n"), key=len)
    told = json.loads(command("trace", toy.path, text + longest, "--json").out)
    assert told["tokens_counted"] is True
    by_id = command("trace", toy.id, text, "--runs", toy.runs_dir, "--json")
    assert by_id.code == 0


def test_every_sample_of_a_run_was_looked_for(toy: Toy) -> None:
    samples = json.loads((toy.path / "samples.json").read_text())
    assert samples
    for sample in samples:
        assert set(sample["copied"]) >= {"verdict", "longest_tokens", "matches"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trace", "nowhere", "text"], "neither a copy index nor a run"),
        (["index", "nowhere.txt", "--out", "x"], "no such file"),
        (["index", "empty.txt", "--out", "x"], "there is no record in it"),
    ],
)
def test_wrong_input_is_one_sentence(
    tmp_path: Path,
    command: Command,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").touch()
    ended = command(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert sentence in ended.err
    assert not (tmp_path / "x").exists()


def test_text_that_cannot_be_traced_is_told(index: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    ended = command("trace", index, tmp_path / "latin.txt")
    assert (ended.code, "the text is not UTF-8" in ended.err) == (2, True)
    ended = command("trace", index, "  ")
    assert (ended.code, "there is no text to trace" in ended.err) == (2, True)


def test_index_does_not_replace_what_is_no_index(text_file: Path, command: Command) -> None:
    ended = command("index", text_file, "--out", text_file.parent)
    assert (ended.code, "something else is in the way" in ended.err) == (2, True)
    assert text_file.exists()
