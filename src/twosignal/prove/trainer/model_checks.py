"""The checks on the real model through the trainer's own call: takes batches as the loader gives them, gives P1, P2, P3 and P6.

A neighbour must not be felt, a text must score the same packed, padded and alone, and no token may see the future.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from twosignal.prove.receipt import Check
from twosignal.prove.trainer.batches import Piece, pieces_of
from twosignal.prove.trainer.calls import (
    Outcome,
    alone,
    call_loss,
    costs,
    exchanged,
    last_exchanged,
    learning_all,
)
from twosignal.prove.trainer.question import FUTURE, NEIGHBOURS, SUM_ALONE, TOKENS_ALONE, Question
from twosignal.prove.trainer.sample import Batch, Sample
from twosignal.prove.trainer.subject import Subject
from twosignal.prove.trainer.targets import Read

MODEL_TOKENS = {"cpu": 2_048, "cuda": 32_768}
"""Tokens that the model checks run on at most, where rows can be picked; by device."""
ALONE_PIECES = 6
"""Pieces that are run alone."""
ROUTING_TOLERANCE = 1e-5
"""Experts batch tokens by what is routed to them, which may move the last bits of a neighbour."""
DRIFT = {torch.float32: 2e-4, torch.float64: 2e-4}
"""Largest relative difference of a summed loss, packed against alone; other shapes add in other orders."""
COARSE_DRIFT = 0.03
"""The same in half precision."""
_ALONE_REMEDY = (
    "The model reads rows otherwise than single texts: neighbours are visible, or positions or padding are wrong. Set "
    "packing=False and padding_free=False, and check the collator's position_ids and attention_mask."
)


class Trial(NamedTuple):
    """A batch that the model checks run on."""

    batch: Batch
    """With every token but the first of each piece as target."""
    pieces: list[Piece]


def pick_trial(subject: Subject, sample: Sample) -> Trial | None:
    """Return a small batch, with at least two pieces where there is such a one; None without token ids."""
    trials = [_trial(subject, batch) for batch in _small_batches(subject, sample)]
    trials = [trial for trial in trials if trial.pieces]
    crowded = [trial for trial in trials if _neighbours(trial)]
    return next(iter([*crowded, *trials]), None)


def _small_batches(subject: Subject, sample: Sample) -> list[Batch]:
    """Return batches of one row, or of two where the first holds one text only; else those of the loader.

    The collator is never handed more rows than the trainer hands it.
    """
    fits = [batch for batch in sample.batches if batch["input_ids"].numel() <= most_tokens(subject)]
    if fits and any(_neighbours(_trial(subject, batch)) for batch in fits):
        return fits
    most = min(sample.rows, subject.args.per_device_train_batch_size)
    picked = [sample.batch_of(rows) for rows in ([0], [0, 1]) if len(rows) <= most]
    small = [{name: _moved(value, subject.device) for name, value in one.items()} for one in picked if one]
    return [*fits, *small, *sample.batches[:1]]


def most_tokens(subject: Subject) -> int:
    """Return how many tokens a call of the model checks should hold at most."""
    return MODEL_TOKENS.get(subject.device.type, MODEL_TOKENS["cuda"])


def _moved(value: object, device: torch.device) -> object:
    return value.to(device) if isinstance(value, Tensor) else value


def _trial(subject: Subject, batch: Batch) -> Trial:
    pieces = pieces_of(batch, pad_id=subject.pad_id)
    return Trial(learning_all(batch, pieces) if pieces else batch, pieces)


def _neighbours(trial: Trial) -> list[Piece]:
    """Return the pieces of the first row that holds several, at least two tokens behind the first."""
    for piece in trial.pieces:
        row = [other for other in trial.pieces if other.row == piece.row]
        if len(row) > 1 and any(len(other.ids) > 1 for other in row[1:]):
            return row
    return []


def check_model(subject: Subject, trial: Trial) -> list[Check]:
    """Run P1, P2, P3 and P6; raises ForeignError where the trainer's code does."""
    base = call_loss(subject, trial.batch)
    if fault := non_finite(subject, base):
        return [fault]
    return [isolation(subject, trial), *_against_alone(subject, trial, base), causality(subject, trial, base)]


def isolation(subject: Subject, trial: Trial) -> Check:
    """P1: with other tokens in the first text of a row all later ones must score the same to the last bit."""
    row = _neighbours(trial)
    if not row:
        if subject.packs and "seq_lengths" not in subject.columns:
            return _wrapped(subject, trial)
        return NEIGHBOURS.not_asked("no row holds two texts, so there is no neighbour to see")
    moved, train_moved = (_felt(subject, trial.batch, row, is_training=mode) for mode in (False, True))
    kind, attention = _kind_of(subject)
    evidence = {
        "texts": len(row),
        "largest_change": moved,
        "largest_change_training": train_moved,
        "model": kind,
        "attention": attention,
    }
    if max(moved, train_moved) <= _tolerance(subject):
        message = f"another first text left the {len(row) - 1} later ones of its row bit-identical"
        return NEIGHBOURS.passed(message, evidence)
    return NEIGHBOURS.failed(
        f"other tokens in the first text of a row moved the scores of later ones by {max(moved, train_moved):.2g}: this "
        f"model ({kind}, attention {attention}), called as the trainer calls it, mixes neighbours",
        kind="leak",
        evidence=evidence,
        remedy="Set packing=False and padding_free=False; or keep packing and use a model and attention that read "
        "position_ids, without prompt tuning, attention mask or cache in the call.",
    )


def _kind_of(subject: Subject) -> tuple[str, str]:
    """Return the model's type and its attention, as far as it says."""
    config = getattr(subject.model, "config", None)
    return str(getattr(config, "model_type", "")), str(getattr(config, "_attn_implementation", ""))


def _felt(subject: Subject, batch: Batch, row: list[Piece], *, is_training: bool) -> float:
    """Return how much the texts of a row behind the first change with the first, in one mode of the model."""
    watched = learning_all(batch, row[1:])
    before = call_loss(subject, watched, is_training=is_training)
    after = call_loss(subject, exchanged(watched, row[0]), is_training=is_training)
    return _largest_move(before, after, (row[0].row, slice(row[1].start, row[-1].end)))


def _wrapped(subject: Subject, trial: Trial) -> Check:
    """Show that rows which were told of no boundaries are one text to the model."""
    piece = max(trial.pieces, key=lambda one: len(one.ids))
    half = len(piece.ids) // 2
    halves = [
        Piece(row=piece.row, start=piece.start + at, ids=piece.ids[at:end], labels=piece.labels[at:end])
        for at, end in ((0, half), (half, len(piece.ids)))
    ]
    moved = _felt(subject, trial.batch, halves, is_training=False)
    strategy = getattr(subject.args, "packing_strategy", "")
    return NEIGHBOURS.failed(
        f"packing strategy {strategy!r} lays texts end to end without telling the model where one ends: what "
        f"stands earlier in a row moves the scores behind it by {moved:.2g}",
        kind="leak",
        evidence={"largest_change": moved, "strategy": strategy},
        remedy="Use packing_strategy='bfd', which keeps texts whole and apart.",
    )


def crowded(reads: Sequence[Read]) -> Check | None:
    """Return a failed P1 where stretches that the model is told are one text hold several conversations, else None."""
    held = [read for read in reads if read.reading.restarts]
    if not held:
        return None
    return NEIGHBOURS.failed(
        f"{len(held):,} of {len(reads):,} texts hold the beginning of another conversation, and the model is not "
        "told of it: it reads them as one",
        kind="leak",
        evidence={"texts": len(reads), "holding_several": len(held)},
        remedy="Give packed rows position_ids that start again at every conversation, and no attention mask.",
    )


def _against_alone(subject: Subject, trial: Trial, base: Outcome) -> list[Check]:
    """P2 and P3: pieces must cost the same alone as in their row, token by token and in sum."""
    if base.scores is None:
        reason = "the model's call gives neither logits nor log-probabilities"
        return [TOKENS_ALONE.not_asked(reason), SUM_ALONE.not_asked(reason)]
    pieces = [piece for piece in trial.pieces if len(piece.ids) > 1]
    pieces = pieces[: ALONE_PIECES - 1] + pieces[ALONE_PIECES - 1 :][-1:]
    together = alone_sum = 0.0
    largest = 0.0
    for piece in pieces:
        single = alone(trial.batch, piece)
        whole = Piece(row=0, start=0, ids=piece.ids, labels=piece.labels)
        theirs = costs(base, trial.batch, piece)
        own = costs(call_loss(subject, single), single, whole)
        if theirs is None or own is None:
            continue
        together, alone_sum = together + float(theirs.sum()), alone_sum + float(own.sum())
        largest = max(largest, float((theirs - own).abs().max()))
    drift = abs(together - alone_sum) / max(abs(alone_sum), 1e-9)
    evidence = {
        "texts": len(pieces),
        "together": together,
        "alone": alone_sum,
        "relative_difference": drift,
        "largest_difference": largest,
    }
    allowed = DRIFT.get(precision(subject), COARSE_DRIFT)
    return [
        _compared(
            TOKENS_ALONE,
            f"the largest difference of a token is {largest:.2g} nats",
            evidence,
            is_same=largest <= 50 * allowed,
        ),
        _compared(
            SUM_ALONE,
            f"summed loss is {together:.4f} in rows and {alone_sum:.4f} alone",
            evidence,
            is_same=drift <= allowed,
        ),
    ]


def _compared(question: Question, found: str, evidence: Mapping[str, object], *, is_same: bool) -> Check:
    if is_same:
        return question.passed(found, evidence)
    return question.failed(found, kind="leak", evidence=evidence, remedy=_ALONE_REMEDY)


def causality(subject: Subject, trial: Trial, base: Outcome) -> Check:
    """P6: another last token must leave everything before it as it was."""
    piece = max(trial.pieces, key=lambda one: len(one.ids))
    if len(piece.ids) < 3 or base.scores is None:
        return FUTURE.not_asked("no text of three tokens, or no scores to compare")
    after = call_loss(subject, last_exchanged(trial.batch, piece))
    moved = _largest_move(base, after, (piece.row, slice(piece.start, piece.end - 1)))
    evidence = {"largest_change": moved}
    if moved <= _tolerance(subject):
        return FUTURE.passed("another last token left all earlier ones as they were", evidence)
    return FUTURE.failed(
        f"changing the last token of a text moved earlier ones by {moved:.2g}",
        kind="leak",
        evidence=evidence,
        remedy="This model looks ahead, so its loss would mean nothing: use a causal language model.",
    )


def non_finite(subject: Subject, outcome: Outcome) -> Check | None:
    """Return a failed P3 when the loss or a score is not finite, naming a weight that is not; else None."""
    has_scores = outcome.scores is None or bool(torch.isfinite(outcome.scores).all())
    broken = [n for n, weight in subject.model.named_parameters() if not bool(torch.isfinite(weight).all())]
    if math.isfinite(outcome.loss) and has_scores and not broken:
        return None
    what = f"nan or infinity in the weight {broken[0]}" if broken else "its weights are finite"
    return SUM_ALONE.failed(
        f"the model's loss or output on a real row is not finite before any training: {what}",
        kind="non-finite",
        evidence={"broken_weights": broken[:10]},
        remedy="Load the model again, or train it in bfloat16 or float32 instead of float16.",
    )


def _largest_move(before: Outcome, after: Outcome, place: tuple[int, slice]) -> float:
    """Return the largest change of the scores there; of the loss where there are none; infinite when not finite."""
    if before.scores is None or after.scores is None:
        return abs(before.loss - after.loss)
    largest = float((before.scores[place] - after.scores[place]).abs().max())
    return largest if math.isfinite(largest) else math.inf


def _tolerance(subject: Subject) -> float:
    has_experts = any("expert" in name for name, _ in subject.model.named_modules())
    return ROUTING_TOLERANCE if has_experts else 0.0


def precision(subject: Subject) -> torch.dtype:
    """Return the number format that the trainer's passes run in."""
    if str(subject.trainer.accelerator.mixed_precision) != "no":
        return torch.bfloat16
    dtype: torch.dtype = next(subject.model.parameters()).dtype
    return dtype
