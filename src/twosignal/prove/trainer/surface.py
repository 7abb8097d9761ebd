"""What pieces show of loss by themselves: takes pieces of an epoch and what was read in them, gives S4 and S5 without the data.

Used where the conversations as they were before cutting and packing are not known: a piece that
fills the window and does not end as conversations end was cut; one that does not begin as they begin is a fragment.
"""

from collections import Counter
from collections.abc import Sequence

from twosignal.prove.receipt import Check
from twosignal.prove.trainer.batches import Piece
from twosignal.prove.trainer.ledger import MOST_LOST, WINDOW_REMEDY
from twosignal.prove.trainer.question import LOSSES, ORDER
from twosignal.prove.trainer.sample import Sample
from twosignal.prove.trainer.subject import Subject
from twosignal.prove.trainer.targets import Read

MOST_COPIED = 0.25
"""Share of pieces in rows that were there before: data that hold everything twice may pack alike now and then."""
_EXACT = "give prove_trainer the data as it was, dataset=..., to have them counted"


def check_surface(subject: Subject, sample: Sample, reads: Sequence[Read]) -> list[Check]:
    """S4 and S5 from the pieces alone."""
    return [
        _cut_check(subject, sample, reads),
        _never_drawn(subject) or _fragment_check(sample, reads),
    ]


def _never_drawn(subject: Subject) -> Check | None:
    """Return a failed S5 where the last, uneven batch that is dropped holds more than a few rows, else None."""
    data, args = subject.trainer.train_dataset, subject.args
    if not args.dataloader_drop_last or not hasattr(data, "__len__"):
        return None
    per_step = args.per_device_train_batch_size * max(1, int(args.world_size))
    missing = len(data) % per_step
    if missing <= MOST_LOST * len(data):
        return None
    return ORDER.failed(
        f"{missing:,} of {len(data):,} rows make no whole batch of {per_step:,} and are dropped from every epoch",
        kind="lost-data",
        evidence={"rows": len(data), "dropped": missing, "batch": per_step},
        remedy="Set dataloader_drop_last=False, or a batch size that divides the rows.",
    )


def _cut_check(subject: Subject, sample: Sample, reads: Sequence[Read]) -> Check:
    window = subject.window
    if reads:
        seen = len(reads)
        cut = sum(_is_full(read.piece, window) and not read.reading.closes for read in reads)
    else:
        seen = len(sample.pieces)
        cut = _cut_documents(subject, sample.pieces, window)
    evidence: dict[str, object] = {"pieces": seen, "cut": cut, "window": window}
    if seen and cut > MOST_LOST * seen:
        option = ""
        if subject.packs and getattr(subject.args, "truncation_mode", "") == "keep_end":
            option = "; truncation_mode='keep_end' has no effect when packing: the ends are what is cut off"
        return LOSSES.failed(
            f"{cut:,} of {seen:,} conversations are cut off at the window of {window:,} tokens, "
            f"with the targets behind it{option}",
            kind="lost-data",
            evidence=evidence,
            remedy=f"{WINDOW_REMEDY} To have the lost targets counted, {_EXACT}.",
        )
    message = f"{cut:,} of {seen:,} pieces end at the window"
    return LOSSES.passed(f"{message}; {_EXACT}", evidence)


def _is_full(piece: Piece, window: int | None) -> bool:
    return window is not None and len(piece.ids) >= window


def _cut_documents(subject: Subject, pieces: Sequence[Piece], window: int | None) -> int:
    """Count pieces that fill the window and lack the token that ends the others."""
    if subject.packs and "seq_lengths" not in subject.columns:
        return 0  # concatenated and cut anywhere, but nothing is left out
    last = Counter(int(piece.ids[-1]) for piece in pieces if not _is_full(piece, window))
    if not last:
        eos = getattr(subject.foreign_tokenizer, "eos_token_id", None)
        return sum(_is_full(piece, window) and int(piece.ids[-1]) != eos for piece in pieces)
    usual, times = last.most_common(1)[0]
    if times < 0.9 * last.total():
        return 0
    return sum(_is_full(piece, window) and int(piece.ids[-1]) != usual for piece in pieces)


def _fragment_check(sample: Sample, reads: Sequence[Read]) -> Check:
    fragments = sum(not read.reading.begins for read in reads)
    times = Counter(piece.ids.tobytes() for piece in sample.pieces)
    doubled = sum(count - 1 for count in times.values())
    evidence: dict[str, object] = {
        "pieces": len(sample.pieces),
        "fragments": fragments,
        "equal_pieces": doubled,
        "fill": sample.tokens / max(1, sample.room),
    }
    copies = _copied_rows(sample)
    if copies > MOST_COPIED * len(sample.pieces):
        return ORDER.failed(
            f"{copies:,} pieces stand in packed rows that occur before with all of their neighbours: rows were copied, "
            "and as much of the data is likely to be missing",
            kind="duplicated-data",
            evidence=evidence | {"copied": copies},
            remedy=f"Compare the packed rows with the data before packing: {_EXACT}.",
        )
    if fragments > MOST_LOST * max(1, len(reads)):
        return ORDER.failed(
            f"{fragments:,} of {len(reads):,} pieces begin in the middle of a conversation: answers are learned "
            "without what was asked",
            kind="lost-data",
            evidence=evidence,
            remedy=WINDOW_REMEDY + " Packing strategy bfd does not split conversations.",
        )
    message = f"{len(sample.pieces):,} pieces in {sample.rows:,} rows, {evidence['fill']:.0%} full"
    if doubled:
        message += f"; {doubled:,} pieces are equal to another"
    return ORDER.passed(f"{message}; {_EXACT}", evidence)


def _copied_rows(sample: Sample) -> int:
    """Count the pieces of packed rows of which every piece, in the same order, was in a row before.

    A conversation may well occur twice in a data set; the same neighbours twice mean a fault of the packer.
    """
    seen: set[tuple[bytes, ...]] = set()
    copied = 0
    for row in sample.packed_rows():
        key = tuple(piece.ids.tobytes() for piece in row)
        copied += len(row) if key in seen and len(set(key)) > 1 else 0
        seen.add(key)
    return copied
