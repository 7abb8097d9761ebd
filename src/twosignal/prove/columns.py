"""The keys of the user's records: takes the run file's record files, gives S9.

A key that would say what is learned, but is misspelt or stands where nothing reads it, is an
error: to ignore it would train on other tokens than was meant. S9 is a name of the design's
list of checks.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

from twosignal.config import Config
from twosignal.prove.receipt import Check, not_applicable
from twosignal.text.formats import EXTRA_KEYS, KNOWN_KEYS, TURN_KEYS
from twosignal.text.messages import REASONING_KEYS, WEIGHT_KEYS
from twosignal.text.paths import find_files
from twosignal.text.readers import read_rows
from twosignal.text.tokenized import LABELS_KEY, MASK_KEYS, looks_like_mask

NAME = "every key that says what is learned is read"
ROWS = 5_000
"""Rows of a source that are looked at, evenly from its files."""
MESSAGE_KEYS = (
    *("role", "content", "from", "value", "name", "tool_calls", "function_call", "tool_call_id"),
    *REASONING_KEYS,
    *WEIGHT_KEYS,
)
TELLING_KEYS = (*WEIGHT_KEYS, *MASK_KEYS, LABELS_KEY)
"""Names that say what is learned; a key as near as this to one of them is taken for a misspelt one."""
TURN_TELLING_KEYS = (*TELLING_KEYS, "loss", "learn", "supervise", "supervised", "trainable")
"""The same in a message."""
NEARNESS = 0.8
MOST_LISTED = 12


class Stray(NamedTuple):
    """A key that nothing reads."""

    key: str
    where: str
    """record or message."""
    value: object


def check_columns(config: Config, folder: Path) -> Check:
    """S9: no record of the sources has a mask-like key that is unknown, misspelt or in the wrong place."""
    ignored: Counter[str] = Counter()
    rows = 0
    for name in config.sources:
        for place, record in _records(config, name, folder):
            rows += 1
            found = list(strays(record))
            ignored.update(f"{stray.where}: {stray.key}" for stray in found)
            if wrong := next((stray for stray in found if meant_by(stray)), None):
                return _refusal(wrong, source=name, place=place)
    if not rows:
        return not_applicable("S9", NAME, "no source is a file of records")
    listed = ", ".join(name for name, _ in ignored.most_common(MOST_LISTED))
    message = f"{rows:,} records were looked at; not read: {listed or 'nothing'}"
    evidence = {"rows": rows, "not_read": dict(ignored.most_common(MOST_LISTED))}
    return Check(id="S9", name=NAME, passed=True, message=message, evidence=evidence)


def strays(record: Mapping[str, object]) -> Iterator[Stray]:
    """Yield the keys of a record and of its messages that nothing reads and that hold something."""
    known = {*KNOWN_KEYS, *EXTRA_KEYS}
    yield from (
        Stray(key, "record", value) for key, value in record.items() if key not in known and value is not None
    )
    for turns_key in (*TURN_KEYS, "prompt", "completion"):
        turns = record.get(turns_key)
        for turn in turns if isinstance(turns, list) else ():
            fields = cast("dict[str, object]", turn) if isinstance(turn, dict) else {}
            yield from (
                Stray(key, "message", value)
                for key, value in fields.items()
                if key not in MESSAGE_KEYS and value is not None
            )


def meant_by(stray: Stray) -> str:
    """Return the key that a stray one may have been meant for, when it would say what is learned; else empty."""
    name = stray.key.lower()
    is_message = stray.where == "message"
    near = get_close_matches(name, TURN_TELLING_KEYS if is_message else TELLING_KEYS, n=1, cutoff=NEARNESS)
    if is_message:
        is_telling = isinstance(stray.value, bool | int | float | list) and (near or looks_like_mask(name))
        return WEIGHT_KEYS[0] if is_telling else ""
    if isinstance(stray.value, list) and (near or looks_like_mask(name)):
        return near[0] if near and near[0] not in WEIGHT_KEYS else MASK_KEYS[0]
    return f"{WEIGHT_KEYS[0]} of each message" if stray.value in (0, 1) and near else ""


def _records(config: Config, name: str, folder: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield records of a source as they were written, each with its place."""
    paths = config.sources[name].path
    entries = [paths] if isinstance(paths, str) else paths
    files = [
        file
        for entry in entries
        if not entry.startswith(("builtin:", "hf:"))
        for file in find_files(entry, folder=folder, source=name)
        if not file.is_text
    ]
    for file in files:
        for row in islice(read_rows(file), max(1, ROWS // len(files))):
            if isinstance(row.value, dict):
                yield f"{file.shown}:{row.line}", cast("dict[str, object]", row.value)


def _refusal(stray: Stray, *, source: str, place: str) -> Check:
    holder = "a message has" if stray.where == "message" else "the record has"
    return Check(
        id="S9",
        name=NAME,
        passed=False,
        kind="wrong-targets",
        message=f'{place}: {holder} the key "{stray.key}", which nothing reads, though it seems to say what is learned',
        evidence={
            "source": source,
            "place": place,
            "key": stray.key,
            "in": stray.where,
            "nearest": meant_by(stray),
        },
        remedy=f'Write "{meant_by(stray)}" if that is meant, or take the key out of the data.',
    )
