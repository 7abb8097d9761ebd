"""A proof repeated: takes a stored receipt and a new one, gives what differs between them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

ROUNDING = 1e-5
"""Relative, and near 0 absolute, difference that two machines may show in one figure."""
CLOCK = ("seconds", "share_of_run")
"""Fields that depend on the moment."""
ORDER = ("inputs", "tokenizer", "template", "config", "label_code", "versions")
"""What may have changed comes before what changes with it."""


def changes(stored: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return every value that differs, as `name: before -> now`, causes first; fields that one side lacks are left out."""
    before, now = dict(_flat(stored)), dict(_flat(new))
    names = [name for name in before if name in now and not _is_same(before[name], now[name])]
    names.sort(
        key=lambda name: ORDER.index(name.split(".")[0]) if name.split(".")[0] in ORDER else len(ORDER)
    )
    return [f"{name}: {_short(before[name])} -> {_short(now[name])}" for name in names]


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (any JSON value)
    """Yield the plain values of a receipt by their dotted names; checks, sources and stages go by their own names."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in CLOCK:
                yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            own = (
                inner.get("id") or inner.get("source") or inner.get("stage")
                if isinstance(inner, Mapping)
                else None
            )
            yield from _flat(inner, f"{name}.{own or number}")
        yield f"{name}.length", len(value)
    else:
        yield name, value


def _is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 (any JSON value)
    """Return whether two values are equal; of fractions another machine may compute the last digits differently."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    return bool(one == other)


def _short(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
