"""Graders' files are taken as the page saves them, and refused with the line that is wrong."""

import json
from pathlib import Path

import pytest

from twosignal.audits.grading.grades import Grade, parse_grades, read_file
from twosignal.errors import InputError

HEAD = '{"twosignal": "grades", "version": 1, "bundle": "b1", "grader": " Ada  L ", "rater": "person", "grades": [\n'
# As the page in a browser writes it.
SAVED = (
    '{"twosignal":"grades","version":1,"bundle":"b1","grader":"Ada","rater":"person","key_sha256":"0f", "grades": [\n'
    '{"item":"i1","score":7,"faults":["not fluent"],"note":"he said \\"item\\": 3","seconds":4.2,"position":1},\n'
    '{"item":"i2","score":10,"faults":[],"note":"","seconds":2,"position":2}\n]}\n'
)


def file(*rows: object, head: str = HEAD) -> bytes:
    return (head + ",\n".join(json.dumps(row) for row in rows) + "\n]}").encode()


def refusal(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        parse_grades(data, name="ada.json")
    return str(caught.value)


def test_a_saved_file_comes_back_whole() -> None:
    grades = parse_grades(SAVED.encode(), name="ada.json")
    assert (grades.bundle, grades.grader, grades.rater) == ("b1", "Ada", "person")
    assert grades.grades[0] == Grade(
        item="i1", score=7, faults=("not fluent",), note='he said "item": 3', seconds=4.2, position=1
    )
    assert grades.missing(["i2", "i3", "i1", "i4"]) == ["i3", "i4"]
    assert parse_grades(grades.to_bytes(), name="again.json") == grades
    assert parse_grades(file({"item": "i1", "score": 3}), name="x").grader == "Ada L"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"item": "i2", "score": 11},
            "ada.json:3: the score is out of range (found 11; expected a whole number",
        ),
        ({"item": "i2", "score": 0}, "ada.json:3: the score is out of range (found 0"),
        ({"item": "i2", "score": True}, "ada.json:3: the score is out of range (found True"),
        ({"item": "i2", "score": 5.5}, "ada.json:3: the score is out of range (found 5.5"),
        ({"item": "i2", "score": float("nan")}, "ada.json:3: the score is out of range (found nan"),
        ({"item": "i2"}, "ada.json:3: the score is out of range (found None"),
        ({"item": "i2", "score": 5, "faults": ["ugly"]}, "ada.json:3: a fault is of no known kind"),
        ({"item": "i2", "score": 5, "faults": [["x"]]}, "ada.json:3: a fault is of no known kind"),
        ({"item": "i2", "score": 5, "note": 3}, "ada.json:3: the note is no text"),
        (
            {"item": "i1", "score": 5},
            "ada.json:3: this item was graded before (found i1; expected one grade, as in ada.json:2)",
        ),
        ({"score": 5}, "ada.json, grade 2: a grade names its item"),
        ([], "ada.json, grade 2: a grade names its item"),
    ],
)
def test_a_wrong_grade_is_named_with_its_line(row: object, said: str) -> None:
    assert refusal(file({"item": "i1", "score": 4}, row)).startswith(said)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "ada.json:1: not valid JSON"),
        (file({"item": "i1"})[:-2], "ada.json:3: not valid JSON"),
        (b"\xff\xfe", "ada.json: not a text in UTF-8 (found byte 0)"),
        (b"[" * 200_000, "ada.json: not a file of grades (found RecursionError)"),
        (b"[]", "ada.json:1: this is no file of grades"),
        (b'{"twosignal": "grades"}', "ada.json:1: the file is of another version (found None; expected 1)"),
        (file(head=HEAD.replace('"b1"', "3")), "ada.json:1: the bundle is missing (found 3"),
        (file(head=HEAD.replace(" Ada  L ", "  ")), "ada.json:1: the grader is missing"),
        (file(head=HEAD.replace(" Ada  L ", "A\\u202eda")), "ada.json:1: the grader's name cannot be used"),
        (file(head=HEAD.replace("person", "cat")), "ada.json:1: the rater is of no known kind (found 'cat'"),
        (file(), "ada.json:1: there is no grade in it"),
    ],
)
def test_a_wrong_file_is_one_sentence(data: bytes, said: str) -> None:
    assert refusal(data).startswith(said)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the file of grades cannot be read .found No such file"):
        read_file(tmp_path / "nobody.json")
    with pytest.raises(InputError, match="the file of grades cannot be read .found Is a directory"):
        read_file(tmp_path)
