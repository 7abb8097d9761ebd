"""The gradient of one step: takes a set-up run and real rows, gives P4.

One step's gradient must not depend on how its conversations are laid out or shared: packed or
alone, in one pass or several, on one rank or on two with uneven targets. P4 is a name of the
design's list of checks.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate as sums

import torch
from torch import Tensor

from twosignal.model.modes import evaluating
from twosignal.packs.pack import Pack
from twosignal.prove.receipt import Check, Kind, not_applicable
from twosignal.train.setup import Setup
from twosignal.train.step import accumulate

NAME = "one step has one gradient, however it is laid out"
TOLERANCE = 1e-4
"""Largest distance of two gradients, as a share of the first one's length, in float32."""
MOST_PARAMETERS = 3_000_000_000
"""Above, the copies of a gradient would take more memory than training itself."""

Gradient = dict[str, Tensor]


def check_gradient(setup: Setup, rows: Sequence[Pack]) -> Check:
    """P4: packed in one pass, row by row, every conversation alone, and shared by two ranks give one gradient."""
    useful = [row for row in rows if row.num_targets]
    if not useful:
        return not_applicable("P4", NAME, "the rows at hand have no targets")
    if setup.num_parameters > MOST_PARAMETERS:
        return not_applicable("P4", NAME, f"the model has more than {MOST_PARAMETERS:,} parameters")
    with _exact(setup) as exact:
        first = _gradient(exact, useful, rows_per_pass=len(useful))
        length = _norm(first)
        apart = {
            way: _norm(_minus(first, make())) / length if length else math.inf
            for way, make in _ways(exact, useful).items()
        }
    evidence = {
        "rows": len(useful),
        "segments": sum(len(row.segments) for row in useful),
        "tokens": sum(len(row.ids) for row in useful),
        "targets": [row.num_targets for row in useful],
        "norm": length,
        "apart": apart,
    }
    return _judged(apart, length=length, evidence=evidence)


def _judged(apart: Mapping[str, float], *, length: float, evidence: dict[str, object]) -> Check:
    widest = max(apart, key=lambda name: apart[name])
    kind: Kind = "leak" if widest == "unpacked" else "wrong-targets"
    message = f"{widest}, the gradient is another by {apart[widest]:.1e} of its length"
    remedy = "Set rows.packing = false and rows.per_pass = 1, or use another model."
    if not math.isfinite(length) or any(math.isnan(share) for share in apart.values()):
        kind, message = "non-finite", "the gradient of a first step is not finite"
        remedy = 'Check the model\'s weights, or set train.precision = "float32".'
    elif not length:
        kind, message = "no-targets", "the gradient of a first step is 0: nothing would be learned"
        remedy = "Check that the model's parameters are trainable."
    elif apart[widest] <= TOLERANCE:
        message = f"{', '.join(apart)}: at most {apart[widest]:.1e} of its length apart"
        return Check(id="P4", name=NAME, passed=True, message=message, evidence=evidence)
    return Check(
        id="P4", name=NAME, passed=False, kind=kind, message=message, evidence=evidence, remedy=remedy
    )


def _ways(setup: Setup, rows: Sequence[Pack]) -> dict[str, Callable[[], Gradient]]:
    """Return the ways of making the same gradient, but for the packed one in one pass."""
    alone = [part for row in rows for part in segments_alone(row) if part.num_targets]
    ways: dict[str, Callable[[], Gradient]] = {
        "unpacked": lambda: _gradient(setup, alone, rows_per_pass=1),
    }
    if len(rows) > 1:
        ways["row by row"] = lambda: _gradient(setup, rows, rows_per_pass=1)
        ways["on two ranks"] = lambda: _on_two_ranks(setup, rows)
    return ways


def _on_two_ranks(setup: Setup, rows: Sequence[Pack]) -> Gradient:
    """Return the gradient of one row and of all others apart, each weighted by its targets as ranks are."""
    total = sum(row.num_targets for row in rows)
    shared: Gradient = {}
    for part in (rows[:1], rows[1:]):
        weight = sum(row.num_targets for row in part) / total
        for name, value in _gradient(setup, part, rows_per_pass=len(part)).items():
            shared[name] = value.mul_(weight) + shared.get(name, 0.0)
    return shared


def segments_alone(row: Pack) -> list[Pack]:
    """Return the segments of a row as rows of their own."""
    ends = list(sums(row.lengths))
    spans = [slice(end - length, end) for end, length in zip(ends, row.lengths, strict=True)]
    return [
        Pack(
            source=row.source,
            ids=row.ids[span],
            targets=row.targets[span],
            positions=row.positions[span],
            segments=(segment,),
        )
        for span, segment in zip(spans, row.segments, strict=True)
    ]


@contextmanager
def _exact(setup: Setup) -> Iterator[Setup]:
    """Give the set-up run in float32, without dropout and with gradients; afterwards there are none."""
    model = setup.learner.model
    with evaluating(model), torch.enable_grad():
        try:
            yield replace(setup, learner=replace(setup.learner, autocast=None))
        finally:
            model.zero_grad(set_to_none=True)


def _gradient(setup: Setup, rows: Sequence[Pack], *, rows_per_pass: int) -> Gradient:
    """Return the gradient of one step over these rows, by the code that trains."""
    model = setup.learner.model
    model.zero_grad(set_to_none=True)
    accumulate(replace(setup, rows_per_pass=rows_per_pass), list(rows))
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def _minus(one: Gradient, other: Gradient) -> Gradient:
    """Return the difference of two gradients; a parameter that has none in one of them counts as 0 there."""
    return {name: one.get(name, 0.0) - other.get(name, 0.0) for name in dict.fromkeys((*one, *other))}  # type: ignore[misc]


def _norm(gradient: Gradient) -> float:
    return math.sqrt(sum(float(value.double().pow(2).sum()) for value in gradient.values()))
