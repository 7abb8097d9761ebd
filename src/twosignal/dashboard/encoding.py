"""Answers as bytes: takes plain values and numpy columns, gives strict JSON in which nothing is lost.

JSON has no nan and no infinity: they become the words "nan", "inf" and "-inf". Columns of numbers go out as they are,
with null for nan; whoever gives a column says what is broken in it beside it.
"""

import json
import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_LARGEST: Final = 1e38
"""Beyond it a number does not fit into 32 bits."""


def to_json(value: object) -> bytes:
    """Return a value as JSON; every float in it must be finite, see `finite`."""
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except TypeError:
        # Lone surrogates, which a model may well write, are refused by the fast writer.
        return json.dumps(value, default=_plain, allow_nan=False).encode("ascii")


def finite(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """Return a value with words in place of every number that is not finite; columns are left alone."""
    if isinstance(value, float):
        return value if math.isfinite(value) else float.__repr__(float(value))
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [finite(one) for one in value]
    return value


def column(values: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Return numbers as short as a chart needs them: seven digits, unless they are too large for that."""
    with np.errstate(over="ignore", invalid="ignore"):
        fits = not (np.abs(values) > _LARGEST).any()
    return np.ascontiguousarray(values, dtype=np.float32 if fits else np.float64)


def tag(*facts: object) -> str:
    """Return an ETag of everything that an answer depends on."""
    return f'"{blake2b(repr(facts).encode(), digest_size=10).hexdigest()}"'


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return [None if isinstance(one, float) and not math.isfinite(one) else one for one in value.tolist()]
    message = f"a {type(value).__name__} is no JSON value"
    raise TypeError(message)
