"""A packed row: takes pieces of examples, gives ids and targets, aligned here and nowhere else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twosignal.text.conversation import Origin
from twosignal.tokens.example import Example, Ids

NO_TARGET = -100
"""Stands in `targets` where nothing is learned; the value PyTorch's cross-entropy ignores by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One piece of one example inside a row."""

    example: int
    """The example's number in its source's store."""
    start: int
    """Token of the example at which the piece begins."""
    length: int
    """Tokens of the piece."""
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One row. All arrays have shape [tokens]; there is no padding."""

    source: str
    ids: Ids
    """What the model reads."""
    targets: Ids
    """The id to predict after each token, or NO_TARGET. Never shifted again."""
    positions: Ids
    """From 0 in every segment."""
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        tokens = sum(segment.length for segment in self.segments)
        if not len(self.ids) == len(self.targets) == len(self.positions) == tokens:
            message = (
                f"row of {self.source}: {len(self.ids)} ids, {len(self.targets)} targets, {tokens} planned"
            )
            raise ValueError(message)

    @property
    def num_targets(self) -> int:
        """Tokens the loss is taken over."""
        return int((self.targets != NO_TARGET).sum())

    @property
    def lengths(self) -> list[int]:
        """Tokens of each segment, in order."""
        return [segment.length for segment in self.segments]


def lay_row(source: str, parts: Sequence[tuple[int, int, int, Example]]) -> Pack:
    """Lay pieces (number, start, length, example) side by side, in the given order.

    The target of a token is its successor in its example, where that is supervised.
    """
    spans = [slice(start, start + length) for _, start, length, _ in parts]
    examples = [example for *_, example in parts]
    ids = np.concatenate([e.ids[span] for e, span in zip(examples, spans, strict=True)])
    supervised = np.concatenate([e.supervised[span] for e, span in zip(examples, spans, strict=True)])
    lengths = np.array([length for _, _, length, _ in parts])
    ends = np.cumsum(lengths)
    targets = np.full(len(ids), NO_TARGET, np.int32)
    np.copyto(targets[:-1], ids[1:], where=supervised[1:])
    targets[ends - 1] = [_following(e, span.stop) for e, span in zip(examples, spans, strict=True)]
    return Pack(
        source=source,
        ids=ids,
        targets=targets,
        positions=(np.arange(len(ids)) - np.repeat(ends - lengths, lengths)).astype(np.int32),
        segments=tuple(
            Segment(example=number, start=start, length=length, origin=example.origin)
            for number, start, length, example in parts
        ),
    )


def _following(example: Example, place: int) -> int:
    """Return the target of the token before a place: the true successor of a piece's last, where that is learned."""
    if place < len(example.ids) and example.supervised[place]:
        return int(example.ids[place])
    return NO_TARGET
