"""Takes text files, checks that their pieces lie where they say and that sections, joined, are the file."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.errors import SourceError
from twosignal.text import sections
from twosignal.text.paths import InputFile
from twosignal.text.sections import SECTION_CHARACTERS, Cut, Piece, count_characters, read_pieces


def input_file(folder: Path, content: bytes, name: str = "a.txt") -> InputFile:
    path = folder / name
    path.write_bytes(content)
    return InputFile(path=path, shown=name)


def pieces(folder: Path, text: str, cut: Cut) -> list[Piece]:
    return list(read_pieces(input_file(folder, text.encode()), cut))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab \n\u00e9\r", max_size=300), st.integers(min_value=1, max_value=40))
def test_joined_sections_are_the_file_and_know_their_place(
    tmp_path_factory: pytest.TempPathFactory, text: str, chunk: int
) -> None:
    file = input_file(tmp_path_factory.getbasetemp(), text.encode(), "property.txt")
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sections, "SECTION_CHARACTERS", 20)
        patch.setattr(sections, "_CHUNK_CHARACTERS", chunk)
        found = list(read_pieces(file, "sections"))
        assert count_characters(file) == len(plain)
    if not plain.strip():
        plain = plain if found else ""
    assert "".join(piece.text for piece in found) == plain
    for piece in found:
        assert plain[piece.start : piece.end] == piece.text
        assert piece.line == plain.count("\n", 0, piece.start) + 1
        assert 0 < len(piece.text) <= 25
    assert [piece.is_start for piece in found] == [True, *[False] * (len(found) - 1)][: len(found)]
    assert [piece.is_end for piece in found] == [*[False] * (len(found) - 1), True][-len(found) :][
        : len(found)
    ]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("x" * 9_000 + "\n\n" + "y" * 4_000 + "\n" + "z" * 40_000, 9_002),
        ("x" * 9_000 + "\n" + "y" * 40_000, 9_001),
        ("x" * 40_000, SECTION_CHARACTERS),
        ("x" * 20_000, 20_000),
    ],
)
def test_a_section_ends_at_a_blank_line_else_a_line_else_anywhere(
    tmp_path: Path, text: str, first: int
) -> None:
    assert len(pieces(tmp_path, text, "sections")[0].text) == first


def test_lines_are_documents_without_their_newline(tmp_path: Path) -> None:
    found = pieces(tmp_path, "one\n\n  two \nthree", "lines")
    assert [(p.text, p.start, p.line) for p in found] == [("one", 0, 1), ("  two ", 5, 3), ("three", 12, 4)]
    assert all(p.is_start and p.is_end for p in found)


def test_paragraphs_stand_between_blank_lines(tmp_path: Path) -> None:
    found = pieces(tmp_path, "\none\ntwo\n \n\nthree\n", "paragraphs")
    assert [(p.text, p.start, p.line) for p in found] == [("one\ntwo", 1, 2), ("three", 12, 6)]


def test_a_file_is_one_document(tmp_path: Path) -> None:
    (found,) = pieces(tmp_path, "x\n" * 30_000, "files")
    assert (found.text, found.line, found.is_start, found.is_end) == ("x\n" * 30_000, 1, True, True)


@pytest.mark.parametrize("cut", ["sections", "lines", "paragraphs", "files"])
def test_blank_files_give_nothing(tmp_path: Path, cut: Cut) -> None:
    assert pieces(tmp_path, "", cut) == []
    assert pieces(tmp_path, " \n\n", cut) == []


def test_newlines_become_one_kind_and_the_mark_is_dropped(tmp_path: Path) -> None:
    file = input_file(tmp_path, b"\xef\xbb\xbfa\r\nb\rc\n")
    (piece,) = read_pieces(file, "sections")
    assert piece.text == "a\nb\nc\n"
    assert count_characters(file) == 6


def test_gzip_is_unpacked_on_the_way(tmp_path: Path) -> None:
    (piece,) = read_pieces(input_file(tmp_path, gzip.compress(b"one\n"), "a.txt.gz"), "sections")
    assert piece.text == "one\n"


def test_a_wrong_encoding_names_line_and_byte(tmp_path: Path) -> None:
    file = input_file(tmp_path, b"good\n" * 40_000 + b"caf\xe9\n")
    with pytest.raises(
        SourceError, match=r"a\.txt:40001: the file is not UTF-8 text \(found byte 0xe9 at byte 4"
    ):
        list(read_pieces(file, "sections"))
    with pytest.raises(SourceError, match=r"a\.txt:40001"):
        count_characters(file)


def test_a_piece_is_divided_only_at_an_offset_inside_it() -> None:
    piece = Piece(text="ab\ncd", start=10, line=4)
    assert piece.divided(10) == (piece,)
    assert piece.divided(15) == (piece,)
    assert piece.divided(14) == (
        Piece(text="ab\nc", start=10, line=4, is_start=True, is_end=False),
        Piece(text="d", start=14, line=5, is_start=False, is_end=True),
    )
