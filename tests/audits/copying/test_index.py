"""No copy is missed and none is made up: exact runs against Python's own search, at every phase and border."""

import json
import random
from pathlib import Path

import pytest

from tests.audits.copying.corpus import document, index_of, letters, outermost_runs
from twosignal.audits.copying import CopyIndex, index_key
from twosignal.audits.copying import build as build_module
from twosignal.audits.copying import index as index_module
from twosignal.audits.copying.anchors import SHORTEST
from twosignal.audits.copying.build import IndexBuilder, build_index
from twosignal.audits.copying.training_text import has_index
from twosignal.errors import InputError, StorageError
from twosignal.text.conversation import Document, Origin, Tokenized


def spans(index: CopyIndex, text: str) -> list[tuple[int, int]]:
    return [(run.start, run.end) for run in index.runs(text.encode())]


def test_the_shortest_run_is_found_wherever_it_begins(tmp_path: Path) -> None:
    """50 bytes, at each of 60 places of a document: three times round the anchors' distance."""
    text = letters(400, seed=1)
    index = index_of(tmp_path / "index", [letters(333, seed=2), text])
    for begin in range(100, 160):
        sample = letters(70, seed=3) + text[begin : begin + 50] + letters(70, seed=4)
        assert (70, 120) in [(max(a, 70), min(b, 120)) for a, b in spans(index, sample)], begin


def test_shorter_runs_are_not_reported(tmp_path: Path) -> None:
    text = letters(400, seed=1)
    index = index_of(tmp_path / "index", [text])
    for begin in range(100, 140):
        assert spans(index, "#" * 40 + text[begin : begin + 49] + "#" * 40) == []


@pytest.mark.parametrize("seed", range(6))
def test_runs_are_those_of_a_slow_search(tmp_path: Path, seed: int) -> None:
    """Documents that share passages with each other, samples patched together from them."""
    draw = random.Random(seed)
    pieces = [letters(draw.randrange(20, 200), seed=1000 * seed + n) for n in range(30)]
    corpus = ["".join(draw.choices(pieces, k=draw.randrange(1, 8))) for _ in range(40)]
    index = index_of(tmp_path / "index", corpus)
    encoded = [one.encode() for one in corpus]
    for _ in range(3):
        cuts = []
        for _ in range(12):
            one = draw.choice([*corpus, "z~" * 40])
            begin = draw.randrange(len(one))
            cuts.append(one[begin : begin + draw.randrange(5, 150)])
        sample = "".join(cuts)
        assert spans(index, sample) == outermost_runs(sample.encode(), encoded, least=SHORTEST)


def test_every_run_stands_where_it_is_said_to(tmp_path: Path) -> None:
    corpus = [letters(300, seed=n) for n in range(50)]
    index = index_of(tmp_path / "index", corpus)
    for number, text in enumerate(corpus, 1):
        (run,) = index.runs(b"#" * 9 + text[37:250].encode() + b"#" * 9)
        origin, document_number = index.origin(run.place)
        assert (run.start, run.end, origin.line, document_number) == (9, 222, number, number)


def test_no_run_reaches_from_one_text_into_the_next(tmp_path: Path) -> None:
    one, other = letters(45, seed=1), letters(45, seed=2)
    assert spans(index_of(tmp_path / "index", [one, other]), one + other) == []
    assert spans(index_of(tmp_path / "joined", [one + other]), one + other) == [(0, 90)]


def test_pieces_of_one_text_file_are_one_text(tmp_path: Path) -> None:
    text = "".join(letters(40, seed=n) + "\n" for n in range(8))
    first = Document(text=text[:164], origin=Origin(source="s", file="a.txt", line=1), is_end=False)
    second = Document(text=text[164:], origin=Origin(source="s", file="a.txt", line=5), is_start=False)
    index = index_of(tmp_path / "index", [first, second])
    assert spans(index, text) == [(0, len(text))]
    (run,) = index.runs(text[205:300].encode())
    assert index.origin(run.place)[0] == Origin(source="s", file="a.txt", line=6)


def test_a_piece_after_a_held_out_one_begins_anew(tmp_path: Path) -> None:
    first, kept_back, last = (letters(60, seed=n) for n in range(3))

    def fill(builder: IndexBuilder) -> int:
        origin = Origin(source="s", file="a.txt", line=1)
        builder.append(Document(text=first, origin=origin, is_end=False))
        builder.skip("s")
        builder.append(Document(text=last, origin=origin, is_start=False))
        return 0

    build_index(tmp_path / "index", fill, key="k")
    assert spans(CopyIndex(tmp_path / "index"), first + last) == [(0, 60), (60, 120)]
    assert spans(CopyIndex(tmp_path / "index"), kept_back) == []


def test_blocks_of_text_join_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "BLOCK_BYTES", 97)
    text = letters(3000, seed=5)
    parts = [text[at : at + 41] for at in range(0, 3000, 41)]
    origin = Origin(source="s", file="a.txt", line=1)
    records = [
        Document(text=part, origin=origin, is_start=number == 0, is_end=False)
        for number, part in enumerate(parts)
    ]
    index = index_of(tmp_path / "index", [letters(7, seed=6), *records])
    assert spans(index, text) == [(0, 3000)]
    for begin in range(0, 2900, 101):
        assert spans(index, "#" + text[begin : begin + 60]) == [(1, 61)]


def test_a_long_text_is_looked_up_in_blocks_without_a_seam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, other = letters(3000, seed=5), letters(400, seed=6)
    index = index_of(tmp_path / "index", [text, other])
    sample = "#" * 30 + text[100:2900] + "#" * 41 + other[50:150]
    expected = [(30, 2830), (2871, 2971)]
    assert spans(index, sample) == expected
    for block in (64, 97, 2860):
        monkeypatch.setattr(index_module, "_BLOCK_WINDOWS", block)
        assert spans(index, sample) == expected, block
        assert [run.occurrences for run in index.runs(sample.encode())] == [1, 1]


def test_a_paragraph_that_stands_everywhere_is_found_counted_and_hides_nothing(tmp_path: Path) -> None:
    common, rare = letters(300, seed=1), letters(120, seed=2)
    corpus = [letters(n % 23, seed=n) + common for n in range(3000)]
    corpus[1500] += rare
    index = index_of(tmp_path / "index", corpus)
    (alone,) = index.runs(b"##" + common.encode() + b"##")
    assert (alone.start, alone.end, alone.occurrences) == (2, 302, 3000)
    runs = index.runs(rare.encode() + b"##" + common.encode())
    assert [(run.start, run.end, run.occurrences) for run in runs] == [(0, 120, 1), (122, 422, 3000)]
    (whole,) = index.runs(common.encode() + rare.encode())
    assert (whole.start, whole.end, index.origin(whole.place)[1]) == (0, 420, 1501)


def test_the_first_of_equal_places_is_named(tmp_path: Path) -> None:
    text = letters(200, seed=1)
    index = index_of(tmp_path / "index", [letters(100, seed=2), text, letters(31, seed=3), text])
    (run,) = index.runs(text.encode())
    assert (index.origin(run.place)[1], run.occurrences) == (2, 2)


@pytest.mark.parametrize("records", [[], [""], ["short"], ["x" * 31], ["x" * 32]])
def test_little_training_text_is_no_fault(tmp_path: Path, records: list[str]) -> None:
    kept = [record for record in records if record]
    index = index_of(tmp_path / "index", [*kept])
    for sample in ("", "x", "x" * 40, letters(500, seed=1)):
        assert index.runs(sample.encode()) == []


def test_loops_in_sample_and_text_end_quickly_and_right(tmp_path: Path) -> None:
    index = index_of(tmp_path / "index", ["a" * 20_000, "ab" * 5000, letters(300, seed=1)])
    assert spans(index, "a" * 3000) == [(0, 3000)]
    assert spans(index, "b" + "ab" * 700) == [(0, 1401)]


def test_ids_without_text_are_decoded(tmp_path: Path) -> None:
    text = letters(80, seed=1)
    record = Tokenized(
        ids=tuple(map(ord, text)), supervised=None, origin=Origin(source="s", file="f", line=3)
    )

    def fill(builder: IndexBuilder) -> int:
        builder.append(record, decode=lambda ids: "".join(map(chr, ids)))
        return 0

    build_index(tmp_path / "index", fill, key="k")
    assert spans(CopyIndex(tmp_path / "index"), text) == [(0, 80)]


def test_an_index_takes_less_than_six_bytes_per_byte(tmp_path: Path) -> None:
    folder = index_of(tmp_path / "index", [letters(500, seed=n) for n in range(2000)]).folder
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1.7 * 1_000_000


def test_what_fails_half_way_leaves_the_old_index_or_nothing(tmp_path: Path) -> None:
    text = letters(100, seed=1)

    def fail(builder: IndexBuilder) -> int:
        builder.append(document(letters(100, seed=2)))
        raise InputError("the second file is damaged")

    with pytest.raises(InputError, match="second file"):
        build_index(tmp_path / "new", fail, key="k")
    index_of(tmp_path / "old", [text])
    with pytest.raises(InputError, match="second file"):
        build_index(tmp_path / "old", fail, key="k")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]
    assert spans(CopyIndex(tmp_path / "old"), text) == [(0, 100)]


def test_an_index_replaces_an_index_and_nothing_else(tmp_path: Path) -> None:
    old, new = letters(100, seed=1), letters(100, seed=2)
    index_of(tmp_path / "index", [old])
    index = index_of(tmp_path / "index", [new])
    assert (spans(index, old), spans(index, new)) == ([], [(0, 100)])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="something else is in the way"):
        index_of(tmp_path / "mine", [new])
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        index_of(tmp_path / "file" / "index", ["text"])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: (f / "index.json").unlink(), "there is no copy index"),
        (lambda f: (f / "index.json").write_text("{"), "index.json is damaged"),
        (lambda f: (f / "index.json").write_text("[]"), "not a copy index of this version"),
        (lambda f: (f / "anchors.bin").unlink(), "cannot be read"),
        (lambda f: (f / "text.bin").write_bytes(b"x"), "a part of the copy index is damaged"),
    ],
)
def test_a_damaged_index_is_told(tmp_path: Path, spoil: object, sentence: str) -> None:
    folder = index_of(tmp_path / "index", [letters(100, seed=1)]).folder
    assert callable(spoil)
    spoil(folder)
    with pytest.raises(InputError, match=sentence) as caught:
        CopyIndex(folder)
    assert "Build" in caught.value.sentence()


def test_another_version_or_a_lacking_field_is_told(tmp_path: Path) -> None:
    folder = index_of(tmp_path / "index", [letters(100, seed=1)]).folder
    head = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(head | {"version": 99}))
    with pytest.raises(InputError, match="version 1"):
        CopyIndex(folder)
    del head["bits"]
    (folder / "index.json").write_text(json.dumps(head))
    with pytest.raises(InputError, match="lacks something: 'bits'"):
        CopyIndex(folder)


def test_an_index_is_used_again_only_for_the_same_text(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    assert not has_index(folder, "test")
    index_of(folder, [letters(100, seed=1)])
    assert has_index(folder, "test")
    assert not has_index(folder, "other")
    assert index_key({"a": "1", "b": "2"}) == index_key({"b": "2", "a": "1"})
    assert index_key({"a": "1", "b": "2"}) != index_key({"a": "2", "b": "1"})
