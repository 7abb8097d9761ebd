"""What an operator may ask of the mix: takes settings of the command line or of a request file, gives them checked."""

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from twosignal.errors import InputError

ROUNDING = 1e-9


class MixSettings(TypedDict, total=False):
    """A request as plain data."""

    set: dict[str, float]
    """Exact share of the rows by source; 0 retires it."""
    cap: dict[str, float]
    """Largest share of the rows by source."""
    release: list[str]
    """Sources for which the run file's floor and cap hold again."""


def read_settings(body: Mapping[str, Any]) -> MixSettings:
    """Return the settings of a request file; raise InputError where it says something else."""
    shares, caps, released = body.get("set", {}), body.get("cap", {}), body.get("release", [])
    is_whole = all(isinstance(table, dict) for table in (shares, caps)) and isinstance(released, list)
    values = [*shares.values(), *caps.values()] if is_whole else []
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if not is_whole or len(numbers) != len(values) or not all(isinstance(name, str) for name in released):
        message = "the request is none"
        expected = '{"set": {source: share}, "cap": {source: share}, "release": [source]}'
        raise InputError(message, found=str(dict(body))[:120], expected=expected)
    return {"set": dict(shares), "cap": dict(caps), "release": list(released)}


def check_settings(settings: MixSettings, sources: Sequence[str]) -> None:
    """Raise InputError when the settings name no source of the run, are no shares, contradict each other or ask for nothing."""
    shares, caps = settings.get("set", {}), settings.get("cap", {})
    names = [*shares, *caps, *settings.get("release", [])]
    if not names:
        message = "the request asks for nothing"
        raise InputError(message, expected="--set, --cap or --release")
    for name in names:
        _check_name(name, sources)
    for name, share in (*shares.items(), *caps.items()):
        if not (math.isfinite(share) and 0 <= share <= 1):
            message = f"the share of {name} must be a number from 0 to 1"
            raise InputError(message, found=f"{share:g}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"{twice[0]} is named twice in one request"
        raise InputError(message, remedy="Give one of --set, --cap and --release for each source.")
    if sum(shares.values()) > 1 + ROUNDING:
        message = "the shares that are set exceed the whole"
        raise InputError(message, found=f"sum {sum(shares.values()):.2f}", expected="at most 1")
    room = sum(caps.get(name, shares.get(name, 1.0)) for name in sources)
    if room < 1 - ROUNDING:
        message = "the shares and caps leave part of every step to nobody"
        raise InputError(message, found=f"sum {room:.2f}", expected="at least 1 over all sources")


def described(settings: MixSettings) -> str:
    """Return settings in the words of the command line."""
    words = [f"--set {name}={share:g}" for name, share in settings.get("set", {}).items()]
    words += [f"--cap {name}={share:g}" for name, share in settings.get("cap", {}).items()]
    return " ".join([*words, *(f"--release {name}" for name in settings.get("release", []))])


def _check_name(name: str, sources: Sequence[str]) -> None:
    if name not in sources:
        near = difflib.get_close_matches(name, sources, n=1, cutoff=0.5)
        remedy = f"Did you mean {near[0]}?" if near else f"The sources are {', '.join(sources)}."
        raise InputError(f"the run has no source {name}", remedy=remedy)
