"""How much text each token stands for: takes the definition of a vocabulary, gives UTF-8 bytes by token id.

Needed to state a loss in bits per byte, which compares across tokenizers.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_BYTE_PIECE = re.compile("<0x[0-9A-Fa-f]{2}>")


def count_bytes(
    backend: Mapping[str, Any], vocab: Mapping[str, int], *, control_ids: frozenset[int], size: int
) -> npt.NDArray[np.int32]:
    """Return the bytes of text behind every id, shape [size]; 0 for control tokens and unused ids.

    Exact for byte-level vocabularies. With SentencePiece-like vocabularies a leading space
    counts one byte, also the one that such tokenizers put in front of a text.
    """
    steps = list(_steps(backend.get("decoder")))
    rule = _Rule(
        is_byte_level=any(step.get("type") == "ByteLevel" for step in steps),
        has_byte_pieces=bool(backend["model"].get("byte_fallback"))
        or any(step.get("type") == "ByteFallback" for step in steps),
        space=_space_sign(steps),
        prefix=next((step["prefix"] for step in steps if step.get("type") == "WordPiece"), ""),
    )
    added = {token["content"] for token in backend.get("added_tokens", ())}
    counts = np.zeros(size, dtype=np.int32)
    for piece, index in vocab.items():
        if index not in control_ids:
            counts[index] = rule.count_piece(piece, is_added=piece in added)
    return counts


class _Rule(NamedTuple):
    """How pieces of a vocabulary are written."""

    is_byte_level: bool
    """One sign per byte."""
    has_byte_pieces: bool
    """Pieces such as `<0x0A>` stand for one byte."""
    space: str
    """The sign for a space, or empty."""
    prefix: str
    """What marks the continuation of a word, or empty."""

    def count_piece(self, piece: str, *, is_added: bool) -> int:
        """Return the bytes behind a piece; an added one is written as it reads."""
        if self.is_byte_level and not is_added:
            return len(piece)
        if self.has_byte_pieces and _BYTE_PIECE.fullmatch(piece):
            return 1
        text = piece.replace(self.space, " ") if self.space else piece.removeprefix(self.prefix)
        return len(text.encode())


def _steps(decoder: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Yield the single steps of a decoder that may be a sequence of decoders."""
    if decoder is None:
        return
    if decoder.get("type") == "Sequence":
        for inner in decoder["decoders"]:
            yield from _steps(inner)
    else:
        yield decoder


def _space_sign(steps: list[Mapping[str, Any]]) -> str:
    """Return the character that stands for a space, or an empty text."""
    for step in steps:
        if step.get("type") == "Metaspace":
            return str(step["replacement"])
        if step.get("type") == "Replace" and step.get("content") == " ":
            pattern = step["pattern"]
            return str(pattern.get("String", "")) if isinstance(pattern, Mapping) else str(pattern)
    return ""
