"""Examples for the eye: takes examples as the model sees them, gives a terminal view, a page, or JSON.

What is supervised is shown by more than colour: by weight or brackets in a terminal, by an
underline on the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from rich.console import Console
from rich.text import Text

from twosignal.errors import StorageError
from twosignal.text.visible import spelled_out
from twosignal.tokens.example import Example
from twosignal.tokens.page import PAGE
from twosignal.tokens.spans import Span, spans_of
from twosignal.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An example to look at, or one segment of a packed row."""

    example: Example
    row: int | None = None
    """Number of the packed row it lies in; None when it is not packed."""


def show_json(tokenizer: Tokenizer, shown: Shown) -> dict[str, object]:
    """Return source, file, line, row if packed, tokens, targets, the text and its supervised parts."""
    example = shown.example
    spans = spans_of(tokenizer, example)
    facts: dict[str, object] = {
        "source": example.origin.source,
        "file": example.origin.file,
        "line": example.origin.line,
    }
    if shown.row is not None:
        facts["row"] = shown.row
    return facts | {
        "tokens": len(example.ids),
        "targets": example.num_targets,
        "text": "".join(span.text for span in spans),
        "supervised": _supervised_texts(spans),
    }


def show_terminal(tokenizer: Tokenizer, examples: Sequence[Shown], *, console: Console) -> None:
    """Print examples: supervised text bold and green, control tokens dim, a heading line above each.

    Where the output is no terminal, supervised text stands between [[ and ]].
    """
    marks = ("", "") if console.is_terminal else ("[[", "]]")
    for shown in examples:
        console.print(Text(_heading(shown), style="bold underline"), soft_wrap=True)
        body = Text()
        was_supervised = False
        for span in [*spans_of(tokenizer, shown.example), Span("", is_supervised=False, is_control=False)]:
            if span.is_supervised != was_supervised:
                body.append(marks[was_supervised])
                was_supervised = span.is_supervised
            body.append(spelled_out(span.text), style=_style(span))
        console.print(body, soft_wrap=True)
        console.print()


def show_html(tokenizer: Tokenizer, examples: Sequence[Shown], *, path: str | Path) -> None:
    """Write a page that needs nothing else; raises StorageError when it cannot be written."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(PAGE).render(
        examples=[
            {
                "heading": _heading(shown),
                "spans": [
                    span._replace(text=spelled_out(span.text)) for span in spans_of(tokenizer, shown.example)
                ],
            }
            for shown in examples
        ],
        num_tokens=sum(len(shown.example.ids) for shown in examples),
        num_targets=sum(shown.example.num_targets for shown in examples),
    )
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        message = f"the page cannot be written: {error.strerror}"
        raise StorageError(message, where=str(path), remedy="Choose another place.") from error


def _heading(shown: Shown) -> str:
    example = shown.example
    row = "" if shown.row is None else f", row {shown.row}"
    return (
        f"{example.origin.source} {example.origin}{row}: "
        f"{len(example.ids):,} tokens, {example.num_targets:,} targets"
    )


def _style(span: Span) -> str:
    weight = "bold green" if span.is_supervised else ""
    return f"{weight} dim" if span.is_control else weight


def _supervised_texts(spans: Sequence[Span]) -> list[str]:
    """Return the text of every stretch of supervised spans."""
    texts: list[str] = []
    was_supervised = False
    for span in spans:
        if span.is_supervised and was_supervised:
            texts[-1] += span.text
        elif span.is_supervised:
            texts.append(span.text)
        was_supervised = span.is_supervised
    return texts
