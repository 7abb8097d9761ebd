"""Words already encoded: takes chunks of chats, gives each a number and, by number, its tokens and which are learned.

A chunk is what stands between two single spaces, where `Tokenizer.separates_at_spaces` holds.
Most words come again and again: each is given to the tokenizer once.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twosignal.tokens.draft import Fixed, Segment, encode_heads, mask_by_head
from twosignal.tokens.example import Ids, Mask
from twosignal.tokens.tokenizer import Tokenizer

FIXED, FIRST, TEXT, LAST, SPACE = "\x00", "\x01", "\x02", "\x03", "\x04"
"""How a chunk is marked: FIXED and a number, or FIRST and a number, TEXT and the text that begins a
run. LAST stands behind a text that ends a run in white space, SPACE for a space that is no cut."""

PLAIN, ODD = -1, -2
"""States of chunks that go on as the run began, and of chunks that cannot be encoded on their own."""

_MARKED = re.compile(f"[{FIXED}{FIRST}{TEXT}{LAST}{SPACE}]")
_MOST_CHUNKS = 1 << 18

Counts = npt.NDArray[np.int64]


class Opening(NamedTuple):
    """How a run of text begins."""

    head: str
    """The template's own text in front of a message's; may be empty."""
    is_start: bool
    """Nothing stands before it."""
    learned: tuple[bool, bool]
    """Whether the head is supervised, and whether what follows is."""


class _Entry(NamedTuple):
    """What is known of a chunk."""

    ids: list[int]
    learned: list[bool]
    state: int


class _Words(NamedTuple):
    """The tokens of words, one after the other, and how many each has."""

    ids: Ids
    sizes: Counts


class Chunks(dict[str, int]):
    """Numbers by chunk; a chunk that is looked up for the first time gets the next number and waits to be encoded."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        # Lists by number that find a number again at once: the keys of dicts stay in order.
        self._fixed: dict[tuple[Fixed, ...], int] = {}
        self._openings: dict[Opening, int] = {}
        self._heads: dict[Opening, dict[tuple[str, bool], list[int]]] = {}
        self._forget()

    def _forget(self) -> None:
        self.clear()
        self._waiting: list[str] = []
        self.ids: Ids = np.empty(0, np.int32)
        """Tokens of all chunks, one after the other."""
        self.learned: Mask = np.empty(0, np.bool_)
        """For each of these tokens whether its own chunk says that it is supervised."""
        self.starts: Counts = np.empty(0, np.int64)
        """Where the tokens of each chunk begin."""
        self.sizes: Counts = np.empty(0, np.int64)
        """How many tokens each chunk has."""
        self.states: npt.NDArray[np.int8] = np.empty(0, np.int8)
        """PLAIN, ODD, or whether the plain chunks behind this one are supervised."""

    def __missing__(self, chunk: str) -> int:
        number = self[chunk] = len(self)
        self._waiting.append(chunk)
        return number

    def fixed(self, items: Sequence[Fixed]) -> str:
        """Return a chunk that stands for set tokens."""
        return f"{FIXED}{self._fixed.setdefault(tuple(items), len(self._fixed))}"

    def opening(self, opening: Opening) -> str:
        """Return what the first chunk of a run that begins like this begins with."""
        number = self._openings.setdefault(opening, len(self._openings))
        return f"{FIRST}{number}{TEXT}{opening.head.replace(' ', SPACE)}"

    def make_room(self) -> None:
        """Forget all chunks when there are too many."""
        if len(self) > _MOST_CHUNKS:
            self._forget()

    def look_up(self, text: str) -> Counts:
        """Return the number of every chunk of a text in which a space stands before each, and encode the new ones.

        Raises UnicodeEncodeError for text that is not Unicode.
        """
        data = text.encode()
        starts = np.flatnonzero(np.frombuffer(data, np.uint8) == ord(" "))
        offsets = np.append(starts, len(data))
        # Arrow finds what is equal several times as fast as a dict does, and makes no Python strings.
        chunks = pa.LargeStringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(data))
        encoded = chunks.dictionary_encode()
        _, _, distinct = encoded.dictionary.buffers()
        spelt = distinct.to_pybytes().decode().split(" ")[1:]
        numbers = np.fromiter(map(self.__getitem__, spelt), np.int64, len(spelt))
        self._settle()
        places: Counts = encoded.indices.to_numpy()
        return numbers[places]

    def _settle(self) -> None:
        """Encode the chunks that wait."""
        waiting, self._waiting = self._waiting, []
        may_forge = self._tokenizer.forgeable_ids and self._tokenizer.has_control_text("\n".join(waiting))
        is_word = np.array([not may_forge and _is_word(chunk) for chunk in waiting], np.bool_)
        words = [chunk for chunk, so in zip(waiting, is_word, strict=True) if so]
        encoded = self._encode_words(words)
        if len(encoded.sizes) != len(words):
            # An added token, somewhere in a word, that spells the sign for a space.
            is_word[:] = False
            encoded = self._encode_words([])
        others = [chunk for chunk, so in zip(waiting, is_word, strict=True) if not so]
        self._add(is_word, encoded, self._entries(others))

    def _add(self, is_word: Mask, words: _Words, others: Sequence[_Entry]) -> None:
        """Append the tokens of words and of other chunks, which are mixed as `is_word` says."""
        ids, lengths = words
        sizes = np.empty(len(is_word), np.int64)
        sizes[is_word] = lengths
        sizes[~is_word] = [len(entry.ids) for entry in others]
        starts = np.empty(len(is_word), np.int64)
        starts[is_word] = len(self.ids) + np.cumsum(lengths) - lengths
        ends = np.cumsum(sizes[~is_word])
        starts[~is_word] = len(self.ids) + len(ids) + ends - sizes[~is_word]
        states = np.full(len(is_word), PLAIN, np.int8)
        states[~is_word] = [entry.state for entry in others]
        flat = [token for entry in others for token in entry.ids]
        learned = [is_learned for entry in others for is_learned in entry.learned]
        self.ids = np.concatenate([self.ids, ids, np.array(flat, np.int32)])
        self.learned = np.concatenate(
            [self.learned, np.zeros(len(ids), np.bool_), np.array(learned, np.bool_)]
        )
        self.starts = np.concatenate([self.starts, starts])
        self.sizes = np.concatenate([self.sizes, sizes])
        self.states = np.concatenate([self.states, states])

    def _encode_words(self, words: Sequence[str]) -> _Words:
        """Return the tokens of all words, each with the space before it, and how many each has."""
        (found,) = self._tokenizer.encode_batch([" ".join(["", *words])], is_start=False)
        ids = np.array(found, np.int32)
        starts = np.flatnonzero(self._tokenizer.begins_with_space[ids])
        return _Words(ids, np.diff(starts, append=len(ids)))

    def _entries(self, chunks: Sequence[str]) -> list[_Entry]:
        """Return what is known of chunks that are no mere words."""
        spelt = [_spell(chunk) for chunk in chunks]
        encoded = self._tokenizer.encode_batch([text for _, text in spelt], is_start=False)
        return [
            self._entry(chunk, number, _Entry(ids, [False] * len(ids), PLAIN), text=text)
            for chunk, (number, text), ids in zip(chunks, spelt, encoded, strict=True)
        ]

    def _entry(self, chunk: str, number: int, plain: _Entry, *, text: str) -> _Entry:
        """Return tokens, mask and state of a chunk, of which `plain` knows the tokens of its text."""
        if chunk.startswith(FIXED):
            items = list(self._fixed)[number]
            return _Entry([item.id for item in items], [item.supervised for item in items], 0)
        is_first = chunk.startswith(FIRST)
        has_edge = not is_first and not text[1:2].strip()
        if has_edge or (not chunk.endswith(LAST) and not text[-1:].strip()):
            return _Entry([], [], ODD)
        if self._tokenizer.forgeable_ids and self._tokenizer.has_control_text(text):
            return _Entry([], [], ODD)
        if not is_first:
            return plain
        opening = list(self._openings)[number]
        mask = self._mask(opening, text, ids=plain.ids)
        return _Entry([], [], ODD) if mask is None else _Entry(plain.ids, mask, opening.learned[1])

    def _mask(self, opening: Opening, text: str, *, ids: list[int]) -> list[bool] | None:
        """Return the mask of a first chunk; None where a token holds the end of the head and more."""
        head, then = opening.learned
        if not opening.head or head == then or text == opening.head:
            return [head if text == opening.head else then] * len(ids)
        stretches = ((len(opening.head), head), (len(text), then))
        segment = Segment(text, opening.is_start, stretches)
        if opening not in self._heads:
            self._heads[opening] = encode_heads(self._tokenizer, [segment])
        return mask_by_head(ids, segment, heads=self._heads[opening])


def _is_word(chunk: str) -> bool:
    """Return whether a chunk is text without marks, and without white space at its ends."""
    return not _MARKED.search(chunk) and chunk.strip() == chunk != ""


def _spell(chunk: str) -> tuple[int, str]:
    """Return the number in a chunk's mark, and its text; one that does not begin a run has its space in front."""
    if chunk.startswith(FIXED):
        return int(chunk[1:]), ""
    number, _, said = chunk[1:].partition(TEXT) if chunk.startswith(FIRST) else ("0", "", " " + chunk)
    return int(number), said.replace(SPACE, " ").removesuffix(LAST)
