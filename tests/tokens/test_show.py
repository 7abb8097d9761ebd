"""Tests of showing examples: takes examples, gives terminal output, a page and JSON that say what is learned."""

import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from twosignal.errors import StorageError
from twosignal.tokens.render import Renderer
from twosignal.tokens.show import Shown, show_html, show_json, show_terminal
from twosignal.tokens.tokenizer import Tokenizer

from . import saved

CHAT = saved.chat(("user", "ab <b>&"), ("assistant", "cab [red]"), ("user", "ab"), ("assistant", "ab\x1b[2J"))


def shown(tokenizer: Tokenizer, *, row: int | None = None) -> Shown:
    return Shown(example=Renderer(tokenizer).render(CHAT), row=row)


def printed(tokenizer: Tokenizer, *, is_terminal: bool) -> str:
    output = io.StringIO()
    colours = "standard" if is_terminal else None
    console = Console(file=output, force_terminal=is_terminal, color_system=colours, width=40)  # type: ignore[arg-type]
    show_terminal(tokenizer, [shown(tokenizer, row=3)], console=console)
    return output.getvalue()


def test_json_holds_place_counts_text_and_supervised_parts(tiny: Tokenizer) -> None:
    found = show_json(tiny, shown(tiny))
    assert found == {
        "source": "chats",
        "file": "data/chats.jsonl",
        "line": 7,
        "tokens": len(shown(tiny).example.ids),
        "targets": shown(tiny).example.num_targets,
        "text": "<|bos|><|user|>ab <b>&<|end|><|assistant|>cab [red]<|end|>"
        "<|user|>ab<|end|><|assistant|>ab\x1b[2J<|end|>",
        "supervised": ["cab [red]<|end|>", "ab\x1b[2J<|end|>"],
    }
    json.dumps(found)


def test_json_of_a_packed_segment_has_its_row(tiny: Tokenizer) -> None:
    found = show_json(tiny, shown(tiny, row=0))
    assert list(found) == ["source", "file", "line", "row", "tokens", "targets", "text", "supervised"]
    assert found["row"] == 0


def test_a_terminal_shows_learned_text_bold_green_and_control_tokens_dim(tiny: Tokenizer) -> None:
    output = printed(tiny, is_terminal=True)
    assert "chats data/chats.jsonl:7, row 3: " in output
    assert "\x1b[1;32mcab [red]\x1b[0m\x1b[1;2;32m<|end|>\x1b[0m" in output
    assert "\x1b[2m<|user|>\x1b[0mab <b>&" in output
    assert "[[" not in output


def test_outside_a_terminal_learned_text_stands_between_brackets(tiny: Tokenizer) -> None:
    output = printed(tiny, is_terminal=False)
    assert "<|assistant|>[[cab [red]<|end|>]]<|user|>" in output


def test_text_cannot_steer_the_terminal(tiny: Tokenizer) -> None:
    assert "[[ab\\u001b[2J<|end|>]]" in printed(tiny, is_terminal=False)


class _Marked(HTMLParser):
    """Collects the text of every span by its class, and every outside reference."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self._class: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.references += [value or "" for key, value in attrs if key in ("src", "href")]
        self._class = values.get("class") or "" if tag == "span" else None

    def handle_data(self, data: str) -> None:
        if self._class is not None:
            self.texts.append((self._class.strip(), data))
            self._class = None


def test_the_page_is_escaped_marked_and_needs_nothing_else(tiny: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    show_html(tiny, [shown(tiny), shown(tiny, row=2)], path=path)
    page = path.read_text(encoding="utf-8")
    parser = _Marked()
    parser.feed(page)
    assert ("learned", "cab [red]") in parser.texts
    assert ("learned control", "<|end|>") in parser.texts
    assert ("control", "<|user|>") in parser.texts
    assert ("", "ab <b>&") in parser.texts
    assert "b" not in parser.tags
    assert parser.references == []
    assert "2 examples" in page
    assert "row 2" in page
    assert f"{2 * shown(tiny).example.num_targets:,} targets" in page
    assert "text-decoration: underline" in page
    assert "prefers-color-scheme: dark" in page


def test_a_page_that_cannot_be_written_is_an_error(tiny: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the page cannot be written"):
        show_html(tiny, [shown(tiny)], path=tmp_path / "no" / "page.html")
