"""Texts whose worth is known: takes held-out records, gives sound `Passage`s and broken ones made of them.

Graders who cannot tell the two apart are not reading. Both are cut to the lengths of the samples, so that a
control does not stand out by its length.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from twosignal.text.conversation import ROLES, Conversation, Document, Record

OPENING_WORDS = 24
"""Words of a document that stand as its prompt."""
LEAST_CHARACTERS = 60
"""A control is not cut shorter than this."""
LEAST_SHUFFLED = 12
"""Words from which shuffling them leaves no doubt."""
LOOPED = 5
"""Words of a loop."""
SPEAKERS = ("assistant", "model")
"""What chat templates call the one who answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A prompt and what stands after it."""

    prompt: str
    """What was asked, or the opening; may be empty."""
    text: str
    """The answer, or how it goes on."""
    origin: str = ""
    """File and line it comes from."""


def passages(records: Iterable[Record]) -> list[Passage]:
    """Return the last answer of every conversation and the body of every document; others are left out."""
    found = [_passage(record) for record in records]
    return [passage for passage in found if passage is not None and passage.text.strip()]


def sound_controls(known: Sequence[Passage], lengths: Sequence[int], *, draw: random.Random) -> list[Passage]:
    """Return one of the `known` passages for each of `lengths` in characters, cut to it; fewer if they run out."""
    chosen = draw.sample(list(known), min(len(known), len(lengths)))
    return [_cut(passage, length) for passage, length in zip(chosen, lengths, strict=False)]


def broken_controls(
    known: Sequence[Passage], lengths: Sequence[int], *, prompts: Sequence[str], draw: random.Random
) -> list[Passage]:
    """Return a loop, random letters and shuffled words in turn, one for each of `lengths`; none without `known`.

    They stand under the samples' own `prompts`, as many as `lengths`, so that no prompt gives them away.
    """
    if not known:
        return []
    return [
        replace(_broken(draw.choice(list(known)), number, length=length, draw=draw), prompt=prompt)
        for number, (length, prompt) in enumerate(zip(lengths, prompts, strict=True))
    ]


def bare(prompt: str) -> str:
    """Return the prompt without the role names that a chat template leaves on lines of their own.

    Known texts have none, so that a sample would be known by them. Only a prompt that ends in the name of
    the one to speak is a rendered chat.
    """
    lines = prompt.split("\n")
    if lines[-1] not in SPEAKERS:
        return prompt
    return "\n".join(line for line in lines if line not in ROLES and line not in SPEAKERS)


def _passage(record: Record) -> Passage | None:
    origin = str(record.origin)
    if isinstance(record, Document):
        words = record.text.split(maxsplit=OPENING_WORDS)
        if len(words) <= OPENING_WORDS:
            return Passage(prompt="", text=record.text, origin=origin)
        return Passage(prompt=" ".join(words[:-1]), text=words[-1], origin=origin)
    if isinstance(record, Conversation):
        answers = [place for place, turn in enumerate(record.messages) if turn.role == "assistant"]
        if answers:
            before = [turn.content for turn in record.messages[: answers[-1]] if turn.content]
            return Passage(prompt="\n".join(before), text=record.messages[answers[-1]].content, origin=origin)
    return None


def _cut(passage: Passage, length: int) -> Passage:
    """Return the passage with at most `length` characters of text, whole words where it has spaces."""
    longest = max(LEAST_CHARACTERS, length)
    text = passage.text.strip()
    if len(text) > longest:
        head = text[:longest]
        text = head.rsplit(None, 1)[0] if len(head.split()) > 1 else head
    return Passage(prompt=passage.prompt, text=text, origin=passage.origin)


def _broken(passage: Passage, number: int, *, length: int, draw: random.Random) -> Passage:
    length = max(LEAST_CHARACTERS, length)
    words = passage.text.split()
    if number % 3 == 1:
        parts = [
            "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(length)
        ]
    elif number % 3 == 2 and len(words) >= LEAST_SHUFFLED:
        parts = draw.sample(words, len(words))
    else:
        parts = words[:LOOPED] * length
    whole = Passage(prompt=passage.prompt, text=" ".join(parts)[: 2 * length], origin=passage.origin)
    return _cut(whole, length)
