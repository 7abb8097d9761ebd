"""`twosignal score` says of a text, a file or a file of samples whether it has gone wrong, in words and as JSON."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from twosignal.cli import main

LOOP = "region " * 60
SOUND = (
    "The harbour was quiet when the first boats came back, and the men who had waited all night on the cold "
    "stones stood up without a word. One of them carried a lamp that had gone out long before."
)


def objects(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_text_is_scored_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", LOOP, "--json"]) == 0
    (found,) = objects(capsys.readouterr().out)
    assert found["degenerate"] is True
    assert found["english"] == 20
    assert [(one["name"], one["span"][1]) for one in found["signals"]] == [("loop", len(LOOP) - 1)]  # type: ignore[attr-defined]


def test_a_file_of_samples_gives_an_object_per_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = [
        {"text": LOOP},
        {"text": SOUND, "prompt": "Tell me of the sea."},
        {"text": "42", "prompt": None},
        {"text": SOUND, "prompt": "Wie war es gestern im Hafen, und wer hat die Boote gesehen?"},
    ]
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(map(json.dumps, samples)) + "\n\n", encoding="utf-8")
    assert main(["score", str(path), "--json"]) == 0
    found = objects(capsys.readouterr().out)
    assert [one["degenerate"] for one in found] == [True, False, None, True]
    assert main(["score", str(path)]) == 0
    out = capsys.readouterr().out
    assert f"{path}:3: too little text to say" in out
    assert "language at 0-" in out
    assert out.endswith("4 texts: 2 degenerate, 1 sound, 1 too little text to say\n")


def test_a_plain_file_is_one_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "answer.txt"
    path.write_text(f"{SOUND}\n{LOOP}\n", encoding="utf-8")
    assert main(["score", str(path), "--json"]) == 0
    (found,) = objects(capsys.readouterr().out)
    assert found["degenerate"] is True


def test_standard_input_is_read() -> None:
    command = [sys.executable, "-m", "twosignal", "score", "-", "--json"]
    ended = subprocess.run(command, input=SOUND.encode(), capture_output=True, check=True)
    (found,) = objects(ended.stdout.decode())
    assert found["degenerate"] is False


def test_the_prompt_option_sets_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", SOUND, "--prompt", "Was geschah gestern im Hafen, und wer war dort?"]) == 0
    assert "language" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"text": 3}', "the line has no text to score"),
        ('["text"]', "the line has no text to score"),
        ("not json", "the line is not JSON"),
        ('{"text": "a", "prompt": 3}', "the prompt is not a string"),
        ("[" * 100_000, "the line is not JSON"),
    ],
)
def test_a_bad_line_is_named(
    line: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(f'{{"text": "fine"}}\n{line}\n', encoding="utf-8")
    assert main(["score", str(path)]) == 2
    err = capsys.readouterr().err
    assert f"{path}:2: {complaint}" in err
    assert err.count("\n") == 1


def test_a_missing_file_and_bytes_that_are_no_text_are_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(tmp_path / "absent.jsonl")]) == 2
    assert "there is no such file" in capsys.readouterr().err
    path = tmp_path / "bytes.txt"
    path.write_bytes(b"caf\xe9")
    assert main(["score", str(path)]) == 2
    assert "this is not UTF-8 text (found byte 0xe9 at 3)" in capsys.readouterr().err
