"""Rows of columnar files: takes a row read from columns, gives it back, or says what cannot be known about it.

Arrow gives every value of a column one structure and fills keys that a row does not have with null. In
the arguments of a call and in tools that adds what nobody wrote, and cannot be told from what somebody did.
"""

from collections.abc import Iterator
from typing import Any

from twosignal.text.formats import TURN_KEYS
from twosignal.text.malformed import MalformedError


def checked_columns(value: object) -> object:
    """Return the row, or a MalformedError where a null in a call's arguments or the tools may not have been written."""
    if not isinstance(value, dict):
        return value
    if any(_has_null(arguments) for arguments in _arguments(value)):
        return _unclear("the arguments of a call", '"arguments"')
    if not isinstance(value.get("tools"), str) and any(map(_has_null, value.get("tools") or ())):
        return _unclear('"tools"', '"tools"')
    return value


def _unclear(place: str, key: str) -> MalformedError:
    return MalformedError(
        found=f"null in {place}: in columns, a key that was never written reads as null too",
        expected=f"{key} as JSON text, which keeps what was written",
    )


def _arguments(row: dict[str, Any]) -> Iterator[object]:
    for key in TURN_KEYS:
        for message in row.get(key) or ():
            calls = message.get("tool_calls") if isinstance(message, dict) else None
            for call in calls or ():
                function = (call.get("function") or call) if isinstance(call, dict) else {}
                yield function.get("arguments") if isinstance(function, dict) else None


def _has_null(value: object) -> bool:
    """Return whether an object or a list holds null at any depth; JSON text does not count."""
    if isinstance(value, dict):
        return any(item is None or _has_null(item) for item in value.values())
    return isinstance(value, list) and any(item is None or _has_null(item) for item in value)
