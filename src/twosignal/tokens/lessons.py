"""What one conversation teaches: takes it as its template writes it, gives the renderings in which its turns may be learned.

A turn may only be learned as the model writes it when it answers: behind the prompt of that moment, under the
history as the template writes it then. Templates that strip reasoning from earlier turns, or end the last turn
in another way, write the same turn differently later. Such turns get a rendering of their own that ends with them
(docs/decisions/008-one-conversation-several-examples.md).
"""

from collections.abc import Sequence
from typing import NamedTuple

from twosignal.tokens.answers import find_answer, turn_end, with_stop
from twosignal.tokens.marks import Place
from twosignal.tokens.template import Rendering
from twosignal.tokens.written import Written


class Lesson(NamedTuple):
    """One rendering, and the turns that are learned in it."""

    length: int
    """How many messages it is made of."""
    rendering: Rendering
    turns: tuple[int, ...]
    """Indices of the learned messages."""
    spans: tuple[tuple[int, int], ...]
    """Where each of them is learned, in characters."""
    places: list[Place] | None
    """Where the texts stand; None where the template looks at its texts."""


def find_lessons(written: Written, learned: Sequence[bool]) -> list[Lesson]:
    """Return the lessons of a conversation, the shortest first; one without spans if nothing is learned.

    Raises LayoutError when a learned turn cannot be delimited, and what the template raises.
    """
    messages = written.messages
    chosen = [index for index in range(len(messages)) if learned[index]]
    answers = {i: find_answer(written, i) for i in chosen if messages[i].role == "assistant"}
    ends = {i: turn_end(written, a.rendering.text, a.start, index=i) for i, a in answers.items()}
    others = {index: _other_turn(written, index) for index in chosen if index not in answers}
    lessons: list[Lesson] = []
    length, rendering, places = len(messages), written.rendering(len(messages)), None
    remaining = sorted(answers)
    while True:
        fitting = [i for i in remaining if rendering.text.startswith(answers[i].rendering.text[: ends[i]])]
        spans = {i: (answers[i].start, with_stop(written, rendering.text, ends[i])) for i in fitting}
        spans |= others
        if spans or not chosen:
            turns = tuple(sorted(spans))
            places = written.places(length) if places is None else places
            lessons.append(Lesson(length, rendering, turns, tuple(spans[i] for i in turns), places))
        others = {}
        remaining = [index for index in remaining if index not in fitting]
        if not remaining:
            return lessons[::-1]
        length, (rendering, _, places) = remaining[-1] + 1, answers[remaining[-1]]


def _other_turn(written: Written, index: int) -> tuple[int, int]:
    """Return the stretch of a turn that is not the model's: its text and the token that ends it."""
    length = len(written.messages)
    text = written.rendering(length).text
    start = written.first_place(length, index)
    places = written.places(length) or []
    end = max(place.end for place in places if place.is_said_in(index))
    following = min(
        (place.start for place in places if place.start >= end and place.leaf.message != index),
        default=len(text),
    )
    stop = written.tokenizer.end_of_turn
    found = text.find(stop, end, following) if stop else -1
    return start, found + len(stop) if found >= 0 else end
