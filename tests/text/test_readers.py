"""Takes JSON Lines, JSON and Parquet files, checks their rows and lines, and what is said of broken files."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twosignal.errors import SourceError
from twosignal.text import readers
from twosignal.text.malformed import MalformedError
from twosignal.text.paths import InputFile
from twosignal.text.readers import count_rows, read_rows


def input_file(folder: Path, name: str, content: bytes) -> InputFile:
    path = folder / name
    path.write_bytes(content)
    return InputFile(path=path, shown=name)


def rows(file: InputFile) -> list[tuple[int, Any]]:
    found = [(row.line, row.value) for row in read_rows(file)]
    assert count_rows(file) == len(found)
    return found


def refusal(file: InputFile) -> str:
    with pytest.raises(SourceError) as caught:
        list(read_rows(file))
    assert caught.value.exit_code == 2
    return str(caught.value)


def flaw(file: InputFile, line: int) -> str:
    (value,) = [value for number, value in rows(file) if number == line]
    assert isinstance(value, MalformedError)
    return value.found


def test_json_lines_know_their_lines_past_blank_ones(tmp_path: Path) -> None:
    file = input_file(tmp_path, "a.jsonl", b'{"a": 1}\n\n  \n{"a": NaN}\n[2]')
    assert [line for line, _ in rows(file)] == [1, 4, 5]
    assert rows(file)[0][1] == {"a": 1}


def test_json_lines_may_have_a_mark_and_windows_newlines(tmp_path: Path) -> None:
    file = input_file(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}\r\n')
    assert rows(file) == [(1, {"a": 1}), (3, {"a": 2})]


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    file = input_file(tmp_path, "a.jsonl", '{"a": "x\u2028y\x85z"}\n{"a": 2}\n'.encode())
    assert [line for line, _ in rows(file)] == [1, 2]


def test_json_lines_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO(b'{"a": 1}\n' * 100_000)
    monkeypatch.setattr(readers, "open_bytes", lambda _: stream)
    first = next(read_rows(InputFile(path=tmp_path / "a.jsonl", shown="a.jsonl")))
    assert first.value == {"a": 1}
    assert stream.closed or stream.tell() < 1000


def test_gzip_is_unpacked_on_the_way(tmp_path: Path) -> None:
    file = input_file(tmp_path, "a.jsonl.gz", gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
    assert rows(file) == [(1, {"a": 1}), (2, {"a": 2})]


def test_broken_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"a": 1}\n' * 100)
    for content in (whole[:-12], b"plain text"):
        message = refusal(input_file(tmp_path, "a.jsonl.gz", content))
        assert message.startswith("a.jsonl.gz: the file is not a whole gzip file")


def test_an_invalid_line_says_column_and_cause(tmp_path: Path) -> None:
    file = input_file(tmp_path, "a.jsonl", b'{"a": 1}\n{"a" 2}\n{"a": 3}\n')
    assert flaw(file, 2) == "invalid JSON at column 6: Expecting ':' delimiter"


@pytest.mark.parametrize("rest", [b'{"a": "tex', b'{"a": 12', b'{"a": tr', b'{"a"', b"{"])
def test_a_last_line_that_was_cut_off_is_called_so(tmp_path: Path, rest: bytes) -> None:
    file = input_file(tmp_path, "a.jsonl", b'{"a": 1}\n' + rest)
    assert "the end of the file inside a record" in flaw(file, 2)


def test_a_wrong_last_line_is_not_called_cut_off(tmp_path: Path) -> None:
    file = input_file(tmp_path, "a.jsonl", b'{"a": 1}\n{"a": oops}')
    assert "invalid JSON at column 7" in flaw(file, 2)


def test_values_that_json_cannot_hold_are_malformed(tmp_path: Path) -> None:
    file = input_file(tmp_path, "a.jsonl", b"[" * 100_000 + b"\n" + b"9" * 5000 + b"\n")
    assert "JSON that cannot be read" in flaw(file, 1)
    assert "JSON that cannot be read" in flaw(file, 2)


def test_a_wrong_encoding_names_line_and_byte(tmp_path: Path) -> None:
    file = input_file(tmp_path, "a.jsonl", '{"a": 1}\n{"a": "café"}\n'.encode("latin-1"))
    message = refusal(file)
    assert message.startswith("a.jsonl:2: the file is not UTF-8 text")
    assert "byte 0xe9 at byte 11 of the line, byte 20 of the file" in message
    assert "iconv" in message


def test_utf_16_is_recognised(tmp_path: Path) -> None:
    message = refusal(input_file(tmp_path, "a.jsonl", '{"a": 1}\n'.encode("utf-16")))
    assert "a.jsonl:1: the file is not UTF-8 text (found the byte order mark of UTF-16" in message


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, __: str) -> None:
        raise PermissionError(13, "Permission denied")

    file = input_file(tmp_path, "a.jsonl", b"")
    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(file).startswith("a.jsonl: the file cannot be read: permission denied.")


def test_a_file_that_went_away_is_refused(tmp_path: Path) -> None:
    file = InputFile(path=tmp_path / "a.jsonl", shown="a.jsonl")
    assert "a.jsonl: the file cannot be read (found No such file" in refusal(file)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"text": "a"}, {"text": "b"}], [{"text": "a"}, {"text": "b"}]),
        ({"x": {"text": "a"}, "y": {"text": "b"}}, [{"text": "a"}, {"text": "b"}]),
        ({"train": [{"text": "a"}], "test": [{"text": "b"}]}, [{"text": "a"}, {"text": "b"}]),
        (
            {"messages": [{"role": "user", "content": "a"}]},
            [{"messages": [{"role": "user", "content": "a"}]}],
        ),
        ([], []),
        ({}, []),
    ],
)
def test_json_files_are_lists_or_objects_of_records(tmp_path: Path, value: Any, expected: list[Any]) -> None:
    file = input_file(tmp_path, "a.json", b"\xef\xbb\xbf" + json.dumps(value).encode())
    assert rows(file) == list(enumerate(expected, 1))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"3", "a number"),
        (b'"x"', "text"),
        (b'{"version": 1, "data": []}', "an object that is not made of records"),
    ],
)
def test_json_files_without_records_are_refused(tmp_path: Path, content: bytes, found: str) -> None:
    message = refusal(input_file(tmp_path, "a.json", content))
    assert message == (
        f"a.json: the file holds no records (found {found}; expected a list of records, or an object of records)."
    )


def test_invalid_json_names_line_and_column(tmp_path: Path) -> None:
    message = refusal(input_file(tmp_path, "a.json", b'[\n{"a": 1},\n{"a" 2}]'))
    assert message.startswith(
        "a.json:3: the file is not valid JSON (found Expecting ':' delimiter at column 6"
    )


def test_json_lines_under_the_name_json_are_recognised(tmp_path: Path) -> None:
    message = refusal(input_file(tmp_path, "a.json", b'{"a": 1}\n{"a": 2}\n'))
    assert "One record per line? Then name the file .jsonl." in message


def test_json_that_cannot_be_held_is_refused(tmp_path: Path) -> None:
    assert "a.json: the JSON cannot be read" in refusal(input_file(tmp_path, "a.json", b"9" * 5000))


def test_parquet_gives_records_of_the_known_columns(tmp_path: Path) -> None:
    messages = [[{"role": "user", "content": f"Hi {n}"}] for n in range(1200)]
    table = pa.table({"messages": messages, "domain": ["d"] * 1200, "image": [b"x"] * 1200})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=500)
    found = rows(InputFile(path=tmp_path / "a.parquet", shown="a.parquet"))
    assert [line for line, _ in found] == list(range(1, 1201))
    assert found[700][1] == {"messages": [{"role": "user", "content": "Hi 700"}], "domain": "d"}


def test_parquet_without_known_columns_shows_all(tmp_path: Path) -> None:
    pq.write_table(pa.table({"title": ["x"], "domain": ["d"]}), tmp_path / "a.parquet")
    assert rows(InputFile(path=tmp_path / "a.parquet", shown="a")) == [(1, {"title": "x", "domain": "d"})]


def test_broken_parquet_is_refused(tmp_path: Path) -> None:
    message = refusal(input_file(tmp_path, "a.parquet", b"PAR1 but nothing else"))
    assert message.startswith("a.parquet: the file is not a whole Parquet file (found ")
