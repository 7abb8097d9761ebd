"""Pipelines to judge: takes a saved tokenizer, gives what it makes of conversations, and spoilt forms of it."""

from collections.abc import Callable, Sequence

import numpy as np

from twosignal.prove.drawing import Made, join
from twosignal.prove.places import Make
from twosignal.text.conversation import Conversation, Message, Origin
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer

Spoil = Callable[[Made, Tokenizer], Made]


def made_by(tokenizer: Tokenizer, spoil: Spoil | None = None) -> Make:
    """Our own rendering, afterwards spoilt."""
    renderer = Renderer(tokenizer)

    def make(conversations: Sequence[Conversation]) -> list[Made | None]:
        found: list[Made | None] = []
        for examples in renderer.render_each(conversations):
            made = join([Made(e.ids.copy(), e.supervised.copy()) for e in examples])
            found.append(spoil(made, tokenizer) if spoil else made)
        return found

    return make


def chat(*turns: str, line: int = 1) -> Conversation:
    """A conversation of user and assistant in turn."""
    messages = tuple(Message(role=("user", "assistant")[n % 2], content=text) for n, text in enumerate(turns))
    return Conversation(messages=messages, origin=Origin(source="chats", file="chats.jsonl", line=line))


CHATS = [
    chat("What is the capital of France?", "Paris is the capital of France.", line=1),
    chat("Hello there.", "How are you?", "I am fine, thank you.", "the cat sat on the mat", line=2),
    chat("user", "a", "assistant", "1 + 1 = 2", line=3),
]
"""Real ones; the last has texts that stand in scaffolds too."""


def nothing(made: Made, _: Tokenizer) -> Made:
    """A1: no marker, no target."""
    return Made(made.ids, np.zeros_like(made.supervised))


def everything(made: Made, _: Tokenizer) -> Made:
    """A3, F1: the whole conversation is learned."""
    return Made(made.ids, np.ones_like(made.supervised))


def inverted(made: Made, _: Tokenizer) -> Made:
    """A3: the wrong role."""
    return Made(made.ids, ~made.supervised)


def shifted(made: Made, _: Tokenizer) -> Made:
    """F3: the mask stands one token late."""
    return Made(made.ids, np.roll(made.supervised, 1))


def early(made: Made, _: Tokenizer) -> Made:
    """A16, E6: the mask begins one token before the answer."""
    return Made(made.ids, made.supervised | np.append(made.supervised[1:], False))


def without_ends(made: Made, tokenizer: Tokenizer) -> Made:
    """A4, A5: the end of turn is left out, as where padding is told by its id."""
    return Made(made.ids, made.supervised & (made.ids != tokenizer.end_of_turn_id))


def without_starts(made: Made, _: Tokenizer) -> Made:
    """E6: the first token of every answer is not trained."""
    return Made(made.ids, made.supervised & np.append(False, made.supervised[:-1]))


def to_the_end(made: Made, _: Tokenizer) -> Made:
    """A7: everything behind the first answer is learned."""
    return Made(made.ids, np.maximum.accumulate(made.supervised))


def first_answer_only(made: Made, _: Tokenizer) -> Made:
    """A2, A8: later turns lose their mask."""
    return Made(made.ids, made.supervised & (_stretch(made) == 1))


def last_answer_only(made: Made, _: Tokenizer) -> Made:
    """A2, A14: only the last turn is trained."""
    return Made(made.ids, made.supervised & (_stretch(made) == _stretch(made).max()))


def twice_begun(made: Made, tokenizer: Tokenizer) -> Made:
    """A23: rendered to text, and then tokenized with special tokens."""
    ids = np.append(np.int32(tokenizer.bos_id or 0), made.ids).astype(np.int32)
    return Made(ids, np.append(False, made.supervised))


def _stretch(made: Made) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return which learned stretch, counted from 1, a token belongs to or follows."""
    starts = made.supervised & ~np.append(False, made.supervised[:-1])
    return np.cumsum(starts)
