"""Tests of printing what a model says: takes text that steers terminals, gives it spelled out, and all else as it is."""

import pytest

from twosignal.text.visible import spelled_out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", "\\u001b[2J\\u001b]0;owned\\u0007"),
        ("a\rb\x9b31m", "a\\u000db\\u009b31m"),
        ("safe\u202egnp.exe\u2066", "safe\\u202egnp.exe\\u2066"),
        ("half \ud83d", "half \\ud83d"),
        ("line\n\ttab, \u00e9, \u05d0, \U0001f600", "line\n\ttab, \u00e9, \u05d0, \U0001f600"),
    ],
)
def test_what_steers_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert spelled_out(text) == shown
    assert spelled_out(text).encode()
