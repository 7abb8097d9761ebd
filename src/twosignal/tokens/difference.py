"""Where two ways of rendering part: takes ids and masks made twice, gives the first token that differs, in its surroundings."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from twosignal.tokens.tokenizer import Tokenizer

_AROUND = 12
"""Tokens shown on each side."""


class Difference(NamedTuple):
    """The first token about which two methods disagree."""

    token: int
    """Its place, from 0."""
    text: str
    """The token as the first method has it; empty where that has ended."""
    other: str
    """The token as the second method has it."""
    first: bool
    """The first method learns it."""
    second: bool
    """The second method learns it."""
    around: str
    """What stands around it, the token itself between >> and <<."""

    def __str__(self) -> str:
        what = f"token {self.token}, {self.text!r}"
        if self.text != self.other:
            return f"{what}, is {self.other!r} by the other: {self.around!r}"
        learned = (
            "learned by the first method and not" if self.first else "not learned by the first method but"
        )
        return f"{what}, is {learned} by the second: {self.around!r}"


Made = tuple[Sequence[int], Sequence[bool]]


def first_difference(tokenizer: Tokenizer, one: Made, other: Made) -> Difference | None:
    """Return the first token whose id or supervision differs; None where there is none."""
    pairs = zip_longest(zip(*one, strict=True), zip(*other, strict=True))
    place = next((place for place, (a, b) in enumerate(pairs) if a != b), None)
    return None if place is None else difference_at(tokenizer, place, one=one, other=other)


def difference_at(tokenizer: Tokenizer, place: int, *, one: Made, other: Made) -> Difference:
    """Return the difference at a token, drawn in the first method's surroundings, or the longer's where that ends."""
    (ids, mask), (other_ids, other_mask) = one, other
    shown = ids if place < len(ids) else other_ids
    before = tokenizer.decode_within(list(shown[max(0, place - _AROUND) : place]))
    behind = tokenizer.decode_within(list(shown[place + 1 : place + 1 + _AROUND]))
    token = tokenizer.decode_within([shown[place]])
    return Difference(
        token=place,
        text=_token(tokenizer, ids, place),
        other=_token(tokenizer, other_ids, place),
        first=place < len(mask) and bool(mask[place]),
        second=place < len(other_mask) and bool(other_mask[place]),
        around=f"{before}>>{token}<<{behind}",
    )


def _token(tokenizer: Tokenizer, ids: Sequence[int], place: int) -> str:
    return tokenizer.decode_within([ids[place]]) if place < len(ids) else ""
