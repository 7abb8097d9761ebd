"""A form as one text: takes a `Form`, gives chunks for all that is set and a place for each message's text."""

import re
from typing import NamedTuple

import numpy as np

from twosignal.tokens.chunks import FIRST, FIXED, LAST, SPACE, TEXT, Chunks, Opening
from twosignal.tokens.draft import Fixed
from twosignal.tokens.form import Form
from twosignal.tokens.program import Run

_MARKS = (FIXED, FIRST, TEXT, LAST, SPACE)
# Between two other characters a space is a cut; here are the others.
_NO_CUT = re.compile(r"(?<=\s) | (?=\s)|\A | \Z")


class Frame(NamedTuple):
    """A form with a `%s` for each text. Filled in and cut at its spaces, it gives the chunks of a chat."""

    text: str
    is_last: tuple[bool, ...]
    """For each text whether it ends its run."""
    marks: int
    """How many marks it holds."""

    def fill(self, texts: tuple[str, ...]) -> str | None:
        """Return the chunks of a chat with all odd spaces marked; None if a text holds the marks themselves."""
        if any(mark in text for text in texts for mark in _MARKS):
            return None
        marked = [_NO_CUT.sub(SPACE, text) for text in texts]
        return self.text % tuple(
            text + LAST if is_last and not text[-1:].strip(SPACE).strip() else text
            for text, is_last in zip(marked, self.is_last, strict=True)
        )


def count_marks(text: str) -> int:
    """Return how many marks a text holds; raises UnicodeEncodeError for text that is not Unicode."""
    return int(np.count_nonzero(np.frombuffer(text.encode(), np.uint8) <= ord(max(_MARKS))))


def make_frame(form: Form, chunks: Chunks) -> Frame | None:
    """Return the frame of a form; None where it is written in a way that words cannot follow."""
    words: list[str] = []
    is_last: list[bool] = []
    fixed: list[Fixed] = []
    for item in form.program:
        if isinstance(item, Fixed):
            fixed.append(item)
            continue
        if fixed:
            words.append(chunks.fixed(fixed))
            fixed = []
        run = _run(item, chunks)
        if run is None:
            return None
        words.append(run)
        is_last.append(run.endswith("%s"))
    if fixed:
        words.append(chunks.fixed(fixed))
    text = " ".join(words)
    return Frame(text, tuple(is_last), count_marks(text)) if words else None


def _run(run: Run, chunks: Chunks) -> str | None:
    """Return a run with one text; None for others, for one that swallows spaces and for a mask that changes later."""
    places = [index for index, part in enumerate(run.parts) if part.slot is not None]
    if len(places) != 1 or run.strip_left or run.strip_right:
        return None
    at = places[0]
    before, after = run.parts[:at], run.parts[at + 1 :]
    learned = run.parts[at].supervised
    heads = {part.supervised for part in before} or {learned}
    scaffold = "".join(part.scaffold for part in run.parts)
    if len(heads) > 1 or any(part.supervised != learned for part in after) or count_marks(scaffold):
        return None
    head = "".join(part.scaffold for part in before)
    tail = "".join(part.scaffold for part in after)
    start = chunks.opening(Opening(head, run.is_start, (heads.pop(), learned)))
    end = tail.replace(" ", SPACE) + LAST if tail else ""
    return f"{start.replace('%', '%%')}%s{end.replace('%', '%%')}"
