"""Graders' files: takes a file saved by the page or a judge, gives checked `Grades`, or a sentence naming file and line.

{"twosignal": "grades", "version": 1, "bundle": NAME, "grader": NAME, "rater": "person" | "judge",
 "grades": [{"item", "score": 1 to 10, "faults": [...], "note", "seconds", "position"}]}
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from twosignal.audits.grading.bundle import VERSION
from twosignal.errors import InputError

LOWEST, HIGHEST = 1, 10
FAULTS = ("not fluent", "off topic", "untrue", "not as asked")
"""What a grader may tick beside the score."""
LONGEST_FILE_BYTES = 64 << 20
LONGEST_NAME = 80

Rater = Literal["person", "judge"]
_ITEM_KEY = re.compile(r'(?<!\\)"item"\s*:')


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """One grader's judgement of one item."""

    item: str
    """Name of the item."""
    score: int
    """1 to 10."""
    faults: tuple[str, ...] = ()
    """Among `FAULTS`."""
    note: str = ""
    """In the grader's own words."""
    seconds: float = 0.0
    """How long the item was looked at."""
    position: int = 0
    """As which of the items it was shown, from 1; 0 where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grades:
    """All grades of one grader for one bundle."""

    bundle: str
    """Name of the bundle."""
    grader: str
    """The name the grader chose."""
    rater: Rater
    """A person, or a program."""
    grades: tuple[Grade, ...]

    def missing(self, items: Collection[str]) -> list[str]:
        """Return the items that were not graded, in their order."""
        graded = {grade.item for grade in self.grades}
        return [item for item in items if item not in graded]

    def to_bytes(self) -> bytes:
        """Return the file, one grade a line."""
        head = {"twosignal": "grades", "version": VERSION, "bundle": self.bundle, "grader": self.grader}
        lines = [
            json.dumps(
                {"item": one.item, "score": one.score, "faults": list(one.faults), "note": one.note}
                | {"seconds": one.seconds, "position": one.position}
            )
            for one in self.grades
        ]
        opening = json.dumps(head | {"rater": self.rater})[:-1]
        return (opening + ', "grades": [\n' + ",\n".join(lines) + "\n]}\n").encode("ascii")


def read_file(path: Path) -> bytes:
    """Return the content of a grader's file; raise InputError where it cannot be read."""
    try:
        if path.stat().st_size > LONGEST_FILE_BYTES:
            _refuse("the file is too large to be grades", str(path), expected="at most 64 MiB")
        return path.read_bytes()
    except OSError as error:
        message = "the file of grades cannot be read"
        raise InputError(message, where=str(path), found=error.strerror or str(error)) from error


def parse_grades(data: bytes, *, name: str) -> Grades:
    """Return the grades in the content of a file called `name`; raise InputError with the line that is wrong."""
    try:
        text = data.decode("utf-8-sig")
        values = json.loads(text)
    except UnicodeDecodeError as error:
        _refuse("not a text in UTF-8", name, found=f"byte {error.start}", cause=error)
    except json.JSONDecodeError as error:
        _refuse(f"not valid JSON: {error.msg}", f"{name}:{error.lineno}", cause=error)
    except (ValueError, RecursionError) as error:
        _refuse("not a file of grades", name, found=type(error).__name__, cause=error)
    head = _head(values, name)
    places = [text.count("\n", 0, match.start()) + 1 for match in _ITEM_KEY.finditer(text)]
    seen: dict[str, str] = {}
    grades = []
    for number, row in enumerate(head["grades"]):
        known = len(places) == len(head["grades"])
        where = f"{name}:{places[number]}" if known else f"{name}, grade {number + 1}"
        grade = _grade(row, where)
        if grade.item in seen:
            _refuse(
                "this item was graded before",
                where,
                found=grade.item,
                expected=f"one grade, as in {seen[grade.item]}",
            )
        seen[grade.item] = where
        grades.append(grade)
    return Grades(bundle=head["bundle"], grader=head["grader"], rater=head["rater"], grades=tuple(grades))


def check_items(grades: Grades, items: Collection[str], *, name: str, data: bytes) -> None:
    """Raise InputError where a grade is of an item the bundle does not have."""
    for grade in grades.grades:
        if grade.item not in items:
            line = _line_of(data.decode("utf-8-sig"), grade.item)
            _refuse(
                "the bundle has no such item",
                f"{name}:{line}",
                found=grade.item,
                expected=f"one of its {len(items)} items",
            )


def _head(values: object, name: str) -> dict[str, Any]:
    if not isinstance(values, Mapping) or values.get("twosignal") != "grades":
        _refuse(
            "this is no file of grades",
            f"{name}:1",
            expected='an object with "twosignal": "grades", as the page saves it',
        )
    if values.get("version") != VERSION:
        _refuse(
            "the file is of another version",
            f"{name}:1",
            found=repr(values.get("version")),
            expected=str(VERSION),
        )
    head: dict[str, Any] = {"rater": "person", **values}
    for field in ("bundle", "grader"):
        if not isinstance(head.get(field), str) or not head[field].strip():
            _refuse(
                f"the {field} is missing", f"{name}:1", found=repr(head.get(field))[:80], expected="a name"
            )
    head["grader"] = " ".join(head["grader"].split())
    if len(head["grader"]) > LONGEST_NAME or not head["grader"].isprintable():
        expected = f"at most {LONGEST_NAME} printable characters"
        _refuse(
            "the grader's name cannot be used",
            f"{name}:1",
            found=repr(head["grader"][:LONGEST_NAME]),
            expected=expected,
        )
    if head["rater"] not in ("person", "judge"):
        _refuse(
            "the rater is of no known kind",
            f"{name}:1",
            found=repr(head["rater"])[:80],
            expected="person or judge",
        )
    if not isinstance(head.get("grades"), list) or not head["grades"]:
        _refuse(
            "there is no grade in it",
            f"{name}:1",
            expected='a list "grades"',
            remedy="Grade the items, then save again.",
        )
    return head


def _grade(row: object, where: str) -> Grade:
    if not isinstance(row, Mapping) or not isinstance(row.get("item"), str):
        _refuse(
            "a grade names its item",
            where,
            found=repr(row)[:80],
            expected='an object with "item" and "score"',
        )
    score, faults, note = row.get("score"), row.get("faults", []), row.get("note", "")
    if not isinstance(score, int) or isinstance(score, bool) or not LOWEST <= score <= HIGHEST:
        _refuse(
            "the score is out of range",
            where,
            found=repr(score)[:80],
            expected=f"a whole number from {LOWEST} to {HIGHEST}",
        )
    if not isinstance(faults, list) or not all(one in FAULTS for one in faults):
        _refuse(
            "a fault is of no known kind",
            where,
            found=repr(faults)[:120],
            expected=f"among {', '.join(FAULTS)}",
        )
    if not isinstance(note, str):
        _refuse("the note is no text", where, found=repr(note)[:80], expected="text")
    seconds, position = row.get("seconds", 0), row.get("position", 0)
    return Grade(
        item=row["item"],
        score=score,
        faults=tuple(dict.fromkeys(faults)),
        note=note,
        seconds=float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < 1e9 else 0.0,
        position=position if isinstance(position, int) and 0 <= position < 10**9 else 0,
    )


def _line_of(text: str, item: str) -> int:
    """Return the first line, from 1, on which an item's name stands."""
    place = text.find(json.dumps(item))
    return text.count("\n", 0, max(0, place)) + 1


def _refuse(
    message: str,
    where: str,
    *,
    found: str = "",
    expected: str = "",
    remedy: str = "",
    cause: Exception | None = None,
) -> NoReturn:
    raise InputError(message, where=where, found=found, expected=expected, remedy=remedy) from cause
