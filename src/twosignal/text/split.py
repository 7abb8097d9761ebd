"""What is kept back: takes records, gives `Reading`s that say whether the record is held out for probes and prompts.

Under "hash" the record's own text decides, so neither the order of files nor any other record can move
it to the other side, and equal records lie on one side. Under "end" it is the last part of every file.
"""

from dataclasses import dataclass

from twosignal.text.conversation import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A record as a source gives it."""

    record: Record
    held_out: bool
    """The record is kept for probes and prompts, never trained on."""


def is_chosen(record: Record, share: float) -> bool:
    """Return whether the record's fingerprint, read as a fraction from 0 to 1, lies below the share."""
    return share > 0 and int.from_bytes(record.fingerprint[:8], "big") / 2**64 < share


def first_held_out(length: int, share: float) -> int:
    """Return where the held-out end of `length` records or characters begins, counted from 0."""
    return int(length * (1 - share))
