"""`twosignal score TEXT|FILE|-`: takes any text, or a file of samples, says whether it has gone wrong, how and where."""

import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from twosignal.audits.degeneration import Score, score_texts
from twosignal.commands.console import console_for, print_json
from twosignal.errors import InputError

SUFFIXES = frozenset({".jsonl", ".json", ".txt", ".md", ".rst", ".py", ".csv", ".log"})
"""An argument of one word that ends so is meant to be a file."""
LINES_AT_ONCE = 256
VERDICTS = {True: "degenerate", False: "sound", None: "too little text to say"}
_COLOURS = {True: "red", False: "green", None: "yellow"}


class Asked(NamedTuple):
    """One text to score."""

    text: str
    """What was said."""
    prompt: str
    """What it answers; empty where that is not known."""
    name: str
    """Where it stands: file and line; empty for a text given by itself."""


def run(options: Namespace) -> int:
    """Run the command."""
    asked = _read(options.text, prompt=options.prompt or "")
    scored = _scored(asked)
    if options.json:
        for _, score in scored:
            print_json(score.as_dict())
        return 0
    console = console_for(options)
    counts: Counter[str] = Counter()
    for one, score in scored:
        _show(one, score, console=console)
        counts[VERDICTS[score.degenerate]] += 1
    if counts.total() > 1:
        parts = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.most_common())
        console.print(f"{counts.total():,} texts: {parts}", markup=False)
    return 0


def _scored(asked: Iterator[Asked]) -> Iterator[tuple[Asked, Score]]:
    for first in asked:
        several = [first, *(one for _, one in zip(range(LINES_AT_ONCE - 1), asked, strict=False))]
        texts, prompts, _ = zip(*several, strict=True)
        yield from zip(several, score_texts(texts, prompts), strict=True)


def _read(argument: str, *, prompt: str) -> Iterator[Asked]:
    """Yield what the argument stands for: standard input, the lines of a file of samples, a file, or itself."""
    if argument == "-":
        return iter([Asked(_decoded(sys.stdin.buffer.read(), "standard input"), prompt, "")])
    path = Path(argument)
    if _is_file(path):
        if path.suffix == ".jsonl":
            return _lines(path, prompt)
        return iter([Asked(_decoded(_bytes(path), argument), prompt, argument)])
    if path.suffix in SUFFIXES and len(argument.split()) == 1:
        message = "there is no such file"
        raise InputError(
            message, where=argument, remedy="Give a file, - for standard input, or the text itself."
        )
    return iter([Asked(argument, prompt, "")])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputError(message, where=str(path)) from error


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "this is not UTF-8 text",
            where=where,
            found=f"byte 0x{content[error.start]:02x} at {error.start:,}",
            remedy="Convert it to UTF-8.",
        ) from error


def _lines(path: Path, prompt: str) -> Iterator[Asked]:
    """Yield the samples of a file, one JSON object a line; blank lines are skipped."""
    try:
        file = path.open("rb")
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputError(message, where=str(path)) from error
    with file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _sample(_decoded(line, f"{path}:{number}"), f"{path}:{number}", prompt)


def _sample(line: str, where: str, prompt: str) -> Asked:
    expected = 'an object {"text": "...", "prompt": "..."}, the prompt optional'
    try:
        sample = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = f"the line is not JSON: {error}"
        raise InputError(message, where=where, expected=expected) from error
    if not isinstance(sample, dict) or not isinstance(sample.get("text"), str):
        message = "the line has no text to score"
        raise InputError(message, where=where, found=line.strip()[:60], expected=expected)
    own = sample.get("prompt")
    if own is not None and not isinstance(own, str):
        raise InputError(
            "the prompt is not a string", where=where, found=json.dumps(own)[:60], expected=expected
        )
    return Asked(sample["text"], prompt if own is None else own, where)


def _show(one: Asked, score: Score, *, console: Console) -> None:
    """Print the verdict, the classic parts, and each signal with its place."""
    name = f"{one.name}: " if one.name else ""
    console.print(name, end="", markup=False, soft_wrap=True)
    console.print(VERDICTS[score.degenerate], style=_COLOURS[score.degenerate])
    parts = score.classic.as_dict()
    total = parts.pop("total")
    listed = ", ".join(f"{part} {points:g}" for part, points in parts.items())
    console.print(f"  classic score {total:g} of 100: {listed}", markup=False, soft_wrap=True)
    for signal in score.signals:
        start, stop = signal.span
        console.print(f"  {signal.name} at {start:,}-{stop:,}: {signal.reason}", markup=False, soft_wrap=True)
