"""What an operator asks of a run: takes a request, gives a numbered file in the run folder that the trainer takes up.

`requests/000001.json`, `000002.json` and so on appear whole or not at all, and are never changed: the trainer takes them up in
this order, each between two steps, and records what it did with the number. One that it cannot follow gets a file
`000001.refused` beside it, with the reason.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twosignal.records.storage import storage_error, write_atomic, write_json_atomic

REQUESTS: Final = "requests"


def put_request(run_folder: Path, body: Mapping[str, Any]) -> int:
    """Write a request and return its number, from 1; two commands at once get two numbers. Raises StorageError."""
    folder = run_folder / REQUESTS
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise storage_error(folder, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        number = last_request(run_folder) + 1
        write_json_atomic(_place(run_folder, number), dict(body))
        os.fsync(descriptor)
        return number
    finally:
        os.close(descriptor)


def last_request(run_folder: Path) -> int:
    """Return the number of the newest request; 0 without any."""
    numbers = [int(path.stem) for path in (run_folder / REQUESTS).glob("*.json") if path.stem.isdecimal()]
    return max(numbers, default=0)


def read_request(run_folder: Path, number: int) -> dict[str, Any] | None:
    """Return a request; None when there is none of this number. Raises ValueError when it is not a JSON object."""
    try:
        body = json.loads(_place(run_folder, number).read_bytes())
    except FileNotFoundError:
        return None
    if not isinstance(body, dict):
        message = f"the request is a {type(body).__name__}, not an object"
        raise ValueError(message)  # noqa: TRY004 (like every other content that is not a request)
    return body


def refuse_request(run_folder: Path, number: int, reason: str) -> None:
    """Say why a request is not followed; raise StorageError."""
    write_atomic(_place(run_folder, number).with_suffix(".refused"), reason.encode("utf-8"))


def refusal_of(run_folder: Path, number: int) -> str | None:
    """Return why a request was not followed; None when it was, or is yet to be taken up."""
    try:
        return _place(run_folder, number).with_suffix(".refused").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _place(run_folder: Path, number: int) -> Path:
    return run_folder / REQUESTS / f"{number:06}.json"
