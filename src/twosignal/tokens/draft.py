"""From drafts to ids: takes examples whose control tokens are set and whose texts are not yet encoded, gives ids and masks.

Texts of many examples are encoded together: that is what makes it fast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np

from twosignal.tokens.example import Ids, Mask
from twosignal.tokens.tokenizer import Pieces, Tokenizer


class Fixed(NamedTuple):
    """A control token."""

    id: int
    supervised: bool


class Segment(NamedTuple):
    """Text between two control tokens, encoded in one go."""

    text: str
    is_start: bool
    """Nothing stands before it."""
    stretches: tuple[tuple[int, bool], ...]
    """The ends of its stretches, in characters, each with whether it is supervised."""


@dataclass(slots=True)
class Draft:
    """An example before its texts are encoded."""

    items: list[Fixed | Segment] = field(default_factory=list)


class Encoded(NamedTuple):
    """An example's tokens."""

    ids: Ids
    supervised: Mask
    num_straddling: int
    """Tokens half supervised, half not; they are left unsupervised."""


def encode_drafts(tokenizer: Tokenizer, drafts: Sequence[Draft]) -> list[Encoded]:
    """Return ids and masks of the drafts; raises UnicodeEncodeError for text that is not Unicode."""
    segments = [i for i in chain.from_iterable(d.items for d in drafts) if isinstance(i, Segment)]
    texts: dict[bool, list[str]] = {True: [], False: []}
    for segment in segments:
        texts[segment.is_start].append(segment.text)
    found = {start: iter(tokenizer.encode_batch(some, is_start=start)) for start, some in texts.items()}
    heads = encode_heads(tokenizer, segments)
    encoded = []
    for draft in drafts:
        ids: list[int] = []
        supervised: list[bool] = []
        num_straddling = 0
        for item in draft.items:
            if isinstance(item, Fixed):
                ids.append(item.id)
                supervised.append(item.supervised)
                continue
            segment_ids = next(found[item.is_start])
            mask = mask_by_head(segment_ids, item, heads=heads)
            if mask is None:
                pieces = tokenizer.encode_pieces([item.text], is_start=item.is_start)[0]
                segment_ids = pieces.ids
                mask, straddling = mask_by_place(pieces, item.stretches)
                num_straddling += straddling
            ids += segment_ids
            supervised += mask
        encoded.append(Encoded(np.array(ids, np.int32), np.array(supervised, np.bool_), num_straddling))
    return encoded


def _head(segment: Segment) -> str:
    """Return the first stretch of a segment that has two, such as the role name before an answer."""
    return segment.text[: segment.stretches[0][0]] if len(segment.stretches) == 2 else ""


def encode_heads(tokenizer: Tokenizer, segments: Sequence[Segment]) -> dict[tuple[str, bool], list[int]]:
    """Return the ids of every head alone, where they spell it to the last character."""
    heads = list({(head, s.is_start): None for s in segments if (head := _head(s))})
    encoded = {head: tokenizer.encode_batch([head[0]], is_start=head[1])[0] for head in heads}
    return {head: ids for head, ids in encoded.items() if tokenizer.decode_within(ids).endswith(head[0])}


def mask_by_head(
    ids: Sequence[int], segment: Segment, *, heads: Mapping[tuple[str, bool], list[int]]
) -> list[bool] | None:
    """Return the mask of a segment that is all of one kind, or whose first tokens are those of its head alone.

    When the head's own tokens come first, they spell the head, so the next token begins behind
    it: no need to ask the tokenizer for places, which takes three times as long. Else None.
    """
    if len(segment.stretches) == 1:
        return [segment.stretches[0][1]] * len(ids)
    head = heads.get((_head(segment), segment.is_start))
    if not head or ids[: len(head)] != head:
        return None
    first, second = (supervised for _, supervised in segment.stretches)
    return [first] * len(head) + [second] * (len(ids) - len(head))


def mask_by_place(pieces: Pieces, stretches: Sequence[tuple[int, bool]]) -> tuple[list[bool], int]:
    """Return which tokens lie in supervised stretches entirely, and how many only in part."""
    length = stretches[-1][0]
    is_supervised = np.zeros(length + 1, np.int64)
    start = 0
    for end, supervised in stretches:
        is_supervised[start:end] = supervised
        start = end
    before = np.concatenate(([0], np.cumsum(is_supervised)))
    offsets = np.array(pieces.offsets, np.int64).reshape(-1, 2)
    starts = offsets[:, 0]
    # A token without width, such as a space put in front, belongs where it stands.
    ends = np.maximum(offsets[:, 1], starts + 1)
    covered = before[ends] - before[starts]
    whole = covered == ends - starts
    return whole.tolist(), int(((covered > 0) & ~whole).sum())
