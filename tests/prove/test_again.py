"""A proof repeated: what changed is named, causes first, and the clock is not a change."""

from tests.prove.test_receipt import BAD, GOOD, receipt
from twosignal.prove.again import changes

FACTS = {
    "inputs": {"chat": "aa"},
    "tokenizer": "bb",
    "versions": {"torch": "2.0"},
    "flow": [{"stage": "rows", "out": 3}],
}


def test_equal_receipts_have_no_changes() -> None:
    first, second = receipt(GOOD).as_dict(), receipt(GOOD).as_dict()
    second["seconds"], second["share_of_run"] = 99.0, 0.5
    second["checks"][0]["seconds"] = 7.0
    assert changes(first, second) == []


def test_changes_are_named_by_check_and_source() -> None:
    first, second = receipt(GOOD).as_dict(), receipt(BAD).as_dict()
    second["sources"][1]["documents"] = 5
    found = changes(receipt(GOOD, BAD).as_dict(), receipt(GOOD).as_dict())
    assert "checks.length: 2 -> 1" in found
    assert "sources.books.documents: 4 -> 5" in changes(first, second)


def test_causes_come_before_what_follows_from_them() -> None:
    after = {
        **FACTS,
        "inputs": {"chat": "cc"},
        "versions": {"torch": "3.0"},
        "flow": [{"stage": "rows", "out": 4}],
    }
    assert changes({"targets": 1, **FACTS}, {"targets": 2, **after}) == [
        "inputs.chat: aa -> cc",
        "versions.torch: 2.0 -> 3.0",
        "targets: 1 -> 2",
        "flow.rows.out: 3 -> 4",
    ]


def test_fields_that_an_older_receipt_lacks_are_no_change() -> None:
    assert changes(receipt(GOOD).as_dict(), {**receipt(GOOD).as_dict(), **FACTS}) == []


def test_long_values_are_shortened() -> None:
    (line,) = changes({"name": "a" * 99}, {"name": "b"})
    assert line == f"name: {'a' * 57}... -> b"
