"""The columns that a trainer reads: takes its prepared data set, gives S9: masks that are unused, doubled or misaligned."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twosignal.packs.pack import NO_TARGET
from twosignal.prove.receipt import Check, Kind
from twosignal.prove.trainer.batches import Piece
from twosignal.prove.trainer.question import COLUMNS
from twosignal.prove.trainer.sample import Sample
from twosignal.prove.trainer.subject import Subject, learns_everything
from twosignal.prove.trainer.trial import attempt

PER_TOKEN = ("input_ids", "attention_mask", "labels", "position_ids", "token_type_ids")
KNOWN = {*PER_TOKEN, "special_tokens_mask", "seq_lengths", "length"}
MASK_NAME = re.compile(r"mask|label|loss|supervis|target|train_on", re.IGNORECASE)
ROWS_COMPARED = 200
_RULES = (
    "assistant_masks (with assistant_only_loss) or completion_mask (with prompt and completion), or labels"
)

Row = Mapping[str, Any]


def check_columns(subject: Subject, sample: Sample, dataset: Any) -> Check:  # noqa: ANN401 (a data set of theirs)
    """S9: nothing that looks like a mask is left unread, and labels are their own tokens."""
    rows = [*_rows(subject.trainer.train_dataset), *_rows(dataset)]
    faults = (
        _ignored_option(subject, sample, rows),
        *(_row_fault(subject, row) for row in rows),
        _unread_mask(sample, rows),
        _label_fault(sample.pieces),
        _vocabulary_fault(subject, sample.pieces),
        _boundary_fault(subject, sample),
    )
    fault = next((fault for fault in faults if fault), None)
    if fault:
        return fault
    if not sample.pieces:
        return COLUMNS.not_asked("no batch holds token ids")
    names = f" ({', '.join(subject.columns)})" if subject.columns else ""
    message = (
        f"{len(rows):,} rows of the data set compared column by column{names}; labels are their own tokens"
    )
    return COLUMNS.passed(message, {"columns": subject.columns})


def _rows(dataset: Any) -> list[Row]:  # noqa: ANN401
    """Return a few rows, evenly spread; none where rows cannot be picked."""
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        return []
    total = attempt("counting the data set", lambda: len(dataset))
    places = (
        np.unique(np.linspace(0, total - 1, min(total, ROWS_COMPARED)).astype(int)).tolist() if total else []
    )
    rows = attempt("reading the data set", lambda: [dataset[place] for place in places])
    return [row for row in rows if isinstance(row, Mapping)]


def _failed(kind: Kind, message: str, remedy: str, **evidence: object) -> Check:
    return COLUMNS.failed(message, kind=kind, evidence=evidence, remedy=remedy)


def _ignored_option(subject: Subject, sample: Sample, rows: Sequence[Row]) -> Check | None:
    """Return a fault when the trainer was told to learn a part and learns everything."""
    if subject.asks_for is None or not learns_everything(sample.pieces):
        return None
    option = "assistant_only_loss" if subject.asks_for == "assistant" else "completion_only_loss"
    strangers = sorted({name for row in rows for name in row if is_mask(name, row) and name not in KNOWN})
    message = f"{option} is on, but all {sample.targets:,} tokens are learned"
    if strangers:
        message += f"; the column {strangers[0]!r} is not read under this name"
    return _failed(
        "wrong-targets",
        message,
        f"A data set that has input_ids already is not rendered again: give it {_RULES}; or give only messages.",
        targets=sample.targets,
        columns=strangers,
    )


def _row_fault(subject: Subject, row: Row) -> Check | None:
    ids = _tokens(row.get("input_ids"))
    if ids is None:
        return None
    # TRL reads these two only, and cuts no others.
    read = ("input_ids", "labels") if subject.is_sft else PER_TOKEN
    lengths = {name: len(values) for name in read if (values := _tokens(row.get(name))) is not None}
    if len(set(lengths.values())) > 1:
        sentence = ", ".join(f"{name} {length}" for name, length in sorted(lengths.items()))
        return _failed(
            "wrong-targets", f"columns of one row differ in length: {sentence}", "Cut all columns alike."
        )
    packed = _tokens(row.get("seq_lengths"))
    if packed is not None and packed.sum() != len(ids):
        sentence = f"seq_lengths of a row add up to {packed.sum():,}, and it has {len(ids):,} tokens"
        return _failed("lost-data", sentence, "Pack the rows again.")
    return _second_mask(row, ids)


def _second_mask(row: Row, ids: np.ndarray) -> Check | None:
    """Return a fault when a column that looks like a mask contradicts the labels beside it."""
    labels = _tokens(row.get("labels"))
    if labels is None or len(labels) != len(ids):
        return None
    for name in row:
        mask = _tokens(row[name]) if name not in KNOWN and is_mask(name, row) else None
        if mask is None or len(mask) != len(ids):
            continue
        learned = labels != NO_TARGET
        if not np.array_equal(learned[1:], mask[1:].astype(bool)):
            return _failed(
                "wrong-targets",
                f"the column {name!r} says that {int(mask.sum()):,} tokens of a row are learned, its labels say "
                f"{int(learned.sum()):,}: labels win, the mask is not read",
                f"Keep one of the two. The trainer reads {_RULES}.",
                column=name,
            )
    return None


def _unread_mask(sample: Sample, rows: Sequence[Row]) -> Check | None:
    """Return a fault when the data set has a mask and yet everything is learned."""
    if not learns_everything(sample.pieces):
        return None
    names = sorted({name for row in rows for name in row if name not in KNOWN and is_mask(name, row)})
    if not names:
        return None
    return _failed(
        "wrong-targets",
        f"the data set has a column {names[0]!r} that looks like a mask, and all {sample.targets:,} tokens are learned",
        f"The trainer reads {_RULES}; remove the column if it is something else.",
        columns=names,
    )


def is_mask(name: str, row: Row) -> bool:
    """Return whether a column looks like a mask by name and content: whole numbers, all 0 or 1, not all 1."""
    values = _tokens(row.get(name)) if MASK_NAME.search(name) else None
    if values is None or not len(values) or "input_ids" not in row:
        return False
    return bool(np.isin(values, (0, 1)).all()) and not bool(values.all())


def _tokens(values: object) -> np.ndarray | None:
    """Return a column's value as whole numbers, one per token; None if it is anything else."""
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        return None
    try:
        array = np.asarray(values)
    except ValueError:
        return None
    return array if array.ndim == 1 and array.dtype.kind in "iub" else None


def _label_fault(pieces: Sequence[Piece]) -> Check | None:
    """Return a fault when a label is neither its own token nor NO_TARGET."""
    own = strange = shifted = 0
    for piece in pieces:
        learned = piece.labels != NO_TARGET
        wrong = learned & (piece.labels != piece.ids)
        own, strange = own + int((learned & ~wrong).sum()), strange + int(wrong.sum())
        shifted += int((wrong[:-1] & (piece.labels[:-1] == piece.ids[1:])).sum())
    if not strange:
        return None
    if shifted > 0.8 * strange:
        sentence = f"{strange:,} labels are the token after their own: they are shifted already, and the loss shifts again"
        remedy = "Give labels at their own tokens: transformers and TRL shift them once, in the loss."
    else:
        sentence = f"{strange:,} of {own + strange:,} labels are neither -100 nor their own token"
        remedy = "Give each learned token its own id as label; for a masked-language collator set mlm=False."
    return _failed("wrong-targets", sentence, remedy, strange=strange, shifted=shifted)


def _vocabulary_fault(subject: Subject, pieces: Sequence[Piece]) -> Check | None:
    size = int(subject.model.get_input_embeddings().weight.shape[0])
    largest = max((int(piece.ids.max()) for piece in pieces), default=0)
    if largest < size or not size:
        return None
    sentence = f"token id {largest:,} is in the data, and the model has {size:,} tokens"
    return _failed(
        "wrong-targets", sentence, "Use the model's own tokenizer, or resize its token embeddings."
    )


def _boundary_fault(subject: Subject, sample: Sample) -> Check | None:
    """Return a fault when rows are told to hold several texts and their batches do not tell the model so."""
    dataset = subject.trainer.train_dataset
    if "seq_lengths" not in subject.columns or not sample.is_whole or not hasattr(dataset, "__len__"):
        return None
    lengths = attempt("reading seq_lengths", lambda: dataset["seq_lengths"])
    told = sum(sum(1 for length in row if length) for row in lengths)
    if told <= len(sample.pieces) or sample.rows > len(lengths):
        return None
    return _failed(
        "leak",
        f"the rows hold {told:,} conversations by their seq_lengths, and the batches show the model "
        f"{len(sample.pieces):,}: neighbours would be visible",
        "Use a collator that makes position_ids from seq_lengths and no attention mask (padding_free=True), and "
        "keep the column: remove_unused_columns must not take it.",
        told=told,
        shown=len(sample.pieces),
    )
