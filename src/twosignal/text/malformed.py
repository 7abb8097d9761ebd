"""What is wrong with one record: takes what a reader found and expected, gives an error to raise and a note to keep."""

from dataclasses import dataclass


class MalformedError(Exception):
    """One record cannot be used; its reader catches this and goes on with the next."""

    def __init__(self, *, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"found {found}; expected {expected}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRecord:
    """A record that was skipped, and why."""

    file: str
    """Path as the user gave it, or the hub dataset."""
    line: int
    """Line of the record, from 1; its number in formats without lines."""
    found: str
    """What is there."""
    expected: str
    """What should be there."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: found {self.found}; expected {self.expected}"


def describe(value: object) -> str:
    """Return what a parsed JSON value is, in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text" if value.strip() else "empty text"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "an object"
    return f"a value of type {type(value).__name__}"
