"""The loss of packed rows: takes a learner and real rows, gives P2 and P3, packed against alone, and P5, the label poke.

What each conversation gives alone is computed by the model's own forward pass, whole logits and
all: by none of the code that trains. P2, P3 and P5 are names of the design's list of checks.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from twosignal.model.modes import evaluating
from twosignal.model.separate import row_inputs
from twosignal.model.way import own_attention
from twosignal.packs.pack import NO_TARGET, Pack
from twosignal.prove.isolation import non_finite, states, vocabulary
from twosignal.prove.receipt import Check, not_applicable, worst
from twosignal.tokens.example import Ids
from twosignal.train.batch import Learner, lay_batch
from twosignal.train.loss import summed_loss

ALONE_TOLERANCE = 1e-5
"""Largest relative difference between packed and unpacked summed loss in float32."""
LOGIT_TOLERANCE = 1e-4
"""Largest difference of packed logits from the same alone, as a share of the largest logit, in float32."""
COARSE_LOGIT_TOLERANCE = 0.05
"""The same in bfloat16, whose numbers are 0.8% apart; a deep model adds up several of these steps."""
MOST_ROUNDED = 0.1
"""Share of places that may differ more in bfloat16 when none does in float32: a layer of experts that chooses on a tie
turns rounding into another expert."""
LOGIT_PLACES = 64
"""Places of each segment whose logits are compared."""
LABEL_SHIFTS = (1, 2, 5, 11, 23)
"""Ids tried in place of a target: unused tokens may share one output row, and then the loss cannot tell them apart."""
LOGITS_NAME = "packed logits equal those of each conversation alone"
LOSS_NAME = "packed loss equals unpacked loss"
LABEL_NAME = "the loss is taken over the targets and nothing else"


def check_losses(learner: Learner, rows: Sequence[Pack]) -> list[Check]:
    """Run P2, P3 and P5 on the given rows; the model's mode and weights are left as they were."""
    with evaluating(learner.model):
        return [
            worst([packed_logits(learner, row) for row in rows]),
            worst([packed_against_alone(learner, row) for row in rows]),
            worst([label_poke(learner, row) for row in rows]),
        ]


def packed_logits(learner: Learner, row: Pack) -> Check:
    """P2: the logits of a packed conversation are those of the same conversation alone, in the run's own precision."""
    if len(row.segments) < 2:
        return not_applicable("P2", LOGITS_NAME, "no row holds two segments")
    shares, largest = _shares_apart(learner, row)
    tolerance = LOGIT_TOLERANCE if learner.autocast is None else COARSE_LOGIT_TOLERANCE
    share, places = float(shares.max()), int((shares > tolerance).sum())
    evidence = {
        "source": row.source,
        "largest_difference": share * largest,
        "largest_logit": largest,
        "tolerance": tolerance,
        "places": len(shares),
        "places_beyond": places,
    }
    if not math.isfinite(float(shares.sum())):
        return non_finite("P2", LOGITS_NAME, evidence)
    if share <= tolerance:
        message = f"at most {share:.1e} of the largest logit apart, {tolerance:g} allowed"
        return Check(id="P2", name=LOGITS_NAME, passed=True, message=message, evidence=evidence)
    if learner.autocast is not None and places <= max(1, MOST_ROUNDED * len(shares)):
        exact = packed_logits(replace(learner, autocast=None), row)
        rounded = f"in float32 {exact.message}; {places} of {len(shares)} places differ by rounding in {learner.autocast}"
        if exact.passed:
            return replace(exact, message=rounded, evidence=evidence)
    return Check(
        id="P2",
        name=LOGITS_NAME,
        passed=False,
        kind="leak",
        message=f"packed logits are {share:.1e} of the largest logit away from those of the conversation alone",
        evidence=evidence,
        remedy="This model computes packed rows differently: set rows.packing = false, or use another model.",
    )


def _shares_apart(learner: Learner, row: Pack) -> tuple[Tensor, float]:
    """Return how far packed logits are from those alone, [places] as shares of the largest logit, and that logit."""
    hidden = states(learner, row)
    ends = list(accumulate(row.lengths))
    found, largest = [], 1e-9
    for place in sorted({0, 1, len(row.segments) - 1}):
        part = slice(ends[place] - row.lengths[place], ends[place])
        some = np.linspace(0, row.lengths[place] - 1, min(LOGIT_PLACES, row.lengths[place])).astype(int)
        with learner.precision():
            packed = learner.head.logits(hidden[part][some]).float()
            with own_attention(learner.model):
                alone = _stock_logits(learner, row.ids[part])[some].float()
        found.append((packed - alone).abs().amax(-1))
        largest = max(largest, float(alone.abs().max()))
    return torch.cat(found) / largest, largest


def packed_against_alone(learner: Learner, row: Pack) -> Check:
    """P3: the summed loss of a row equals that of its segments run one by one, by the model's own code, in float32."""
    exact = replace(learner, autocast=None)
    together = float(each_loss(exact, row, states(exact, row)).double().sum())
    alone, count = 0.0, 0
    with own_attention(learner.model):
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
        "mean": alone / count if count else None,
    }
    if not math.isfinite(together + alone):
        return non_finite("P3", LOSS_NAME, evidence)
    if count == row.num_targets and difference <= ALONE_TOLERANCE:
        message = f"{count:,} targets, summed loss {together:.4f} packed and {alone:.4f} alone"
        return Check(id="P3", name=LOSS_NAME, passed=True, message=message, evidence=evidence)
    return Check(
        id="P3",
        name=LOSS_NAME,
        passed=False,
        kind="leak",
        message=f"summed loss is {together:.4f} packed and {alone:.4f} alone, {difference:.1e} apart",
        evidence=evidence,
        remedy="This model computes packed rows differently: set rows.packing = false, or use another model.",
    )


def finite_at_length(learner: Learner, row: Pack) -> Check:
    """P3 at full length: the longest row, unshortened, has finite states; masks and sums overflow there first."""
    with evaluating(learner.model):
        is_finite = bool(torch.isfinite(states(learner, row)).all())
    evidence = {"source": row.source, "tokens": len(row.ids)}
    if not is_finite:
        return non_finite("P3", LOSS_NAME, evidence)
    message = f"the longest row, {len(row.ids):,} tokens, has finite states"
    return Check(id="P3", name=LOSS_NAME, passed=True, message=message, evidence=evidence)


def label_poke(learner: Learner, row: Pack) -> Check:
    """P5: there is one loss per target; changing the first, a middle or the last moves its own loss and no other."""
    places = np.flatnonzero(row.targets != NO_TARGET)
    if not len(places):
        return not_applicable("P5", LABEL_NAME, "the row has no target")
    hidden = states(learner, row)
    before = each_loss(learner, row, hidden)
    evidence = {"source": row.source, "targets": len(places), "losses": len(before)}
    if not bool(torch.isfinite(before).all()):
        return non_finite("P5", LABEL_NAME, evidence)
    poked = sorted({0, len(places) // 2, len(places) - 1})
    message = f"{len(before):,} losses for {len(places):,} targets"
    if len(before) == len(places):
        moves = {n: _moved_losses(learner, row, places[n], hidden=hidden, before=before) for n in poked}
        wrong = {n: moved for n, moved in moves.items() if moved != [n]}
        if not wrong:
            message = f"{len(places):,} targets, as many losses; each of {len(poked)} changed targets moved its own only"
            return Check(id="P5", name=LABEL_NAME, passed=True, message=message, evidence=evidence)
        message = f"one changed target moved {len(next(iter(wrong.values())))} of {len(before)} losses"
    return Check(
        id="P5",
        name=LABEL_NAME,
        passed=False,
        kind="wrong-targets",
        message=message,
        evidence=evidence,
        remedy="The model's output layer mixes positions: it cannot be trained token by token.",
    )


def each_loss(learner: Learner, row: Pack, hidden: Tensor) -> Tensor:
    """Return the loss of every target of a row, [targets] in nats, from its hidden states."""
    batch = lay_batch([row], learner.device)
    with learner.precision():
        return summed_loss(hidden[batch.supervised], learner.head, batch.targets)[1]


def _moved_losses(learner: Learner, row: Pack, place: int, *, hidden: Tensor, before: Tensor) -> list[int]:
    """Return the numbers of the losses that move when the target at a place is changed."""
    for shift in LABEL_SHIFTS:
        changed = row.targets.copy()
        changed[place] = (changed[place] + shift) % vocabulary(learner)
        after = each_loss(learner, replace(row, targets=changed), hidden)
        if not torch.equal(before, after):
            found: list[int] = torch.nonzero(before != after).flatten().tolist()
            return found
    return []


def _stock_logits(learner: Learner, ids: Ids) -> Tensor:
    """Return the logits [tokens, vocabulary] of one segment by the model's own forward pass."""
    row = torch.from_numpy(ids.astype(np.int64))[None].to(learner.device)
    logits: Tensor = learner.model(**row_inputs(learner.model, row)).logits[0]
    return logits


def _stock_loss(learner: Learner, ids: Ids, targets: Ids) -> tuple[float, int]:
    """Return (summed loss, targets) of one segment by the model's own forward pass."""
    wanted = torch.from_numpy(targets.astype(np.int64)).to(learner.device)
    logits = _stock_logits(learner, ids).float()
    total = F.cross_entropy(logits, wanted, ignore_index=NO_TARGET, reduction="sum")
    return float(total), int((wanted != NO_TARGET).sum())
