"""From drafts to ids, a batch at once: takes drafts, gives the ids and masks that `encode_drafts` gives, sooner.

Where single spaces separate tokens, all chats of a batch become one text, cut at its spaces.
Words met before are looked up, and ids and masks are gathered by numpy, without a step per
message. Whatever does not fit goes to `encode_drafts`.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from twosignal.tokens.chunks import ODD, PLAIN, Chunks
from twosignal.tokens.draft import Draft, Encoded, encode_drafts
from twosignal.tokens.form import Filled, Form
from twosignal.tokens.frame import Frame, count_marks, make_frame
from twosignal.tokens.tokenizer import Tokenizer

_MOST_FORMS = 4096
_COMPARED = 16


class Weaver:
    """Encodes drafts with one tokenizer, and remembers words and forms."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._chunks = Chunks(tokenizer)
        self._border = self._chunks.fixed(())
        self._frames: dict[Form, Frame | None] = {}
        self._num_compared = 0
        self.by_words = tokenizer.separates_at_spaces
        """Words are looked up; false for good once a comparison with `encode_drafts` has failed."""
        self.num_differing = 0
        """Drafts for which it failed."""

    def encode(self, drafts: Sequence[Draft | Filled]) -> list[Encoded]:
        """Return ids and masks of the drafts; raises UnicodeEncodeError for text that is not Unicode.

        The first drafts, and one of every later batch, are encoded in both ways and compared.
        """
        found = self._by_words(drafts) if self.by_words else {}
        compared = list(found)[: max(1, _COMPARED - self._num_compared)]
        self._num_compared += len(compared)
        for number, expected in zip(compared, self._one_by_one(drafts, compared), strict=True):
            self.num_differing += not _is_equal(found[number], expected)
        if self.num_differing:
            self.by_words, found = False, {}
        left = [number for number in range(len(drafts)) if number not in found]
        found.update(zip(left, self._one_by_one(drafts, left), strict=True))
        return [found[number] for number in range(len(drafts))]

    def _one_by_one(self, drafts: Sequence[Draft | Filled], numbers: Sequence[int]) -> list[Encoded]:
        return encode_drafts(self._tokenizer, [Draft(drafts[number].items) for number in numbers])

    def _by_words(self, drafts: Sequence[Draft | Filled]) -> dict[int, Encoded]:
        """Return what can be encoded by words, by number of the draft."""
        self._chunks.make_room()
        framed = [
            (number, draft, frame)
            for number, draft in enumerate(drafts)
            if isinstance(draft, Filled) and (frame := self._frame(draft.form)) is not None
        ]
        texts = {number: frame.text % draft.texts for number, draft, frame in framed}
        if count_marks("".join(texts.values())) != sum(frame.marks for *_, frame in framed):
            clean = {number for number, _, frame in framed if count_marks(texts[number]) == frame.marks}
            texts = {number: text for number, text in texts.items() if number in clean}
        found = self._gather(texts)
        again = {
            number: text
            for number, draft, frame in framed
            if number not in found and (text := frame.fill(draft.texts)) is not None
        }
        return found | self._gather(again)

    def _frame(self, form: Form) -> Frame | None:
        if form not in self._frames:
            if len(self._frames) >= _MOST_FORMS:
                self._frames.clear()
            self._frames[form] = make_frame(form, self._chunks)
        return self._frames[form]

    def _gather(self, texts: dict[int, str]) -> dict[int, Encoded]:
        """Return ids and masks of chats given as chunks; those with an odd chunk are missing."""
        if not texts:
            return {}
        known = self._chunks
        numbers = known.look_up(f" {self._border} ".join(["", *texts.values()]))
        states, sizes = known.states[numbers], known.sizes[numbers]
        token_ends = np.cumsum(sizes)
        places = np.repeat(known.starts[numbers] - token_ends + sizes, sizes)
        places += np.arange(len(places))
        ids = known.ids[places]
        # The first chunk of every run is not plain and says how the plain ones behind it are learned.
        is_plain = states == PLAIN
        turns = np.flatnonzero(~is_plain)
        goes_on = np.repeat(states[turns] == 1, np.diff(turns, append=len(states)))
        learned = known.learned[places] | np.repeat(goes_on & is_plain, sizes)
        firsts = np.flatnonzero(numbers == known[self._border])
        odd = set((np.searchsorted(firsts, np.flatnonzero(states == ODD)) - 1).tolist())
        borders = [*token_ends[firsts].tolist(), len(ids)]
        return {
            number: Encoded(ids[start:end], learned[start:end], 0)
            for order, (number, (start, end)) in enumerate(zip(texts, pairwise(borders), strict=True))
            if order not in odd
        }


def _is_equal(one: Encoded, other: Encoded) -> bool:
    return np.array_equal(one.ids, other.ids) and np.array_equal(one.supervised, other.supervised)
