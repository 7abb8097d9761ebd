"""Where the texts of a conversation stand: takes a conversation as a pipeline made it, gives the place of every field.

Places are found without markers, prompts or templates: a twin of the conversation, with a
sentinel in every field, goes through the same pipeline, and what stands between the sentinels
is the scaffold. Laid over the real text it gives every field by position.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from twosignal.errors import TwosignalError
from twosignal.prove.drawing import Drawn, Made, draw
from twosignal.prove.sentinels import spellable
from twosignal.text.conversation import Conversation, Message, Origin
from twosignal.tokens.template import REFUSALS
from twosignal.tokens.tokenizer import Tokenizer

Make = Callable[[Sequence[Conversation]], Sequence[Made | None]]
"""A pipeline: gives what the model is handed for each conversation, None where it drops one."""

MOST_TWINS = 512


class Field(NamedTuple):
    """A text of a conversation."""

    message: int
    """Index of the message."""
    name: str
    """content or reasoning."""


class Place(NamedTuple):
    """Where a field stands, in characters of the drawn text."""

    field: Field
    start: int
    end: int


class _Scaffold(NamedTuple):
    """A twin without its sentinels."""

    pieces: tuple[tuple[str, Field], ...]
    """The pipeline's own text before every field, in the order of the text."""
    tail: str


_Key = tuple[tuple[str, str, bool, bool, int], ...]


class Surveyor:
    """Finds the places of fields in conversations that one pipeline made."""

    def __init__(self, make: Make, tokenizer: Tokenizer) -> None:
        self._make = make
        self._tokenizer = tokenizer
        self._words = spellable(tokenizer)
        self._known: dict[_Key, _Scaffold | None] = {}

    def places(self, drawn: Drawn, conversation: Conversation) -> list[Place] | None:
        """Return the places of all fields that stand in the text, in its order; None where they cannot be told."""
        scaffold = self._scaffold(conversation)
        found = None if scaffold is None else self._laid_over(drawn.text, conversation, scaffold)
        return self._unmistakable(drawn.text, conversation) if found is None else found

    def forms(self, text: str) -> list[str]:
        """Return how a text may read once a template has stripped it and a vocabulary has spelt it."""
        (ids,) = self._tokenizer.encode_batch([text], is_start=False)
        spelt = self._tokenizer.decode_within(ids)
        forms = (text, text.strip(), text.strip("\n"), text.lstrip("\n"), text.rstrip(), spelt, spelt.strip())
        return [form for form in dict.fromkeys(forms) if form]

    def _scaffold(self, conversation: Conversation) -> _Scaffold | None:
        messages = conversation.messages
        if conversation.tools or any(message.tool_calls for message in messages):
            return None
        key = tuple((m.role, m.name, bool(m.content), bool(m.reasoning), m.weight) for m in messages)
        if key not in self._known:
            if len(self._known) >= MOST_TWINS:
                self._known.clear()
            self._known[key] = self._learn(messages)
        return self._known[key]

    def _learn(self, messages: Sequence[Message]) -> _Scaffold | None:
        """Return the scaffold of conversations with these roles, or None where its pieces cannot be told apart."""
        fields = [f for n, m in enumerate(messages) for f in _fields(n, m)]
        if len(fields) > len(self._words):
            return None
        words = dict(zip(fields, self._words, strict=False))
        twins = tuple(
            message._replace(
                content=words.get(Field(number, "content"), ""),
                reasoning=words.get(Field(number, "reasoning"), ""),
            )
            for number, message in enumerate(messages)
        )
        origin = Origin(source="twin", file="twin", line=1)
        try:
            (made,) = self._make([Conversation(messages=twins, origin=origin)])
        except (TwosignalError, *REFUSALS):
            return None
        text = draw(self._tokenizer, made).text if made else ""
        if not text or any(text.count(word) > 1 for word in words.values()):
            return None
        standing = sorted((text.index(word), field) for field, word in words.items() if word in text)
        pieces, at = [], 0
        for start, field in standing:
            pieces.append((text[at:start], field))
            at = start + len(words[field])
        return _Scaffold(tuple(pieces), text[at:])

    def _laid_over(self, text: str, conversation: Conversation, scaffold: _Scaffold) -> list[Place] | None:
        """Return the places when scaffold and fields make up the text, or the part of it that was not cut off."""
        places: list[Place] = []
        followers = [piece for piece, _ in scaffold.pieces[1:]] + [scaffold.tail]
        at = 0
        for (before, field), after in zip(scaffold.pieces, followers, strict=True):
            if not text.startswith(before, at):
                return places if before.startswith(text[at:]) else None
            at += len(before)
            said: str = getattr(conversation.messages[field.message], field.name)
            form = next((f for f in self.forms(said) if _stands(text, at, form=f, after=after)), None)
            if form is None:
                return None
            places.append(Place(field, at, min(len(text), at + len(form))))
            at = places[-1].end
        return places

    def _unmistakable(self, text: str, conversation: Conversation) -> list[Place] | None:
        """Return the places of fields that stand in the text exactly once; None if a field stands there more often."""
        places = []
        for number, message in enumerate(conversation.messages):
            for field in _fields(number, message):
                form = next((f for f in self.forms(getattr(message, field.name)) if f in text), "")
                if form and text.count(form) > 1:
                    return None
                if form:
                    start = text.index(form)
                    places.append(Place(field, start, start + len(form)))
        return sorted(places, key=lambda place: place.start)


def _fields(number: int, message: Message) -> list[Field]:
    return [Field(number, name) for name in ("reasoning", "content") if getattr(message, name)]


def _stands(text: str, at: int, *, form: str, after: str) -> bool:
    """Return whether a form and the beginning of what follows stand here, or were cut off at the end of the text."""
    rest = text[at : at + len(form) + len(after)]
    return rest == form + after or (at + len(rest) == len(text) and (form + after).startswith(rest))
