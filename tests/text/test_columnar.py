"""Tests of columnar rows: takes Parquet files with calls, gives what was written, or says that it cannot be known."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twosignal.config import SourceTable
from twosignal.text.conversation import Conversation
from twosignal.text.corpus import SourceReader


def call(arguments: object) -> list[dict[str, Any]]:
    made = {"type": "function", "function": {"name": "find", "arguments": arguments}}
    return [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "tool_calls": [made]}]


def read(folder: Path, *rows: dict[str, Any]) -> SourceReader:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "chats.parquet")
    return SourceReader("chats", SourceTable(path="chats.parquet", max_bad=0.9), folder=folder)


def arguments_of(reader: SourceReader) -> list[str]:
    found = []
    for reading in reader:
        assert isinstance(reading.record, Conversation)
        found.append(reading.record.messages[1].tool_calls[0].arguments)
    return found


def test_arguments_that_columns_fill_with_null_are_refused(tmp_path: Path) -> None:
    rows = [{"messages": call(given)} for given in ({"x": 1, "y": 2}, {"x": 1}, {"x": 3, "y": 4})]
    reader = read(tmp_path, *rows)
    assert arguments_of(reader) == ['{"x": 1, "y": 2}', '{"x": 3, "y": 4}']
    (bad,) = reader.skipped
    assert "chats.parquet:2: found null in the arguments of a call" in str(bad)
    assert 'expected "arguments" as JSON text' in str(bad)


def test_json_text_in_columns_keeps_what_was_written(tmp_path: Path) -> None:
    texts = ['{"x": 1}', '{"y": null}']
    assert arguments_of(read(tmp_path, *[{"messages": call(text)} for text in texts])) == texts


@pytest.mark.parametrize("as_text", [True, False])
def test_tools_in_columns_are_json_text_or_all_alike(as_text: bool, tmp_path: Path) -> None:
    tools = ['[{"name": "a"}]', '[{"name": "b", "strict": true}]']
    given: list[Any] = tools if as_text else [[{"name": "a"}], [{"name": "b", "strict": True}]]
    reader = read(tmp_path, *[{"messages": call("{}"), "tools": item} for item in given])
    found = [r.record.tools for r in reader if isinstance(r.record, Conversation)]
    assert found == (tools if as_text else tools[1:])
    assert len(reader.skipped) == (0 if as_text else 1)


def test_json_files_keep_the_nulls_that_were_written(tmp_path: Path) -> None:
    rows = [{"messages": call({"x": 1, "y": None})}]
    (tmp_path / "chats.json").write_text(json.dumps(rows))
    reader = SourceReader("chats", SourceTable(path="chats.json"), folder=tmp_path)
    assert arguments_of(reader) == ['{"x": 1, "y": null}']
