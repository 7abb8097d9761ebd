"""The run file: takes a TOML path and `--set` options, gives a checked `Config`, or a sentence naming file, line and key."""

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from twosignal.config import Config
from twosignal.errors import ConfigError

_HEADER = re.compile(r"^\s*\[([^\[\]]+)\]")
_ASSIGNMENT = re.compile(r"^\s*([A-Za-z0-9_\"'.-]+)\s*=")


def load_config(path: Path, settings: Sequence[str] = ()) -> Config:
    """Read a run file and apply `a.b=VALUE` settings on top of it.

    Raises ConfigError with file and line for syntax errors, unknown keys, wrong types and missing values.
    """
    text = _read(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"not valid TOML: {error}"
        raise ConfigError(message, where=str(path), remedy="Mend this line; strings need quotes.") from error
    for setting in settings:
        _apply(values, setting)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        details = max(error.errors(), key=lambda e: e["type"] == "extra_forbidden")
        location = _location(values, details)
        given = [s for s in settings if s.split("=")[0].strip() == ".".join(location)]
        line = _line_of(text, location)
        where = f"--set {given[-1]}" if given else f"{path}:{line}" if line else str(path)
        raise _sentence(details, location, where) from error


def resolved_toml(config: Config) -> str:
    """Return the whole configuration, defaults included, as TOML that `load_config` reads back."""
    return tomli_w.dumps(config.model_dump(by_alias=True, exclude_none=True))


def config_hash(config: Config) -> str:
    """Return 16 hex digits that change with any field that can change what is learned, and with nothing else.

    Who is told of a run, and how long it waits for room on a disk, may change from one process to the next.
    """
    values = config.model_dump(by_alias=True)
    values.pop("alerts")
    values["checkpoints"].pop("wait_minutes")
    text = json.dumps(values, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.toml")], n=1)
        remedy = f"Did you mean {near[0]}?" if near else "Give the path of a TOML run file."
        message = "there is no such run file"
        raise ConfigError(message, where=str(path), remedy=remedy) from error
    except (OSError, UnicodeDecodeError) as error:
        message = "the run file cannot be read"
        found = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        remedy = "Give the path of a TOML file in UTF-8 that you may read."
        raise ConfigError(message, where=str(path), found=found, remedy=remedy) from error


def _apply(values: dict[str, Any], setting: str) -> None:
    """Write one `a.b=VALUE` setting into nested tables; VALUE is TOML, or else a bare string."""
    key, equals, raw = setting.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        message = "a setting must look like table.key=value"
        raise ConfigError(message, where=f"--set {setting}", expected="for example --set run.steps=500")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    table = values
    for part in parts[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            message = f"{part} is a value, not a table"
            raise ConfigError(message, where=f"--set {setting}")
        table = inner
    table[parts[-1]] = value


def _location(values: Mapping[str, Any], details: ErrorDetails) -> list[str]:
    """Return the keys of an error as the user wrote them; the branch names of unions are left out."""
    location: list[str] = []
    here: Any = values
    for part in map(str, details["loc"]):
        if isinstance(here, dict) and (part in here or details["type"] == "missing"):
            location.append(part)
            here = here.get(part)
    return location


def _sentence(details: ErrorDetails, location: Sequence[str], where: str) -> ConfigError:
    dotted = ".".join(location)
    if details["type"] == "extra_forbidden":
        return _unknown_key(location, where)
    if details["type"] == "missing":
        remedy = _MISSING.get(dotted, f"Add {location[-1]} to [{'.'.join(location[:-1])}].")
        return ConfigError(f"{dotted} is missing", where=where, remedy=remedy)
    expected = details["msg"].removeprefix("Value error, ")
    expected = expected[0].lower() + expected[1:]
    if details["type"] == "value_error":
        return ConfigError(f"[{dotted}] {expected}", where=where)
    if details["type"] == "string_pattern_mismatch":
        expected = "a name made of letters, digits, dot, dash and underscore"
    return ConfigError(
        f"{dotted[:80]} has a wrong value",
        where=where,
        found=repr(details["input"])[:80],
        expected=expected.removeprefix("input should be "),
    )


_MISSING = {
    "run": 'Add a table [run] with name = "...".',
    "model": 'Add a table [model] with preset = "tiny", or from = "folder or hub id".',
    "sources": 'Add at least one source: [sources.NAME] with path = "...".',
}


def _unknown_key(location: Sequence[str], where: str) -> ConfigError:
    known = _known_keys(location[:-1])
    near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
    table = ".".join(location[:-1])
    remedy = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
    place = f"[{table}]" if table else "the run file"
    return ConfigError(f"unknown key {location[-1]!r} in {place}", where=where, remedy=remedy)


def _known_keys(location: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        fields = {(f.alias or name): f for name, f in model.model_fields.items()}
        if part in fields:
            inner = [t for t in _types(fields[part].annotation) if issubclass(t, BaseModel)]
            model = inner[0] if inner else model
    return [f.alias or name for name, f in model.model_fields.items()]


def _types(annotation: Any) -> list[type]:  # noqa: ANN401 (any type expression)
    """Return every class inside a type expression such as dict[str, X] or A | B."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [t for inner in get_args(annotation) for t in _types(inner)]


def _line_of(text: str, location: Sequence[str]) -> int:
    """Return the line, from 1, that assigns this key, else that opens its table; 0 if neither is there."""
    table: list[str] = []
    opened = 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            if table == list(location[: len(table)]):
                opened = number
            continue
        assignment = _ASSIGNMENT.match(line)
        if assignment:
            key = [*table, *(p.strip("\"'") for p in assignment[1].split("."))]
            if key == list(location[: len(key)]):
                return number
    return opened
