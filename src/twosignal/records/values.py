"""Values a record may hold: takes plain Python values, gives JSON that loses nothing, and reads it back.

JSON has no nan and no infinity, and a record must never turn them into null or 0. They are written
as the words "nan", "inf" and "-inf"; a text that happens to be one of these words gets a backslash
in front, which reading takes away again.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_WORD = re.compile(r"nan|inf|-inf")
_LOOKALIKE = re.compile(r"\\*(?:nan|inf|-inf)")


def encode(value: object, *, where: str, escape: bool = True) -> Json:
    """Return `value` as strict JSON that `decode` turns back into an equal value.

    Without `escape` every text stays as it is, for readers that are not us.
    Raises TypeError naming the place for anything but None, bool, int, float, str, list and dict:
    arrays, tensors and tuples would not come back as they were.
    """
    if isinstance(value, str):
        return f"\\{value}" if escape and _LOOKALIKE.fullmatch(value) else value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else float.__repr__(value)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, list):
        return [encode(one, where=f"{where}[{i}]", escape=escape) for i, one in enumerate(value)]
    if isinstance(value, dict):
        _refuse_other_keys(value, where)
        return {key: encode(one, where=f"{where}.{key}", escape=escape) for key, one in value.items()}
    message = (
        f"{where} is a {type(value).__name__}; a record holds None, bool, int, float, str, list and dict"
    )
    raise TypeError(message)


def decode(value: Json) -> Json:
    """Return what `encode` was given."""
    if isinstance(value, str):
        if _WORD.fullmatch(value):
            return float(value)
        return value[1:] if _LOOKALIKE.fullmatch(value) else value
    if isinstance(value, list):
        return [decode(one) for one in value]
    if isinstance(value, dict):
        return {key: decode(one) for key, one in value.items()}
    return value


def canonical(value: Mapping[str, Json]) -> bytes:
    """Return the one way to write `value`: keys sorted, no spaces, ASCII, shortest floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def compact(value: Json) -> bytes:
    """Return `value` as one line of ASCII without spaces, keys in their own order."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def _refuse_other_keys(value: Mapping[object, object], where: str) -> None:
    for key in value:
        if not isinstance(key, str):
            message = f"{where} has the key {key!r}; keys are strings"
            raise TypeError(message)
