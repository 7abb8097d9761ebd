"""Are two runs the same: takes two runs, gives the first step and column in which their records differ.

Compared are the live rows of learning.bin, bit for bit, and the live events without their clocks. How
many attempts it took and how fast it went do not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from twosignal.records.columns import Rows
from twosignal.records.events import Event
from twosignal.records.reader import Run
from twosignal.records.values import canonical, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where two runs part."""

    step: int
    """Optimizer step."""
    column: str
    """Column of the step's numbers, `kind.field` of an event, or `columns` when the runs record other numbers."""
    a: object
    """What the first run has; None where it has nothing."""
    b: object
    """What the second run has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Whether two runs are the same numbers."""

    equal: bool
    """Rows and events agree."""
    first_difference: Difference | None
    """The difference at the lowest step; in a step, numbers come before events."""

    def as_dict(self) -> dict[str, object]:
        """Return the comparison as strict JSON values; what is not finite is a word."""
        found = self.first_difference
        difference = found and {
            "step": found.step,
            "column": found.column,
            "a": encode(found.a, where="a", escape=False),
            "b": encode(found.b, where="b", escape=False),
        }
        return {"equal": self.equal, "first_difference": difference}


def compare(run_a: Run, run_b: Run) -> Comparison:
    """Return the first difference of two runs; raise RunError where the records cannot be read."""
    found = [
        difference
        for difference in (
            _row_difference(run_a.steps(), run_b.steps()),
            _event_difference(run_a.events(), run_b.events()),
        )
        if difference
    ]
    first = min(found, key=lambda difference: difference.step, default=None)
    return Comparison(equal=first is None, first_difference=first)


def _row_difference(a: Rows, b: Rows) -> Difference | None:
    names_a, names_b = list(a.dtype.names or ()), list(b.dtype.names or ())
    if a.dtype != b.dtype:
        only_a = [name for name in names_a if name not in names_b or a.dtype[name] != b.dtype[name]]
        only_b = [name for name in names_b if name not in names_a or a.dtype[name] != b.dtype[name]]
        if not only_a and not only_b:
            only_a, only_b = names_a, names_b
        return Difference(step=0, column="columns", a=only_a, b=only_b)
    shared = min(len(a), len(b))
    names = [name for name in names_a if name != "attempt"]
    firsts = [(row, name) for name in names if (row := _first_unequal(a[name], b[name])) < shared]
    if firsts:
        row, name = min(firsts, key=lambda first: first[0])
        step = min(int(a["step"][row]), int(b["step"][row]))
        return Difference(step=step, column=name, a=a[name][row].item(), b=b[name][row].item())
    if len(a) == len(b):
        return None
    step = int((a if len(a) > len(b) else b)["step"][shared])
    return Difference(
        step=step,
        column="step",
        a=step if len(a) > shared else None,
        b=step if len(b) > shared else None,
    )


def _first_unequal(a: Rows, b: Rows) -> int:
    """Return the first index at which two columns differ in any bit, or the shorter length."""
    shared = min(len(a), len(b))
    bits = f"u{a.dtype.itemsize}"
    unequal = np.ascontiguousarray(a[:shared]).view(bits) != np.ascontiguousarray(b[:shared]).view(bits)
    return int(unequal.argmax()) if unequal.any() else shared


def _event_difference(events_a: Iterator[Event], events_b: Iterator[Event]) -> Difference | None:
    for a, b in zip_longest(events_a, events_b):
        if a is None or b is None or (a.kind, a.step) != (b.kind, b.step):
            step = min(event.step for event in (a, b) if event)
            return Difference(step=step, column="event", a=a.kind if a else None, b=b.kind if b else None)
        for name in sorted({*a.body, *b.body}):
            one, other = a.body.get(name), b.body.get(name)
            if _bytes(one) != _bytes(other) or (name in a.body) != (name in b.body):
                return Difference(step=a.step, column=f"{a.kind}.{name}", a=one, b=other)
    return None


def _bytes(value: object) -> bytes:
    return canonical({"": encode(value, where="event")})
