"""The checks on their loss: takes batches as the loader gives them, gives P4 and P5.

The loss must be the cost of the learned tokens and of no others (P5), and over the
micro-batches of a step it must be their sum by the number of all targets of the step (P4).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch

from twosignal.packs.pack import NO_TARGET
from twosignal.prove.receipt import Check
from twosignal.prove.trainer.batches import Piece, pieces_of
from twosignal.prove.trainer.calls import (
    call_loss,
    costs,
    exchanged,
    labels_of,
    learning_all,
    own_batch,
    with_labels,
)
from twosignal.prove.trainer.model_checks import COARSE_DRIFT, DRIFT, most_tokens, precision
from twosignal.prove.trainer.question import MASK, STEP
from twosignal.prove.trainer.sample import Batch, Sample
from twosignal.prove.trainer.subject import Subject
from twosignal.prove.trainer.trial import attempt

_LOSS_REMEDY = (
    "Compute the loss from labels at their own tokens, shifted once, with -100 left out; see compute_loss."
)
MOST_BATCHES = 4
"""Micro-batches of a step that are tried; more would show nothing new."""


class Cost(NamedTuple):
    """What the learned tokens of a batch cost by the model's own scores."""

    learned: float
    """Sum over the targets, in nats."""
    targets: int
    everything: float
    """Sum over all tokens, learned or not."""
    tokens: int


def check_loss(subject: Subject, sample: Sample) -> list[Check]:
    """Run P4 and P5; raises ForeignError where the trainer's code does."""
    batches = _batches(subject, sample)
    if not batches:
        return [STEP.not_asked("no batch has a target"), MASK.not_asked("no batch has a target")]
    reason = _other_objective(subject)
    if reason:
        return [STEP.not_asked(reason), _mask_respected(subject, batches[0], reason)]
    return [check_step(subject, batches), check_mask(subject, batches[0])]


def _batches(subject: Subject, sample: Sample) -> list[Batch]:
    """Return batches with targets; of one row each where those of the loader are large, and then only two."""
    batches = [batch for batch in sample.batches if "input_ids" in batch]
    size = batches[0]["input_ids"].numel() if batches else 0
    if size > most_tokens(subject):
        rows = (sample.batch_of([row]) for row in range(min(sample.rows, 2 * MOST_BATCHES)))
        small = [batch for batch in rows if batch]
        batches = small or batches[:1]
    useful = [batch for batch in batches if _num_targets(subject, batch)]
    return useful[: MOST_BATCHES if size * MOST_BATCHES <= 2 * most_tokens(subject) else 2]


def _num_targets(subject: Subject, batch: Batch) -> int:
    return sum(piece.num_targets for piece in pieces_of(batch, pad_id=subject.pad_id))


def _other_objective(subject: Subject) -> str:
    """Return why the loss is meant to be something else than the mean cost of the targets; empty if it is not."""
    trainer, args = subject.trainer, subject.args
    if getattr(trainer, "compute_loss_func", None) is not None:
        return "the trainer was given a loss function of its own"
    if getattr(args, "label_smoothing_factor", 0):
        return "labels are smoothed"
    if getattr(args, "loss_type", "nll") != "nll":
        return f"the loss is {args.loss_type}"
    config = subject.model.config.get_text_config()
    if getattr(trainer, "aux_loss_enabled", False) or getattr(config, "output_router_logits", False):
        return "the loss holds the experts' balancing loss too"
    return ""


def cost_of(subject: Subject, batch: Batch) -> Cost | None:
    """Return what a batch costs, by the model's scores for every token; None where it gives none."""
    pieces = pieces_of(batch, pad_id=subject.pad_id)
    whole = learning_all(batch, pieces)
    outcome = call_loss(subject, whole)
    learned = everything = 0.0
    for piece in pieces:
        each = costs(outcome, whole, piece)
        if each is None:
            return None
        is_learned = torch.from_numpy(piece.is_learned[1:].copy()).to(each.device)
        learned, everything = learned + float(each[is_learned].sum()), everything + float(each.sum())
    count = sum(piece.num_targets for piece in pieces)
    return Cost(learned, count, everything, sum(len(piece.ids) - 1 for piece in pieces))


def check_mask(subject: Subject, batch: Batch) -> Check:
    """P5: the loss must be the cost of the targets, whatever the other tokens cost."""
    cost = cost_of(subject, batch)
    if cost is None:
        return _mask_respected(subject, batch, "the model's call gives no scores to compute a loss from")
    loss = call_loss(subject, batch).loss
    wanted = (cost.learned, cost.learned / max(1, cost.targets))
    evidence: dict[str, object] = {"loss": loss, "targets": cost.targets, "cost_of_targets": cost.learned}
    if any(_close(subject, loss, one) for one in wanted):
        message = f"{cost.targets:,} targets cost {cost.learned:.4f} nats, and so says the loss"
        return MASK.passed(message, evidence)
    if not math.isfinite(loss + cost.learned):
        return MASK.failed(_NON_FINITE, kind="non-finite", evidence=evidence, remedy=_FINITE_REMEDY)
    found = f"the loss is {loss:.4f}, and {cost.targets:,} targets cost {cost.learned:.4f} in sum, {wanted[1]:.4f} in the mean"
    if any(_close(subject, loss, one) for one in (cost.everything, cost.everything / max(1, cost.tokens))):
        found = f"all {cost.tokens:,} tokens are in the loss, learned or not: the labels' mask is ignored"
    return _wrong(found, evidence)


_NON_FINITE = "the loss of real rows is not finite before any training, so there is nothing to compare"
_FINITE_REMEDY = "Try the rows unpacked, another attention implementation, or float32."


def _wrong(message: str, evidence: Mapping[str, object]) -> Check:
    return MASK.failed(message, kind="wrong-targets", evidence=evidence, remedy=_LOSS_REMEDY)


def _mask_respected(subject: Subject, batch: Batch, reason: str) -> Check:
    """P5 for losses of another kind: tokens behind the last target do not matter, and a target does."""
    piece = max(pieces_of(batch, pad_id=subject.pad_id), key=lambda one: one.num_targets)
    places = piece.is_learned.nonzero()[0]
    if len(places) < 2 or "balancing" in reason:
        return MASK.not_asked(reason)
    middle = int(places[len(places) // 2])
    labels = torch.full_like(labels_of(batch), NO_TARGET)
    labels[piece.row, piece.start : piece.start + middle] = labels_of(batch)[
        piece.row, piece.start : piece.start + middle
    ]
    masked = with_labels(batch, labels)
    tail = Piece(
        row=piece.row, start=piece.start + middle, ids=piece.ids[middle:], labels=piece.labels[middle:]
    )
    before, after = call_loss(subject, masked).loss, call_loss(subject, exchanged(masked, tail)).loss
    fewer = labels.clone()
    fewer[piece.row, piece.start + int(places[0])] = NO_TARGET
    less = call_loss(subject, with_labels(batch, fewer)).loss if len(places) > 3 else before + 1
    evidence: dict[str, object] = {
        "loss": before,
        "other_tail": after,
        "one_target_less": less,
        "objective": reason,
    }
    if not _close(subject, before, after):
        sentence = f"tokens that are not learned move the loss, from {before:.4f} to {after:.4f}"
        return _wrong(sentence, evidence)
    if less == before:
        return _wrong("a target less leaves the loss as it was", evidence)
    message = f"{reason}; tokens that are not learned leave it as it is, a target moves it"
    return MASK.passed(message, evidence)


def check_step(subject: Subject, batches: Sequence[Batch]) -> Check:
    """P4: the losses of a step's micro-batches, as they are back-propagated, add up to the mean over its targets."""
    args = subject.args
    ranks = int(getattr(args, "world_size", 1))
    if ranks > 1 and not getattr(args, "average_tokens_across_devices", True):
        return STEP.failed(
            f"average_tokens_across_devices is off with {ranks} processes: each divides by its own targets, so "
            "that tokens of rows with few targets weigh more",
            kind="wrong-targets",
            evidence={"processes": ranks},
            remedy="Set average_tokens_across_devices=True.",
        )
    several = int(args.gradient_accumulation_steps) > 1
    step = _uneven(batches) if several else list(batches[:1])
    found = [cost_of(subject, batch) for batch in step]
    if any(cost is None for cost in found):
        return STEP.not_asked("the model's call gives no scores to compute a loss from")
    counts = [cost.targets for cost in found if cost]
    expected = sum(cost.learned for cost in found if cost) / max(1, sum(counts))
    loss = _step_loss(subject, step) / max(1, ranks)
    evidence: dict[str, object] = {"loss": loss, "expected": expected, "targets": counts}
    if _close(subject, loss, expected):
        message = f"{len(step)} micro-batches of {', '.join(map(str, counts))} targets: loss {loss:.4f}, as it must be"
        return STEP.passed(message, evidence)
    if not math.isfinite(loss + expected):
        return STEP.failed(_NON_FINITE, kind="non-finite", evidence=evidence, remedy=_FINITE_REMEDY)
    return STEP.failed(
        f"the loss of a step of {len(step)} micro-batches with {', '.join(map(str, counts))} targets is {loss:.4f}, and "
        f"the mean over its targets is {expected:.4f}: micro-batches are not weighted by their targets",
        kind="wrong-targets",
        evidence=evidence,
        remedy="Divide the summed loss by num_items_in_batch in the model or in compute_loss; or set "
        "gradient_accumulation_steps=1.",
    )


def _uneven(batches: Sequence[Batch]) -> list[Batch]:
    """Return at least two batches with different numbers of targets: of every second a third of them is left."""
    several = list(batches) if len(batches) > 1 else [batches[0], batches[0]]
    return [_thinned(batch) if number % 2 else own_batch(batch) for number, batch in enumerate(several)]


def _thinned(batch: Batch) -> Batch:
    labels = labels_of(batch)
    places = (labels != NO_TARGET).nonzero()
    for row, column in places[max(2, len(places) // 3) :].tolist():
        labels[row, column] = NO_TARGET
    return with_labels(batch, labels)


def _step_loss(subject: Subject, batches: Sequence[Batch]) -> float:
    """Return the sum of what `training_step` would back-propagate, without doing so and without dropout."""
    trainer, model = subject.trainer, subject.model
    count = attempt(
        "counting targets", lambda: trainer._get_num_items_in_batch(list(batches), subject.device)
    )
    trainer.current_gradient_accumulation_steps = len(batches)
    model.eval()
    total = 0.0
    with torch.no_grad(), _replaced(trainer.accelerator, "backward"), _replaced(model, "train", model):
        for batch in batches:
            step = partial(trainer.training_step, model, own_batch(batch), count)
            total += float(attempt("training_step", step))
    return total


@contextmanager
def _replaced(owner: Any, name: str, result: object = None) -> Iterator[None]:  # noqa: ANN401
    """Let a method do nothing for a while but return `result`."""
    setattr(owner, name, lambda *_, **__: result)
    try:
        yield
    finally:
        delattr(owner, name)


def _close(subject: Subject, one: float, other: float) -> bool:
    allowed = 5 * DRIFT.get(precision(subject), COARSE_DRIFT)
    return abs(one - other) <= allowed * max(abs(one), abs(other), 1e-6)
