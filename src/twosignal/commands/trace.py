"""`twosignal trace RUN|INDEX TEXT|FILE|-`: takes a text, shows which parts of it stand in the training text, and where."""

import sys
from argparse import Namespace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from twosignal.audits.copying import CopyIndex, Match, Trace, trace
from twosignal.audits.copying.folder import HEAD
from twosignal.audits.copying.passages import CountTokens
from twosignal.audits.copying.training_text import index_key
from twosignal.audits.render import printable
from twosignal.commands.console import console_for, print_json
from twosignal.errors import InputError, RunError
from twosignal.records.reader import Run, open_run
from twosignal.tokens.pretrained import load_tokenizer

LONGEST_SHOWN = 4000
"""Characters of the text that are printed, copied or not."""
MOST_SHOWN = 20
_READINGS = {
    "memorized": "copied from the training text",
    "suspect": "shares a passage with the training text, too short to call it copied",
    "repetitive": "repeats itself; a loop, not a copy",
    "predictable": "low loss, and no passage of the training text",
    "novel": "no passage of the training text",
}


def run(options: Namespace) -> int:
    """Run the command."""
    console = console_for(options)
    index, count_tokens = _open(options)
    text = _text(options.text)
    traced = trace(index, text, count_tokens=count_tokens)
    if options.json:
        print_json(traced.as_dict() | {"tokens_counted": count_tokens is not None})
    else:
        _show(text, traced, console=console)
    return 0


def _open(options: Namespace) -> tuple[CopyIndex, CountTokens | None]:
    """Return an index, by itself or a run's, and how to count tokens where a tokenizer is known."""
    place = Path(options.index)
    if (place / HEAD).is_file():
        return CopyIndex(place), _counter(options.tokenizer)
    try:
        run = open_run(options.index, options.runs)
    except RunError as error:
        raise InputError(
            "neither a copy index nor a run",
            where=options.index,
            expected="a folder made by twosignal index, or a run",
            remedy="Build an index with twosignal index PATH... --out INDEX.",
        ) from error
    return CopyIndex(_index_of(run)), _counter(options.tokenizer or _tokenizer_of(run))


def _index_of(run: Run) -> Path:
    start = next(run.events("start"), None)
    inputs = start.body.get("inputs") if start else None
    key = index_key({str(k): str(v) for k, v in inputs.items()}) if isinstance(inputs, dict) else ""
    folder = run.path.parent / ".cache" / f"copies-{key}"
    if not folder.is_dir():
        raise RunError(
            "this run has no copy index any more, or never had one",
            where=str(run.path),
            found=f"no {folder}",
            remedy="Build one from its run file: twosignal index RUN_FILE --out INDEX, and trace in that.",
        )
    return folder


def _tokenizer_of(run: Run) -> str | None:
    saved = run.checkpoints()
    return str(saved[-1]) if saved else None


def _counter(place: str | None) -> CountTokens | None:
    if place is None:
        return None
    tokenizer = load_tokenizer(place)
    return lambda text: len(tokenizer.encode(text))


def _text(given: str) -> str:
    """Return the text itself, that of a file, or what comes on stdin."""
    try:
        path = Path(given)
        read = sys.stdin.buffer.read() if given == "-" else path.read_bytes() if _is_file(path) else None
        if read is not None:
            # Line ends as the readers of training text make them.
            return read.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        message = "the text is not UTF-8"
        raise InputError(message, where=given, found=f"byte {error.object[error.start]:#x}") from error
    except OSError as error:
        message = f"the text cannot be read: {error.strerror}"
        raise InputError(message, where=given) from error
    if not given.strip():
        message = "there is no text to trace"
        raise InputError(message, where="TEXT", expected="a text, a file, or - for stdin")
    return given


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # A text may be longer than a path can be.
        return False


def _show(text: str, traced: Trace, *, console: Console) -> None:
    console.print(_marked(text, traced.matches), soft_wrap=True)
    console.print()
    for match in traced.matches[:MOST_SHOWN]:
        times = f", {match.occurrences:,} times in all" if match.occurrences > 1 else ""
        note = "; one thing over and over" if match.repetitive else ""
        console.print(
            Text.assemble(
                (f"{match.file}:{match.line}", "bold"),
                f"  {match.bytes:,} bytes, {match.tokens:,} tokens, document {match.document:,} "
                f"of {match.source}{times}{note}",
            ),
            soft_wrap=True,
        )
    if len(traced.matches) > MOST_SHOWN:
        console.print(f"and {len(traced.matches) - MOST_SHOWN:,} more; --json has all")
    console.print(
        Text.assemble(
            (traced.verdict, "bold red" if traced.verdict == "memorized" else "bold"),
            f": {_READINGS[traced.verdict]} (longest {traced.longest_tokens:,} tokens, "
            f"zlib ratio {traced.zlib_ratio:.1f})",
        ),
        soft_wrap=True,
    )


def _marked(text: str, matches: tuple[Match, ...]) -> Text:
    """Return the text with every copied part between [[ and ]], in colour where there is colour."""
    marked, at = Text(), 0
    for match in matches:
        start = max(at, match.start)
        marked.append(printable(text[at:start]))
        if match.end > start:
            marked.append(f"[[{printable(text[start : match.end])}]]", "yellow")
        at = max(at, match.end)
    marked.append(printable(text[at:]))
    return marked if len(marked) <= LONGEST_SHOWN else marked[:LONGEST_SHOWN] + Text(" ...")
