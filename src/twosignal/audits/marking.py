"""Where in a text something was found: takes a `TextCheck`, gives its text in pieces, with marks, ready to be shown.

Loops and long stretches are cut in the middle, with how much was left out, so that nobody has to scroll through them.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from twosignal.audits.sample_audit import TextCheck

MOST_MARKS = 40
"""Marks shown in one text."""
LONGEST_MARKED = 600
"""Characters of a broken stretch that are shown."""
LONGEST_PLAIN = 5_000
"""Characters of any other stretch that are shown, three quarters of them from its beginning."""
_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the direction of what follows them."""

Sort = Literal["broken", "copied", "shared"]
_SORTS: Mapping[str, Sort] = {"memorized": "copied", "suspect": "shared"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something found in a text."""

    start: int
    """First character."""
    stop: int
    """One past the last."""
    sort: Sort
    """broken: a signal; copied: stands in the training text; shared: too short a run to be called a copy."""
    label: str
    """Name of the signal, or file and line."""
    reason: str
    """The same as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of text under the same marks."""

    text: str
    """What is shown of it."""
    marks: tuple[Mark, ...] = ()
    """Marks that lie over it."""
    opened: tuple[Mark, ...] = ()
    """Those of them that begin here."""
    skipped: int = 0
    """Characters left out behind it."""


def marks_of(text: TextCheck) -> list[Mark]:
    """Return what was found in a text, by place; places outside the text are left out."""
    found = [
        Mark(start=one.span[0], stop=one.span[1], sort="broken", label=one.name, reason=one.reason)
        for one in text.signals
    ]
    found += _copies(text)
    whole = [one for one in found if 0 <= one.start < one.stop <= len(text.text)]
    return sorted(whole, key=lambda one: (one.start, -one.stop))[:MOST_MARKS]


def pieces_of(text: TextCheck) -> list[Piece]:
    """Return the text in pieces, cut where a mark begins or ends; control characters cannot be seen as such."""
    marks = marks_of(text)
    edges = sorted({0, len(text.text), *(place for one in marks for place in (one.start, one.stop))})
    return [
        piece
        for start, stop in pairwise(edges)
        for piece in _cut(
            text.text[start:stop],
            marks=tuple(one for one in marks if one.start <= start < one.stop),
            opened=tuple(one for one in marks if one.start == start),
        )
    ]


def visible(text: str) -> str:
    """Return `text` safe to show: no control characters but tabs and line ends, none that turn the direction."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(character) else character for character in text)


def _is_hidden(character: str) -> bool:
    return character in _OVERRIDES or (
        character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs")
    )


def _copies(text: TextCheck) -> Iterator[Mark]:
    """Yield the runs of a text that stand in the training text, as recorded."""
    copied = text.copied or {}
    matches = copied.get("matches")
    sort = _SORTS.get(str(copied.get("verdict")))
    for match in matches if sort and isinstance(matches, list) else []:
        start, stop = (match.get("start"), match.get("end")) if isinstance(match, Mapping) else (None, None)
        if isinstance(start, int) and isinstance(stop, int) and not match.get("repetitive"):
            place = f"{match.get('source', '?')}: {match.get('file', '?')}:{match.get('line', '?')}"
            times = match.get("occurrences", 1)
            often = f", {times:,} times in the training text" if isinstance(times, int) and times > 1 else ""
            reason = f"{match.get('tokens', '?')} tokens in a row{often}"
            yield Mark(start=start, stop=stop, sort=sort or "shared", label=place, reason=reason)


def _cut(text: str, *, marks: tuple[Mark, ...], opened: Sequence[Mark]) -> Iterator[Piece]:
    """Yield a stretch, or its beginning and its end where it is too long to be read."""
    is_broken = any(one.sort == "broken" for one in marks)
    longest = LONGEST_MARKED if is_broken else LONGEST_PLAIN
    if len(text) <= longest:
        yield Piece(text=visible(text), marks=marks, opened=tuple(opened))
        return
    head, tail = longest * 3 // 4, longest // 4
    skipped = len(text) - head - tail
    yield Piece(text=visible(text[:head]), marks=marks, opened=tuple(opened), skipped=skipped)
    yield Piece(text=visible(text[-tail:]), marks=marks)
