"""The receipt as a page: takes a receipt's plain values, gives HTML that needs nothing else.

It is made from the values that are stored, so that the page of an old run can be made again.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from twosignal.errors import StorageError
from twosignal.prove.drawing import CLOSE, OPEN
from twosignal.prove.sheet import SHEET

_EDGE = re.compile(f"({re.escape(OPEN)}|{re.escape(CLOSE)})")
_SHOWN = ("text", "messages")
"""Evidence that is drawn apart from the figures."""


class Span(NamedTuple):
    """A stretch of drawn text."""

    text: str
    is_learned: bool


def receipt_page(receipt: Mapping[str, Any], *, title: str) -> str:
    """Return the page of a receipt, as `Receipt.as_dict` gives it; fields that an older one lacks are left out."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["spans"] = lambda text: list(spans(text))
    environment.filters["figures"] = figures
    environment.filters["number"] = _number
    return environment.from_string(SHEET).render(title=title, receipt=receipt)


def write_page(receipt: Mapping[str, Any], path: Path, *, title: str) -> None:
    """Write the page of a receipt; raises StorageError when it cannot be written."""
    try:
        path.write_text(receipt_page(receipt, title=title), encoding="utf-8")
    except OSError as error:
        message = f"the page cannot be written: {error.strerror}"
        raise StorageError(message, where=str(path), remedy="Choose another place.") from error


def spans(text: str) -> Iterator[Span]:
    """Yield the learned stretches of a drawn text, which stand between [[ and ]], and those between them."""
    is_learned = False
    for piece in _EDGE.split(text):
        if piece in (OPEN, CLOSE):
            is_learned = piece == OPEN
        elif piece:
            yield Span(piece, is_learned)


def figures(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values of a check's evidence, but for what is drawn."""
    found = []
    for name, value in evidence.items():
        if name in _SHOWN or value in ({}, [], None, ""):
            continue
        shown = _number(value) if isinstance(value, int | float) else value
        found.append((name.replace("_", " "), shown if isinstance(shown, str) else json.dumps(shown)))
    return found


def _number(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    )
