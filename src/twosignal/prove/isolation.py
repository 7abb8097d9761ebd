"""The pokes: takes a learner and real rows, gives P1, that packed neighbours cannot see each other, and P6, causality.

Isolation is measured on the user's own model, weights, precision and call, never inferred
from an option's name. P1 and P6 are names of the design's list of checks.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from twosignal.model.attention import hidden_states
from twosignal.model.modes import evaluating
from twosignal.packs.pack import Pack
from twosignal.prove.receipt import Check, not_applicable, worst
from twosignal.train.batch import Learner, lay_batch

ROUTING_TOLERANCE = 1e-6
"""Mixture-of-experts layers batch tokens by expert, which may move the last bit of a neighbour."""
POKE_NAME = "packed neighbours cannot see each other"
CAUSAL_NAME = "no token sees the future"


class _Moved(NamedTuple):
    """What changed when some tokens of a row were exchanged."""

    outside: float
    """Largest change where nothing may change; NaN when a state is not finite."""
    inside: float
    """Largest change of the exchanged tokens' own states."""


def check_isolation(learner: Learner, rows: Sequence[Pack]) -> list[Check]:
    """Run P1 and P6 on the given rows; the model's mode and weights are left as they were."""
    with evaluating(learner.model):
        return [
            worst([poke(learner, row) for row in rows]),
            worst([causality(learner, row) for row in rows]),
        ]


def poke(learner: Learner, row: Pack) -> Check:
    """P1: exchanging the first, a middle or the last segment must leave every other one bit-identical."""
    if len(row.segments) < 2:
        return not_applicable("P1", POKE_NAME, "no row holds two segments, so there is no neighbour to see")
    before = states(learner, row)
    places = sorted({0, len(row.segments) // 2, len(row.segments) - 1})
    moves = {place: _poked(learner, row, place, before=before) for place in places}
    evidence: dict[str, Any] = {
        "source": row.source,
        "segments": len(row.segments),
        "poked": places,
        "largest_change": max(moved.outside for moved in moves.values()),
        "own_change": max(moved.inside for moved in moves.values()),
    }
    if any(math.isnan(moved.outside) for moved in moves.values()):
        return non_finite("P1", POKE_NAME, evidence)
    if evidence["own_change"] == 0:
        return not_applicable(
            "P1", POKE_NAME, "other tokens give this model the same states, so a poke shows nothing"
        )
    has_experts = any("expert" in part for part, _ in learner.model.named_modules())
    worst_place = max(moves, key=lambda place: moves[place].outside)
    moved = moves[worst_place].outside
    if moved <= (ROUTING_TOLERANCE if has_experts else 0.0):
        message = f"{len(places)} of {len(row.segments)} segments exchanged, one by one: the others stay bit-identical"
        return Check(id="P1", name=POKE_NAME, passed=True, message=message, evidence=evidence)
    origin = row.segments[worst_place].origin
    return Check(
        id="P1",
        name=POKE_NAME,
        passed=False,
        kind="leak",
        message=f"changing {origin} moved its neighbours in the row by {moved:.2g}",
        evidence=evidence | {"file": origin.file, "line": origin.line},
        remedy="This model mixes packed conversations: set rows.packing = false, or use another model.",
    )


def causality(learner: Learner, row: Pack) -> Check:
    """P6: changing the last token of the longest segment must leave everything before it as it was."""
    longest = int(np.argmax(row.lengths))
    if row.lengths[longest] < 2:
        return not_applicable("P6", CAUSAL_NAME, "no segment of the row has two tokens")
    last = sum(row.lengths[: longest + 1]) - 1
    after = states(learner, exchanged(learner, row, slice(last, last + 1)))
    moved = _moved(states(learner, row)[: last + 1], after[: last + 1], slice(last, last + 1))
    evidence = {"source": row.source, "largest_change": moved.outside}
    if math.isnan(moved.outside):
        return non_finite("P6", CAUSAL_NAME, evidence)
    if moved.outside <= ROUTING_TOLERANCE:
        message = "another last token left all earlier ones as they were"
        return Check(id="P6", name=CAUSAL_NAME, passed=True, message=message, evidence=evidence)
    return Check(
        id="P6",
        name=CAUSAL_NAME,
        passed=False,
        kind="leak",
        message=f"changing the last token moved earlier ones by {moved.outside:.2g}",
        evidence=evidence,
        remedy="This model looks ahead, so its loss would mean nothing: use a causal language model.",
    )


def states(learner: Learner, row: Pack) -> Tensor:
    """Return the last hidden states of a row, [tokens, width] in float32, computed as in training."""
    batch = lay_batch([row], learner.device)
    with learner.precision():
        return hidden_states(learner.model, batch.ids, batch.positions, batch.lengths).float()


def exchanged(learner: Learner, row: Pack, part: slice) -> Pack:
    """Return the row with other tokens in a part of it."""
    ids = row.ids.copy()
    ids[part] = (ids[part] + 1) % vocabulary(learner)
    return replace(row, ids=ids)


def vocabulary(learner: Learner) -> int:
    """Return how many ids the model knows."""
    return int(learner.model.get_input_embeddings().weight.shape[0])


def non_finite(identity: str, name: str, evidence: dict[str, Any]) -> Check:
    """Return the check that met NaN or infinity: neither no targets nor wrong ones."""
    return Check(
        id=identity,
        name=name,
        passed=False,
        kind="non-finite",
        message="the model's output is not finite on a real row, before any training",
        evidence=evidence,
        remedy='Check the model\'s weights, or set train.precision = "float32".',
    )


def _poked(learner: Learner, row: Pack, place: int, *, before: Tensor) -> _Moved:
    ends = list(accumulate(row.lengths))
    part = slice(ends[place] - row.lengths[place], ends[place])
    return _moved(before, states(learner, exchanged(learner, row, part)), part)


def _moved(before: Tensor, after: Tensor, part: slice) -> _Moved:
    """Return the largest absolute change outside and inside a part; NaN when a state is not finite."""
    if not bool(torch.isfinite(before).all() & torch.isfinite(after).all()):
        return _Moved(math.nan, math.nan)
    change = (before - after).abs().amax(dim=1)
    inside = float(change[part].max())
    change[part] = 0.0
    return _Moved(float(change.max()), inside)
