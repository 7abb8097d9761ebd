"""Evidence for the eye: takes token ids and their mask, gives the text with a place for every token and the mask drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from twosignal.tokens.example import Ids, Mask
from twosignal.tokens.tokenizer import Tokenizer

OPEN, CLOSE = "[[", "]]"
"""Stand around learned text, as `twosignal show` prints it where there is no colour."""
LONGEST = 1_200
"""Characters of drawn text kept as evidence."""
_INCOMPLETE = "\ufffd"
_WINDOW = 8
"""Tokens decoded together where single ones do not spell whole characters."""


class Made(NamedTuple):
    """One conversation as a pipeline hands it to the model."""

    ids: Ids
    """Token ids, shape [tokens]."""
    supervised: Mask
    """True where this very token is learned (unshifted), shape [tokens]."""
    ends: tuple[int, ...] = ()
    """Where each rendering ends, in tokens, when several of one conversation are joined; else empty."""

    def renderings(self) -> "list[Made]":
        """Return the renderings that are joined here, or this one."""
        starts = (0, *self.ends[:-1])
        parts = [slice(start, end) for start, end in zip(starts, self.ends, strict=False)]
        return [Made(self.ids[part], self.supervised[part]) for part in parts] or [self]


@dataclass(frozen=True)
class Drawn:
    """A conversation's text, token by token."""

    made: Made
    texts: tuple[str, ...]
    """Text of every token; empty for one that only completes a character with those after it."""

    @cached_property
    def text(self) -> str:
        """The whole text, control tokens written out."""
        return "".join(self.texts)

    @cached_property
    def ends(self) -> npt.NDArray[np.int64]:
        """Where every token ends, in characters; shape [tokens]."""
        return np.cumsum([len(text) for text in self.texts], dtype=np.int64)

    @cached_property
    def is_learned(self) -> Mask:
        """Whether each character belongs to a learned token; shape [characters]."""
        learned = self.made.supervised.copy()
        learned[:1] = False  # nothing stands before the first token to predict it from
        return np.repeat(learned, [len(text) for text in self.texts])

    def tokens(self, start: int, end: int) -> range:
        """Return the tokens that hold characters `start` to `end`."""
        first = int(np.searchsorted(self.ends, start, side="right"))
        last = int(np.searchsorted(self.ends, end, side="left"))
        return range(first, min(last + 1, len(self.texts)) if end > start else first)

    def marked(self, *, around: int = 0, longest: int = LONGEST) -> str:
        """Return the text with every learned stretch between [[ and ]], shortened around a character."""
        half = longest // 2
        begin = min(max(0, around - half), max(0, len(self.text) - longest))
        end = min(len(self.text), begin + longest)
        edges = np.flatnonzero(np.diff(self.is_learned[begin:end].astype(np.int8), prepend=0, append=0))
        pieces, at = ["..." if begin else ""], begin
        for place, edge in enumerate(edges):
            pieces += [self.text[at : begin + int(edge)], CLOSE if place % 2 else OPEN]
            at = begin + int(edge)
        return "".join([*pieces, self.text[at:end], "..." if end < len(self.text) else ""])

    def learned_texts(self) -> list[str]:
        """Return the text of every learned stretch."""
        edges = np.flatnonzero(np.diff(self.is_learned.astype(np.int8), prepend=0, append=0))
        return [self.text[a:b] for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


def join(renderings: Sequence[Made]) -> Made:
    """Return the renderings of one conversation, one behind the other; every answer is learned in one of them."""
    if len(renderings) == 1:
        return renderings[0]
    ids = np.concatenate([made.ids for made in renderings])
    supervised = np.concatenate([made.supervised for made in renderings])
    return Made(ids, supervised, tuple(np.cumsum([len(made.ids) for made in renderings]).tolist()))


def draw(tokenizer: Tokenizer, made: Made) -> Drawn:
    """Return the text of ids with the place of every token in it."""
    return Drawn(made=made, texts=tuple(token_texts(tokenizer, made.ids.tolist())))


def token_texts(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Return the text of every token as it reads within the whole; their join is the whole text.

    Tokens of part of a character have empty texts, but for the last of them.
    """
    alone = {index: tokenizer.decode_within([index]) for index in set(ids)}
    texts = [alone[index] for index in ids]
    if _INCOMPLETE not in "".join(texts) and "".join(texts) == tokenizer.decode_within(ids):
        return texts
    return _one_after_another(tokenizer, ids)


def _one_after_another(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Decode token by token, each with a few before it, as a model's output is shown while it is written."""
    texts: list[str] = []
    start = shown = 0
    for end in range(1, len(ids) + 1):
        whole = tokenizer.decode_within(ids[start:end])
        before = tokenizer.decode_within(ids[start:shown]) if shown > start else ""
        if whole.endswith(_INCOMPLETE) and end < len(ids) and end - shown < _WINDOW:
            texts.append("")
            continue
        texts.append(whole[len(before) :])
        start, shown = shown, end
    return texts
