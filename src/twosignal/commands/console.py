"""Where a command prints: takes its options, gives the console for people, the one line for programs, and pages."""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from twosignal.errors import StorageError


class PipeConsole(Console):
    """A console that lets the command end in peace when its reader has gone, as `head` does."""

    def on_broken_pipe(self) -> None:
        """Leave it to the command line; rich would end the process as if something had failed."""
        raise BrokenPipeError


def console_for(options: Namespace) -> Console:
    """Return the console for everything that is not the result: stderr when the result is JSON."""
    return PipeConsole(stderr=bool(getattr(options, "json", False)), highlight=False)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line of stdout; what is not a finite number is printed as null."""
    sys.stdout.write(json.dumps(_finite(value), ensure_ascii=False) + "\n")


def write_page(path: Path, page: str) -> None:
    """Write a page where the user wants it; raises StorageError when it cannot be written."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        message = f"the page cannot be written: {error.strerror}"
        raise StorageError(message, where=str(path), remedy="Choose another place.") from error


def _finite(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
