"""Tests of the marks in a text."""

from dataclasses import replace
from typing import Any

import pytest

from tests.audits.conftest import DOCSTRING, HEALTHY
from twosignal.audits.degeneration import Signal
from twosignal.audits.marking import LONGEST_MARKED, Piece, marks_of, pieces_of, visible
from twosignal.audits.recorded import Sample
from twosignal.audits.sample_audit import TextCheck, check_text


def check(text: str, *, copied: dict[str, Any] | None = None) -> TextCheck:
    return check_text(Sample(step=1, text=text, copied=copied))


def signal(start: int, stop: int, name: str = "loop") -> Signal:
    return Signal(name=name, value=1.0, span=(start, stop), reason=name)


def copy(start: object, end: object, *, verdict: str = "memorized", **more: object) -> dict[str, Any]:
    match = {"start": start, "end": end, "tokens": 54, "source": "docs", "file": "a.py", "line": 3}
    return {"verdict": verdict, "matches": [match | more]}


def shown(pieces: list[Piece]) -> list[tuple[str, list[str]]]:
    return [(piece.text, [mark.sort for mark in piece.marks]) for piece in pieces]


def test_a_sound_text_is_one_piece() -> None:
    assert shown(pieces_of(check(HEALTHY[0]))) == [(HEALTHY[0], [])]
    assert pieces_of(check("")) == []


def test_the_pieces_are_the_text_cut_where_marks_begin_and_end() -> None:
    text = replace(check("abcdefgh", copied=copy(1, 4)), signals=(signal(3, 6),))
    pieces = pieces_of(text)
    assert shown(pieces) == [
        ("a", []),
        ("bc", ["copied"]),
        ("d", ["copied", "broken"]),
        ("ef", ["broken"]),
        ("gh", []),
    ]
    assert [[mark.sort for mark in piece.opened] for piece in pieces] == [[], ["copied"], ["broken"], [], []]


def test_a_copy_is_told_with_its_place() -> None:
    start = len("Here it is. ")
    (mark,) = marks_of(
        check("Here it is. " + DOCSTRING, copied=copy(start, start + len(DOCSTRING), occurrences=12))
    )
    assert (mark.start, mark.stop, mark.sort) == (start, start + len(DOCSTRING), "copied")
    assert mark.label == "docs: a.py:3"
    assert mark.reason == "54 tokens in a row, 12 times in the training text"


def test_a_short_run_is_shared_and_a_repetitive_one_nothing() -> None:
    assert [mark.sort for mark in marks_of(check("abcdef", copied=copy(0, 3, verdict="suspect")))] == [
        "shared"
    ]
    assert marks_of(check("abcdef", copied=copy(0, 3, repetitive=True))) == []
    assert marks_of(check("abcdef", copied=copy(0, 3, verdict="novel"))) == []


@pytest.mark.parametrize(
    "copied",
    [
        copy(-1, 3),
        copy(0, 99),
        copy(4, 2),
        copy("0", 3),
        copy(None, None),
        {"verdict": "memorized", "matches": ["x", None]},
        {"verdict": "memorized", "matches": 7},
        {"verdict": ["memorized"], "matches": []},
        {"verdict": "memorized"},
        {},
    ],
)
def test_places_that_cannot_be_are_left_out(copied: dict[str, Any]) -> None:
    assert marks_of(check("abcdef", copied=copied)) == []


def test_a_long_loop_is_cut_and_says_how_much() -> None:
    text = check("region " * 400)
    pieces = pieces_of(text)
    assert sum(len(piece.text) + piece.skipped for piece in pieces) == len(text.text)
    assert max(len(piece.text) for piece in pieces) <= LONGEST_MARKED
    assert sum(piece.skipped for piece in pieces) > 1_000
    assert "loop" in {mark.label for piece in pieces for mark in piece.opened}


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert visible("a\x00b\x1bc\u202ed\ud800e\tf\n") == "a\ufffdb\ufffdc\ufffdd\ufffde\tf\n"
    hebrew = "\u05e9\u05dc\u05d5\u05dd\u200f"
    assert visible(hebrew) == hebrew
