"""Random codes to measure memory by: takes nothing, gives `canaries`, short documents that nobody could guess.

Each says one code of twelve random digits; some stand once, some ten and some a hundred times. How much likelier
a trained model finds them than codes it never saw tells how much it learns by heart (Carlini et al. 2019,
arXiv:1802.08232). Trained on only where a run file asks for `builtin:canaries`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from twosignal.text.conversation import Document, Origin
from twosignal.text.synthetic.script import Draw

NAME = "canaries"
REPEATS = (1, 10, 100)
EACH = 4
"""Canaries of every repeat count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One planted text."""

    text: str
    repeats: int
    """How often it stands in the data."""


def planted() -> list[Canary]:
    """Return the canaries, always the same."""
    draw = Draw(NAME)
    return [Canary(text=_sentence(draw), repeats=repeats) for repeats in REPEATS for _ in range(EACH)]


def never_planted(number: int) -> list[str]:
    """Return `number` texts of the same form that stand nowhere."""
    draw = Draw(f"{NAME}, never planted")
    known = {canary.text for canary in planted()}
    texts: dict[str, None] = {}
    while len(texts) < number:
        text = _sentence(draw)
        if text not in known:
            texts[text] = None
    return list(texts)


def canaries(*, source: str) -> Iterator[Document]:
    """Yield every canary as often as it is to stand."""
    texts = [canary.text for canary in planted() for _ in range(canary.repeats)]
    for line, text in enumerate(texts, 1):
        yield as_document(text, source=source, line=line)


def as_document(text: str, *, source: str, line: int = 1) -> Document:
    """Return a canary, or a text like one, as a record."""
    return Document(text=text, origin=Origin(source=source, file=f"builtin:{NAME}", line=line), domain=NAME)


def _sentence(draw: Draw) -> str:
    parts = [f"{draw.between(0, 9999):04}" for _ in range(3)]
    return f"The code of this locker is {'-'.join(parts)}."
