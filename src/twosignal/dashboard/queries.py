"""What a request asks for: takes its query, gives checked numbers and names, or says what is wrong with them."""

from collections.abc import Mapping
from typing import Final

from twosignal.dashboard.series import DEFAULT_BUCKETS, Question
from twosignal.errors import InputError

LARGEST: Final = 2**53
"""Steps beyond it cannot be told apart by a browser."""


def number(query: Mapping[str, str], name: str) -> int | None:
    """Return a whole number from 0 on, or None where it is not given; raise InputError for anything else."""
    text = query.get(name, "")
    if not text:
        return None
    if len(text) > 16 or not (text.isascii() and text.isdecimal()) or int(text) > LARGEST:
        message = "a whole number is needed"
        raise InputError(message, where=name, found=repr(text[:40]), expected="digits")
    return int(text)


def required(query: Mapping[str, str], name: str) -> int:
    """Return a whole number from 0 on; raise InputError without one."""
    found = number(query, name)
    if found is None:
        message = "the query lacks a number"
        raise InputError(message, where=name, expected=f"{name}=NUMBER")
    return found


def names(query: Mapping[str, str]) -> list[str]:
    """Return the names asked for, each once."""
    return list(dict.fromkeys(name for name in query.get("names", "").split(",") if name))


def question(query: Mapping[str, str]) -> Question:
    """Return which series are asked for; raise InputError where the query says something impossible."""
    buckets, width = number(query, "buckets"), number(query, "width")
    return Question(
        names=names(query),
        first_step=number(query, "from"),
        last_step=number(query, "to"),
        buckets=DEFAULT_BUCKETS if buckets is None else buckets,
        width=1 if width is None else width,
        attempt=number(query, "attempt"),
    )


def window(query: Mapping[str, str]) -> tuple[int, int] | None:
    """Return first and last step of `steps=A:B`, None where it is not given; raise InputError where it looks otherwise."""
    text = query.get("steps", "")
    if not text:
        return None
    first, colon, last = text.partition(":")
    ends = {"steps": first}, {"steps": last}
    low, high = number(ends[0], "steps"), number(ends[1], "steps")
    found = (low or 0, LARGEST if high is None else high)
    if not colon or found[0] > found[1]:
        message = "a window of steps must look like A:B"
        raise InputError(message, where="steps", found=repr(text[:40]), expected="for example 1000:2000")
    return found
