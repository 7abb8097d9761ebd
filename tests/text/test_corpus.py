"""Takes sources of every kind, checks the records they give, what is held out, and each refusal."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twosignal.config import SourceTable
from twosignal.errors import SourceError
from twosignal.text.conversation import Conversation, Document
from twosignal.text.corpus import SourceReader
from twosignal.text.paths import InputFile
from twosignal.text.readers import Row, read_rows
from twosignal.text.split import Reading

GOOD = '{"prompt": "Hi", "completion": "Hello"}'
BAD = '{"prompt": "Hi", "completion": null}'


def reader(folder: Path, path: str | list[str], **table: Any) -> SourceReader:
    return SourceReader("s", SourceTable(path=path, **table), folder=folder)


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def numbered(count: int) -> list[str]:
    return [json.dumps({"text": f"text {number}"}) for number in range(count)]


def texts(readings: list[Reading], *, held_out: bool) -> list[str]:
    return [r.record.text for r in readings if isinstance(r.record, Document) and r.held_out == held_out]


def refusal(source: SourceReader) -> str:
    with pytest.raises(SourceError) as caught:
        list(source)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_records_come_with_source_file_and_line(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [GOOD, "", GOOD])
    source = reader(tmp_path, "a.jsonl")
    records = [reading.record for reading in source]
    assert [str(record.origin) for record in records] == ["a.jsonl:1", "a.jsonl:3"]
    assert {record.origin.source for record in records} == {"s"}
    assert all(isinstance(record, Conversation) for record in records)
    assert source.num_records == 2
    assert source.files == (tmp_path / "a.jsonl",)


def test_a_list_of_paths_gives_every_file_once(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_lines(tmp_path / f"{name}.jsonl", [json.dumps({"text": name})])
    readings = list(reader(tmp_path, ["c.jsonl", "*.jsonl"], held_out=0))
    assert texts(readings, held_out=False) == ["c", "a", "b"]


def test_an_empty_list_of_paths_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'sources\.s\.path: source "s": the list of paths is empty'):
        reader(tmp_path, [])
    for path in ("", ["a.jsonl", " "]):
        with pytest.raises(SourceError, match=r'sources\.s\.path: source "s": a path is empty'):
            reader(tmp_path, path)


def test_a_missing_file_is_refused_before_reading(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        reader(tmp_path, "a.jsonl")


def test_one_source_may_mix_kinds_of_files(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", ['{"text": "lines"}'])
    (tmp_path / "b.json").write_text('[{"text": "json"}]')
    (tmp_path / "c.md").write_text("markdown\n")
    pq.write_table(pa.table({"text": ["parquet"]}), tmp_path / "d.parquet")
    readings = list(reader(tmp_path, ".", held_out=0))
    assert texts(readings, held_out=False) == ["lines", "json", "markdown\n", "parquet"]


def test_the_format_is_passed_on(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", ['{"messages": [], "text": "x"}'])
    (reading,) = reader(tmp_path, "a.jsonl", format="text")
    assert isinstance(reading.record, Document)
    assert 'expected "prompt" and "completion"' in refusal(
        reader(tmp_path, "a.jsonl", format="prompt-completion")
    )


def test_reading_again_starts_afresh(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [GOOD, BAD, GOOD])
    source = reader(tmp_path, "a.jsonl", max_bad=0.5)
    assert list(source) == list(source)
    assert (source.num_records, source.num_bad, len(source.skipped)) == (2, 1, 1)


def test_records_are_given_before_the_file_is_read_to_its_end(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [GOOD, "{"])
    source = reader(tmp_path, "a.jsonl")
    assert isinstance(next(iter(source)).record, Conversation)
    assert source.num_bad == 0


def test_a_limit_counts_good_records_over_all_files(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [BAD, *numbered(3)])
    write_lines(tmp_path / "b.jsonl", numbered(9))
    source = reader(tmp_path, "*.jsonl", limit=5, max_bad=0.5)
    assert [str(reading.record.origin) for reading in source] == [
        "a.jsonl:2", "a.jsonl:3", "a.jsonl:4", "b.jsonl:1", "b.jsonl:2",
    ]  # fmt: skip


def test_a_limit_that_the_first_file_fills_leaves_the_others_unread(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", numbered(3))
    (tmp_path / "b.json").write_text("not JSON")
    assert len(list(reader(tmp_path, ["a.jsonl", "b.json"], limit=3))) == 3


def test_malformed_records_below_the_share_are_skipped_and_counted(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [*numbered(99), BAD])
    source = reader(tmp_path, "a.jsonl", max_bad=0.01)
    assert len(list(source)) == 99
    assert source.num_bad == 1
    assert str(source.skipped[0]) == 'a.jsonl:100: found null in "completion"; expected text'


def test_malformed_records_above_the_share_refuse_the_source(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [GOOD, BAD, *numbered(17), BAD])
    message = refusal(reader(tmp_path, "a.jsonl"))
    assert message.startswith(
        'a.jsonl:2: source "s": 2 of 20 records are malformed, more than max_bad = 0.01'
    )
    assert '(found null in "completion"; expected text)' in message
    assert message.endswith("Correct the data, set sources.s.format, or raise sources.s.max_bad.")


def test_a_source_that_is_mostly_malformed_is_refused_early(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [*numbered(20), *[BAD] * 500])
    source = reader(tmp_path, "a.jsonl")
    assert "30 of the first 50 records are malformed" in refusal(source)
    assert source.num_bad == 30


def test_a_high_max_bad_keeps_reading_and_keeps_the_first_hundred(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [*[BAD] * 150, GOOD])
    source = reader(tmp_path, "a.jsonl", max_bad=1)
    assert len(list(source)) == 1
    assert (source.num_bad, len(source.skipped)) == (150, 100)


def test_a_last_line_that_was_cut_off_counts_as_malformed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f"{GOOD}\n{GOOD[:20]}")
    assert "a.jsonl:2" in refusal(reader(tmp_path, "a.jsonl"))
    assert len(list(reader(tmp_path, "a.jsonl", max_bad=0.5))) == 1


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", "\n \n"), ("a.json", "[]"), ("a.txt", "\n\n")])
def test_a_source_without_any_record_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    message = refusal(reader(tmp_path, name))
    assert message.startswith(f'{name}: source "s": there is no record in it (found 1 empty input;')
    assert "correct sources.s.path" in message


def test_a_source_of_malformed_records_only_is_refused_even_if_all_may_be_bad(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [BAD])
    assert "there is no record in it" in refusal(reader(tmp_path, "a.jsonl", max_bad=1))


def test_hashing_holds_out_the_same_records_in_any_order_and_company(tmp_path: Path) -> None:
    lines = numbered(300)
    write_lines(tmp_path / "a.jsonl", lines)
    write_lines(tmp_path / "b.jsonl", [*reversed(lines[100:]), GOOD])
    whole = set(texts(list(reader(tmp_path, "a.jsonl", held_out=0.2)), held_out=True))
    part = set(texts(list(reader(tmp_path, "b.jsonl", held_out=0.2)), held_out=True))
    assert 30 < len(whole) < 90
    assert part == {text for text in whole if int(text.split()[1]) >= 100}


def test_the_end_of_every_record_file_is_held_out(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", numbered(10))
    (tmp_path / "b.json").write_text("[" + ",".join(numbered(4)) + "]")
    readings = list(reader(tmp_path, "*.json*", held_out=0.25, held_out_at="end"))
    assert texts(readings, held_out=True) == ["text 7", "text 8", "text 9", "text 3"]


def test_under_a_limit_the_end_is_that_of_what_is_read(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", numbered(100))
    readings = list(reader(tmp_path, "a.jsonl", held_out=0.25, held_out_at="end", limit=8))
    assert texts(readings, held_out=True) == ["text 6", "text 7"]
    (tmp_path / "b.txt").write_text("abcd\n" * 100)
    lines = list(reader(tmp_path, "b.txt", held_out=0.5, held_out_at="end", limit=2, documents="lines"))
    assert texts(lines, held_out=True) == ["abcd"]


@pytest.mark.parametrize("documents", ["sections", "files", "lines", "paragraphs"])
def test_text_files_are_held_out_from_one_exact_character(tmp_path: Path, documents: str) -> None:
    (tmp_path / "a.txt").write_text("abcdefghi\n" * 10)
    readings = list(reader(tmp_path, "a.txt", held_out=0.25, held_out_at="end", documents=documents))
    kept, held = texts(readings, held_out=False), texts(readings, held_out=True)
    whole = ("abcdefghi\n" * 10).removesuffix("\n" if documents == "paragraphs" else "")
    if documents == "lines":
        assert [kept[-1], *held] == ["abcde", "fghi", "abcdefghi", "abcdefghi"]
    else:
        assert ("".join(kept), "".join(held)) == (whole[:75], whole[75:])


def test_a_divided_section_says_where_it_begins_and_ends(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abcdefghi\n" * 10)
    kept, held = (reading.record for reading in reader(tmp_path, "a.txt", held_out=0.25, held_out_at="end"))
    assert isinstance(kept, Document)
    assert isinstance(held, Document)
    assert (kept.is_start, kept.is_end, kept.origin.line) == (True, False, 1)
    assert (held.is_start, held.is_end, held.origin.line) == (False, True, 8)


def test_sections_of_a_large_file_are_hashed_one_by_one(tmp_path: Path) -> None:
    text = "".join(f"paragraph {number}\n\n" for number in range(40_000))
    (tmp_path / "a.txt").write_text(text)
    readings = list(reader(tmp_path, "a.txt", held_out=0.5))
    assert "".join(r.record.text for r in readings if isinstance(r.record, Document)) == text
    assert 0 < sum(reading.held_out for reading in readings) < len(readings)


def test_builtin_sources_need_no_file(tmp_path: Path) -> None:
    source = reader(tmp_path, "builtin:chat-arithmetic", limit=500, held_out=0.1)
    readings = list(source)
    assert source.files == ()
    assert len(readings) == source.num_records == 500
    assert str(readings[0].record.origin) == "builtin:chat-arithmetic:1"
    assert 20 < sum(reading.held_out for reading in readings) < 90


def test_builtin_sources_can_be_held_out_at_the_end(tmp_path: Path) -> None:
    readings = list(reader(tmp_path, "builtin:listing", limit=10, held_out=0.2, held_out_at="end"))
    assert [reading.held_out for reading in readings] == [False] * 8 + [True] * 2


def test_a_builtin_may_stand_in_a_list_beside_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    assert len(list(reader(tmp_path, ["builtin:listing", "a.txt"], limit=3))) == 3
    assert len(list(reader(tmp_path, ["a.txt", "builtin:listing"], limit=3))) == 3


def test_held_out_questions_are_never_asked_in_training(tmp_path: Path) -> None:
    readings = list(reader(tmp_path, "builtin:chat-words", held_out=0.1))
    asked: dict[bool, set[str]] = {True: set(), False: set()}
    for reading in readings:
        assert isinstance(reading.record, Conversation)
        asked[reading.held_out] |= {m.content for m in reading.record.messages if m.role == "user"}
    assert len(asked[True]) > 200
    assert not asked[True] & asked[False]


def test_the_input_fingerprint_follows_the_contents(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [GOOD])
    write_lines(tmp_path / "b.jsonl", [GOOD])
    first = reader(tmp_path, "a.jsonl").input_fingerprint()
    assert len(first) == 32
    assert first == reader(tmp_path, "b.jsonl").input_fingerprint()
    assert first != reader(tmp_path, "*.jsonl").input_fingerprint()
    write_lines(tmp_path / "b.jsonl", [GOOD, GOOD])
    assert first != reader(tmp_path, "b.jsonl").input_fingerprint()


def test_the_input_fingerprint_of_a_builtin_follows_name_and_limit(tmp_path: Path) -> None:
    tables = [("builtin:listing", None), ("builtin:listing", 5), ("builtin:chat-dates", None)]
    prints = {reader(tmp_path, path, limit=limit).input_fingerprint() for path, limit in tables}
    assert len(prints) == 3
    assert reader(tmp_path, "builtin:listing").input_fingerprint() in prints


def test_the_input_fingerprint_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [GOOD])
    source = reader(tmp_path, "a.jsonl")
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(SourceError, match=r"a\.jsonl: the file cannot be read"):
        source.input_fingerprint()


def test_the_real_dialogues_are_read_whole(shared_data: Path) -> None:
    source = reader(shared_data, "sgd_train.jsonl")
    num_held_out = num_messages = 0
    for reading in source:
        assert isinstance(reading.record, Conversation)
        num_held_out += reading.held_out
        num_messages += len(reading.record.messages)
    assert (source.num_records, source.num_bad, num_messages) == (12_174, 0, 223_756)
    assert 0.015 < num_held_out / 12_174 < 0.025


def test_the_real_books_are_read_whole(shared_data: Path) -> None:
    source = reader(shared_data, "books/*.txt", held_out=0.1, held_out_at="end")
    joined: dict[str, str] = {}
    held: dict[str, int] = {}
    for reading in source:
        record = reading.record
        assert isinstance(record, Document)
        name = record.origin.file
        joined[name] = joined.get(name, "") + record.text
        held[name] = held.get(name, 0) + len(record.text) * reading.held_out
    assert len(joined) == len(source.files) == 7
    for path in source.files:
        text = path.read_text(encoding="utf-8")
        name = f"books/{path.name}"
        assert joined[name] == text
        assert held[name] == len(text) - int(len(text) * 0.9)


def test_the_room_needs_no_torch() -> None:
    code = "import sys, twosignal.text.corpus; print(sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_is_streamed_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [0]

    def counting(file: InputFile) -> Iterator[Row]:
        for row in read_rows(file):
            drawn[0] += 1
            yield row

    monkeypatch.setattr("twosignal.text.corpus.read_rows", counting)
    write_lines(tmp_path / "a.jsonl", numbered(1000))
    readings = iter(reader(tmp_path, "a.jsonl"))
    for _ in range(3):
        next(readings)
    assert drawn == [3]
