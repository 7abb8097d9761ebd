"""Sound texts of many sorts: takes a seeded generator, gives texts that no audit should find fault with.

All come from this Python's own library, from lists it carries, or from the texts beside this file.
"""

import calendar
import csv
import http
import io
import json
import keyword
import locale
import pydoc_data.topics
import random
import string
import sys
import sysconfig
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.audits.conftest import HEALTHY

Maker = Callable[[random.Random, int], str]
TEXTS = Path(__file__).parent / "texts"
SHORT_ANSWERS = (
    "42", "Yes.", "No.", "Paris.", "The answer is 7.", "It is in the kitchen.", "1939", "x = 3", "H2O", "true",
    "Monday, 9:30", "print('hello')", "I do not know.", "blue", "[1, 2, 3]", "3.14159", "Thank you!", "N/A",
    "No, no, no.", "ha ha", "A, B and C.", "def f(x): return x", "Tokyo (\u6771\u4eac)", "none of the above",
    "https://example.org/a?b=c", "*", "-", "...", "?", "\u00a1Hola!", "100%", "O(n log n)", "C", "(b)",
)  # fmt: skip
NAMES = (
    "Anna", "Boris", "Chen", "Dara", "Emil", "Fatou", "Goran", "Hana", "Ines", "Jun", "Karim", "Lena", "Mira",
)  # fmt: skip
TASKS = (
    "call the plumber", "water the tomatoes", "send the invoice", "book two seats", "mend the gate",
    "read chapter four", "order paper", "renew the passport", "paint the shed", "ask about the lease",
    "buy flour and yeast", "clean the filter", "back up the laptop", "visit the dentist", "fix the bell",
)  # fmt: skip


@cache
def paragraphs() -> tuple[str, ...]:
    """Return the running paragraphs of the language reference."""
    found = []
    for topic in pydoc_data.topics.topics.values():
        for part in topic.split("\n\n"):
            flat = " ".join(part.split())
            letters = sum(letter.isalpha() or letter == " " for letter in flat)
            if len(flat) > 120 and letters > 0.93 * len(flat) and flat.endswith((".", ":")):
                found.append(flat)
    return (*found, *HEALTHY)


@cache
def prose_words() -> tuple[str, ...]:
    """Return the words of those paragraphs with their punctuation, in order."""
    return tuple(" ".join(paragraphs()).split())


@cache
def sources() -> tuple[str, ...]:
    """Return source files of the standard library."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    names = sorted(path for path in folder.glob("*.py") if path.stat().st_size > 4000)
    names += sorted((folder / "json").glob("*.py")) + sorted((folder / "email").glob("*.py"))
    return tuple(path.read_text(encoding="utf-8", errors="replace") for path in names)


@cache
def languages() -> dict[str, tuple[str, ...]]:
    """Return eight sentences in each of many languages."""
    lines = (TEXTS / "languages.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(": ", 1) for line in lines)
    return {name: tuple(text.split(" | ")) for name, text in pairs}


def prose(draw: random.Random, size: int) -> str:
    """Running paragraphs."""
    return _whole(iter(lambda: draw.choice(paragraphs()), ""), size, draw.choice(("\n\n", " ")))


def code(draw: random.Random, size: int) -> str:
    """Lines of source that follow each other."""
    source = draw.choice(sources())
    lines = source.splitlines()
    start = draw.randrange(len(lines))
    return _whole(iter(lines[start:] + lines), size, "\n")


def bullets(draw: random.Random, size: int) -> str:
    """A list of things to do, of names, or of library modules, with bullets or numbers."""
    mark = draw.choice(("- ", "* ", "{n}. ", "{n}) ", "", "[ ] "))
    modules = sorted(sys.stdlib_module_names)
    subject = draw.choice((modules, keyword.kwlist, NAMES, sorted(locale.locale_alias), ()))

    def items() -> Iterator[str]:
        number = 0
        while True:
            number += 1
            name = draw.choice(NAMES)
            item = (
                draw.choice(subject)
                if subject
                else f"{name}: {draw.choice(TASKS)}, then {draw.choice(TASKS)}"
            )
            yield mark.replace("{n}", str(number)) + item

    return _whole(items(), size, "\n")


def inline_list(draw: random.Random, size: int) -> str:
    """Names between commas, each once."""
    names = [unicodedata.name(chr(code)).lower() for code in draw.sample(range(0x21, 0x7E), 60)]
    words = list(draw.choice((names, sorted(sys.stdlib_module_names), TASKS)))
    draw.shuffle(words)
    return _whole(iter(words), size, ", ")


def verse(draw: random.Random, size: int) -> str:
    """Stanzas with a refrain, as far as they go."""
    lines = (TEXTS / "verse.txt").read_text(encoding="utf-8").splitlines()
    start = draw.choice([at for at, line in enumerate(lines) if not line] + [-1]) + 1
    return _whole(iter(lines[start:]), size, "\n").strip()


def table(draw: random.Random, size: int) -> str:
    """A table of status codes, characters, numbers, or the days of a year; in pipes, commas or columns."""
    kind = draw.choice(("pipes", "commas", "columns", "calendar", "product"))
    if kind == "calendar":
        return _whole(iter(calendar.calendar(draw.randint(1950, 2050)).splitlines()), size, "\n")
    if kind == "product":
        n = draw.randint(2, 12)
        return _whole((f"{n} x {m} = {n * m}" for m in range(1, 200)), size, "\n")
    rows = list(_rows(draw))
    if kind == "commas":
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows(rows)
        return _whole(iter(file.getvalue().splitlines()), size, "\n")
    if kind == "columns":
        return _whole(("".join(f"{cell:>16}" for cell in row) for row in rows), size, "\n")
    lines = [f"| {' | '.join(row)} |" for row in rows]
    rule = "|" + " --- |" * len(rows[0])
    return _whole(iter([lines[0], rule, *lines[1:]]), size, "\n")


def records(draw: random.Random, size: int) -> str:
    """JSON records, on one line or many."""
    rows = [
        {
            "id": number,
            "name": draw.choice(NAMES),
            "active": draw.random() < 0.7,
            "score": round(draw.random() * 100, draw.choice((1, 2))),
            "tags": draw.sample(keyword.kwlist, draw.randint(0, 3)),
        }
        for number in range(draw.randint(1, 40))
    ]
    indent = draw.choice((None, 2))
    text = json.dumps(rows if len(rows) > 1 else rows[0], indent=indent)
    return text[:size]


def log(draw: random.Random, size: int) -> str:
    """Lines of a server's log."""
    level = ("INFO", "INFO", "INFO", "WARNING", "ERROR")
    paths = ("/index.html", "/api/items", "/login", "/static/site.css", "/favicon.ico")

    def lines() -> Iterator[str]:
        second = draw.randint(0, 80_000)
        while True:
            second += draw.randint(0, 40)
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            request = (
                f"GET {draw.choice(paths)} {draw.choice((200, 200, 304, 404, 500))} {draw.randint(1, 900)}ms"
            )
            yield f"2026-03-{draw.randint(10, 12)} {clock} {draw.choice(level)} worker-{draw.randint(1, 9)} {request}"

    return _whole(lines(), size, "\n")


def dialogue(draw: random.Random, size: int) -> str:
    """Questions and answers, each on its line."""

    def turns() -> Iterator[str]:
        while True:
            name, other = draw.sample(NAMES, 2)
            yield f"{name}: Could you {draw.choice(TASKS)} before {draw.choice(calendar.day_name)}?"
            yield f"{other}: Of course, but first I have to {draw.choice(TASKS)}."

    return _whole(turns(), min(size, 700), "\n")


def foreign(draw: random.Random, size: int) -> str:
    """Sentences in one of many languages, each once."""
    sentences = list(draw.choice(sorted(languages().items()))[1])
    draw.shuffle(sentences)
    return _whole(iter(sentences), size, " ")


def short_answer(draw: random.Random, size: int) -> str:  # noqa: ARG001 (a maker like the others)
    """A right answer of a few characters."""
    return draw.choice(SHORT_ANSWERS)


CLEAN: dict[str, Maker] = {
    "prose": prose,
    "code": code,
    "lists": bullets,
    "inline lists": inline_list,
    "verse": verse,
    "tables": table,
    "records": records,
    "logs": log,
    "dialogues": dialogue,
    "languages": foreign,
    "short answers": short_answer,
}


def _rows(draw: random.Random) -> Iterator[list[str]]:
    kind = draw.choice(("status", "characters", "numbers"))
    if kind == "status":
        yield ["code", "name", "phrase"]
        for status in http.HTTPStatus:
            yield [str(status.value), status.name, status.phrase]
    elif kind == "characters":
        yield ["code", "category", "name"]
        for code in draw.sample(range(0x21, 0x24F), 60):
            yield [f"U+{code:04X}", unicodedata.category(chr(code)), unicodedata.name(chr(code), "none")]
    else:
        yield list(string.ascii_lowercase[:5])
        for _ in range(60):
            yield [f"{draw.gauss(0, 10):.{draw.randint(0, 3)}f}" for _ in range(5)]


def _whole(pieces: Iterator[str], size: int, between: str) -> str:
    """Return pieces until the size is met, or all."""
    found: list[str] = []
    length = 0
    for piece in pieces:
        found.append(piece)
        length += len(piece) + len(between)
        if length >= size:
            break
    return between.join(found)
