"""The checks on the real model: takes a learner and real rows, gives the poke, packed-against-alone, label and causality tests.

Isolation is measured on the user's own model, weights, precision and call, never inferred
from an option's name. P1, P3, P5 and P6 are names of the design's list of checks.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor
from transformers import PreTrainedModel

from twosignal.model.attention import NAME, hidden_states
from twosignal.model.modes import evaluating
from twosignal.packs.pack import NO_TARGET, Pack
from twosignal.prove.receipt import Check, not_applicable, worst
from twosignal.train.batch import Learner, lay_batch
from twosignal.train.loss import summed_loss

ALONE_TOLERANCE = 1e-5
"""Largest relative difference between packed and unpacked summed loss in float32."""
LABEL_SHIFTS = (1, 2, 5, 11, 23)
"""Ids tried in place of a target: unused tokens may share one output row, and then the loss cannot tell them apart."""
ROUTING_TOLERANCE = 1e-6
"""Mixture-of-experts layers batch tokens by expert, which may move the last bit of a neighbour."""


def check_model(learner: Learner, rows: Sequence[Pack]) -> list[Check]:
    """Run P1, P3, P5 and P6 on the given rows; the model's mode and weights are left as they were."""
    with evaluating(learner.model):
        return [
            worst([poke(learner, row) for row in rows]),
            worst([packed_against_alone(learner, row) for row in rows]),
            worst([label_poke(learner, row) for row in rows]),
            worst([causality(learner, row) for row in rows]),
        ]


def poke(learner: Learner, row: Pack) -> Check:
    """P1: replacing the first segment's tokens must leave every later segment bit-identical."""
    name = "packed neighbours cannot see each other"
    if len(row.segments) < 2:
        return not_applicable("P1", name, "no row holds two segments, so there is no neighbour to see")
    first = row.segments[0].length
    moved = _largest_move(
        _states(learner, row), _states(learner, _changed(learner, row, slice(0, first))), first
    )
    evidence = {"source": row.source, "segments": len(row.segments), "largest_change": moved}
    if math.isnan(moved):
        return _non_finite("P1", name, evidence)
    has_experts = any("expert" in part for part, _ in learner.model.named_modules())
    if moved <= (ROUTING_TOLERANCE if has_experts else 0.0):
        message = f"another first segment left the {len(row.segments) - 1} later ones bit-identical"
        return Check(id="P1", name=name, passed=True, message=message, evidence=evidence)
    return Check(
        id="P1",
        name=name,
        passed=False,
        kind="leak",
        message=f"changing {row.segments[0].origin} moved its neighbours in the row by {moved:.2g}",
        evidence=evidence,
        remedy="This model mixes packed conversations: set rows.packing = false, or use another model.",
    )


def packed_against_alone(learner: Learner, row: Pack) -> Check:
    """P3: the summed loss of a row equals that of its segments run one by one, by the model's own code, in float32."""
    name = "packed loss equals unpacked loss"
    exact = replace(learner, autocast=None)
    together = _summed(exact, row)
    alone, count = 0.0, 0
    with stock_attention(learner.model):
        at = 0
        for segment in row.segments:
            part = slice(at, at + segment.length)
            total, targets = _stock_loss(exact, row.ids[part], row.targets[part])
            alone, count, at = alone + total, count + targets, at + segment.length
    difference = abs(together - alone) / max(abs(alone), 1e-9)
    evidence = {
        "source": row.source,
        "targets": count,
        "packed": together,
        "alone": alone,
        "relative_difference": difference,
        "mean": alone / max(1, count),
    }
    if not math.isfinite(together + alone):
        return _non_finite("P3", name, evidence)
    if count == row.num_targets and difference <= ALONE_TOLERANCE:
        message = f"{count:,} targets, summed loss {together:.4f} packed and {alone:.4f} alone"
        return Check(id="P3", name=name, passed=True, message=message, evidence=evidence)
    return Check(
        id="P3",
        name=name,
        passed=False,
        kind="leak",
        message=f"summed loss is {together:.4f} packed and {alone:.4f} alone, {difference:.1e} apart",
        evidence=evidence,
        remedy="This model computes packed rows differently: set rows.packing = false, or use another model.",
    )


def label_poke(learner: Learner, row: Pack) -> Check:
    """P5: changing one target changes the loss of that target and of no other."""
    name = "the loss is taken over the targets and nothing else"
    places = np.flatnonzero(row.targets != NO_TARGET)
    if not len(places):
        return not_applicable("P5", name, "the row has no target")
    before = _each(learner, row)
    after = before
    for shift in LABEL_SHIFTS:
        changed = row.targets.copy()
        changed[places[0]] = (changed[places[0]] + shift) % _vocabulary(learner)
        after = _each(learner, replace(row, targets=changed))
        if not torch.equal(before, after):
            break
    evidence = {"source": row.source, "targets": len(before)}
    if not bool(torch.isfinite(before).all()):
        return _non_finite("P5", name, evidence)
    if len(before) == len(places) and before[0] != after[0] and torch.equal(before[1:], after[1:]):
        message = f"{len(places):,} targets, {len(places):,} losses; one changed target moved one loss"
        return Check(id="P5", name=name, passed=True, message=message, evidence=evidence)
    return Check(
        id="P5",
        name=name,
        passed=False,
        kind="wrong-targets",
        message=f"one changed target moved {int((before != after).sum())} of {len(before)} losses",
        evidence=evidence,
        remedy="The model's output layer mixes positions: it cannot be trained token by token.",
    )


def causality(learner: Learner, row: Pack) -> Check:
    """P6: changing the last token of the longest segment must leave everything before it as it was."""
    name = "no token sees the future"
    longest = int(np.argmax(row.lengths))
    if row.lengths[longest] < 2:
        return not_applicable("P6", name, "no segment of the row has two tokens")
    last = sum(row.lengths[: longest + 1]) - 1
    changed = _states(learner, _changed(learner, row, slice(last, last + 1)))
    moved = _largest_move(_states(learner, row)[:last], changed[:last], 0)
    evidence = {"source": row.source, "largest_change": moved}
    if math.isnan(moved):
        return _non_finite("P6", name, evidence)
    if moved <= ROUTING_TOLERANCE:
        message = "another last token left all earlier ones as they were"
        return Check(id="P6", name=name, passed=True, message=message, evidence=evidence)
    return Check(
        id="P6",
        name=name,
        passed=False,
        kind="leak",
        message=f"changing the last token moved earlier ones by {moved:.2g}",
        evidence=evidence,
        remedy="This model looks ahead, so its loss would mean nothing: use a causal language model.",
    )


@contextmanager
def stock_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let the model compute attention by its own plain code for a while."""
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(NAME)


def _states(learner: Learner, row: Pack) -> Tensor:
    batch = lay_batch([row], learner.device)
    with learner.precision():
        return hidden_states(learner.model, batch.ids, batch.positions, batch.lengths).float()


def _each(learner: Learner, row: Pack) -> Tensor:
    batch = lay_batch([row], learner.device)
    with learner.precision():
        hidden = hidden_states(learner.model, batch.ids, batch.positions, batch.lengths)
        return summed_loss(hidden[batch.supervised], learner.head, batch.targets)[1]


def _summed(learner: Learner, row: Pack) -> float:
    return float(_each(learner, row).double().sum())


def _stock_loss(learner: Learner, ids: np.ndarray, targets: np.ndarray) -> tuple[float, int]:
    """Return (summed loss, targets) of one segment by the model's own forward pass, whole logits and all."""
    row = torch.from_numpy(ids.astype(np.int64))[None].to(learner.device)
    wanted = torch.from_numpy(targets.astype(np.int64)).to(learner.device)
    logits = learner.model(input_ids=row, use_cache=False).logits[0].float()
    total = F.cross_entropy(logits, wanted, ignore_index=NO_TARGET, reduction="sum")
    return float(total), int((wanted != NO_TARGET).sum())


def _changed(learner: Learner, row: Pack, part: slice) -> Pack:
    ids = row.ids.copy()
    ids[part] = (ids[part] + 1) % _vocabulary(learner)
    return replace(row, ids=ids)


def _vocabulary(learner: Learner) -> int:
    return int(learner.model.get_input_embeddings().weight.shape[0])


def _largest_move(before: Tensor, after: Tensor, start: int) -> float:
    """Return the largest absolute change from token `start` on; NaN when either is not finite."""
    if not bool(torch.isfinite(before).all() & torch.isfinite(after).all()):
        return math.nan
    return float((before[start:] - after[start:]).abs().max())


def _non_finite(identity: str, name: str, evidence: dict[str, object]) -> Check:
    return Check(
        id=identity,
        name=name,
        passed=False,
        kind="non-finite",
        message="the model's output is not finite on a real row, before any training",
        evidence=evidence,
        remedy='Check the model\'s weights, or set train.precision = "float32".',
    )
