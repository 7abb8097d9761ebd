"""What was drawn to train on, beside the mix: takes the steps of a window and the shares in force, gives `Draws` and findings.

Rows are drawn in turn, so that every source has had its share to within one row. What to expect of n rows is therefore
no chance: the shares, cut to whole rows by largest remainders. Where the record has no rows by source, tokens stand in
for them; sources whose rows are less full then seem smaller than they are, and no finding rests on it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from twosignal.audits.breadth import effective_number
from twosignal.audits.finding import Finding
from twosignal.records.columns import Rows, source_column, sources_of

STUCK_STEPS = 7
"""Steps running with a single source that mean the curriculum is stuck, when others were due as many rows."""
DUE_ROWS = 8.0
"""Rows a source must have been due before its absence means anything."""

Switch = tuple[int, Mapping[str, float]]
"""Last step before shares came into force, and the shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Training rows of a window by source, drawn and due."""

    unit: str
    """rows, or tokens where the record has no rows by source."""
    drawn: Mapping[str, int]
    """What each source gave."""
    due: Mapping[str, float]
    """Rows each source should have given under the shares in force."""
    effective: float
    """Sources in effect: exp of the entropy of what was drawn."""
    expected: float
    """The same of what was due."""
    alone: str
    """Source of the longest stretch of steps in which no other gave anything; empty when there is none."""
    alone_steps: int
    """Its length, in steps."""
    missed_rows: float
    """Rows that the others were due in it."""


def draws_of(rows: Rows, shares: Mapping[str, float], *, switches: Sequence[Switch] = ()) -> Draws | None:
    """Return the draws of the steps in `rows`, shape [steps]; None where sources, shares or steps are not known.

    `shares` are in force from the start, those of each switch after its step.
    """
    sources = sources_of(rows.dtype.names or ())
    if not sources or not shares or not len(rows):
        return None
    unit = "rows" if source_column("rows", sources[0]) in (rows.dtype.names or ()) else "tokens"
    drawn = np.stack([rows[source_column(unit, name)].astype(np.int64) for name in sources], axis=1)
    due = _due(rows, sources, [(-1, shares), *switches])
    number, first, stop = _longest_alone(drawn)
    others = [other for other in range(len(sources)) if other != number]
    by_source = dict(zip(sources, drawn.sum(axis=0).tolist(), strict=True))
    due_by_source = dict(zip(sources, due.sum(axis=0).tolist(), strict=True))
    return Draws(
        unit=unit,
        drawn=by_source,
        due=due_by_source,
        effective=effective_number(by_source),
        expected=effective_number(whole_rows(due_by_source)),
        alone=sources[number] if stop > first else "",
        alone_steps=stop - first,
        missed_rows=float(due[first:stop, others].sum()),
    )


def whole_rows(due: Mapping[str, float]) -> dict[str, int]:
    """Return rows due as whole rows of the same sum: rounded down, and up where the largest parts were lost."""
    rows = {name: math.floor(one + 1e-9) for name, one in due.items()}
    left = round(sum(due.values())) - sum(rows.values())
    for name in sorted(due, key=lambda name: rows[name] - due[name])[:left]:
        rows[name] += 1
    return rows


def shares_at(step: int, shares: Mapping[str, float], switches: Iterable[Switch] = ()) -> Mapping[str, float]:
    """Return the shares by which the rows of `step` are drawn."""
    return [shares, *(one for after, one in switches if after < step)][-1]


def draw_findings(draws: Draws | None, *, step: int) -> tuple[Finding, ...]:
    """Return an alarm on a source that came alone, and a warning on sources that never came; `step` ends the window."""
    if draws is None:
        return ()
    if draws.alone_steps >= STUCK_STEPS and round(draws.missed_rows, 6) >= DUE_ROWS:
        return (_stuck(draws, step),)
    starved = [name for name, due in draws.due.items() if round(due, 6) >= DUE_ROWS and not draws.drawn[name]]
    if not starved:
        return ()
    finding = Finding(
        id="starved-source",
        severity="warning",
        message=f"{', '.join(starved)} gave no row of this window, and the mix promised "
        + ", ".join(f"{draws.due[name]:,.0f}" for name in starved),
        evidence={"sources": starved, "due": {name: round(draws.due[name], 2) for name in starved}},
        steps=(step,),
        remedy="Look at the curriculum's choices: what it draws is not what it says.",
    )
    return (finding,)


def _stuck(draws: Draws, step: int) -> Finding:
    return Finding(
        id="stuck-source",
        severity="alarm",
        message=f"all rows of {draws.alone_steps:,} steps running came from {draws.alone}, and the mix promised "
        f"{draws.missed_rows:,.0f} rows of others",
        evidence={"source": draws.alone, "steps": draws.alone_steps, "missed_rows": draws.missed_rows},
        steps=(step,),
        remedy="Look at the curriculum's choices: what it draws is not what it says.",
    )


def _due(rows: Rows, sources: Sequence[str], changes: Sequence[Switch]) -> npt.NDArray[np.float64]:
    """Return the rows due by step and source, shape [steps, sources]; shares in force from the step after each change."""
    table = np.array([[shares.get(name, 0.0) for name in sources] for _, shares in changes])
    whole = table.sum(axis=1, keepdims=True)
    table = np.divide(table, whole, out=np.zeros_like(table), where=whole > 0)
    number = np.searchsorted([after for after, _ in changes], rows["step"], side="left") - 1
    due: npt.NDArray[np.float64] = table[number] * rows["rows"][:, None]
    return due


def _longest_alone(drawn: npt.NDArray[np.int64]) -> tuple[int, int, int]:
    """Return number, first and stop of the longest stretch of steps with one source only; stop is first without one."""
    alone = np.where((drawn > 0).sum(axis=1) == 1, drawn.argmax(axis=1), -1)
    edges = [0, *(np.flatnonzero(np.diff(alone)) + 1).tolist(), len(alone)]
    found = [(stop - first, first, stop) for first, stop in pairwise(edges) if alone[first] >= 0]
    _, first, stop = max(found, default=(0, 0, 0), key=lambda one: one[0])
    return int(alone[first]), first, stop
