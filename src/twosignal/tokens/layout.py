"""Where things stand in a chat: takes a template and the roles, gives scaffold, contents and answers apart.

A layout is learned by rendering placeholders instead of texts, once per sequence of roles; lessons.py
says which stretches are learned. It is then laid over the rendering of each real conversation: when both
agree to the last character, every content is known by position, and no search for markers is needed.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from twosignal.text.conversation import Message
from twosignal.tokens.template import LayoutError

_MARKS = {"c": "\ue000", "n": "\ue001"}
# Signs of the private use area and digits: changing the case of letters leaves them alone.
PLACEHOLDER = re.compile("([\ue000\ue001])([0-9]+)\ue002")


class Slot(NamedTuple):
    """A place that a message's own text fills."""

    message: int
    """Index of the message."""
    field: str
    """`c` for the content, `n` for the name."""


class Part(NamedTuple):
    """A stretch of a rendered chat that is all scaffold or all one message's text."""

    scaffold: str
    """The template's own text; empty for a slot."""
    slot: Slot | None
    supervised: bool
    """The model is to learn to write this."""


def placeholders(roles: Sequence[tuple[str, bool]]) -> list[Message]:
    """Return messages of these roles, named or not, that hold placeholders for texts."""
    return [
        Message(
            role=role,
            content=f"{_MARKS['c']}{index}\ue002",
            name=f"{_MARKS['n']}{index}\ue002" if is_named else "",
        )
        for index, (role, is_named) in enumerate(roles)
    ]


def learn_layout(
    text: str, spans: Sequence[tuple[int, int]], *, roles: Sequence[tuple[str, bool]]
) -> tuple[Part, ...] | None:
    """Return the parts of a rendered chat of `placeholders`, or None when a text stands in more than one place.

    `spans` are the learned stretches, in characters. Raises `LayoutError` when a text is left out.
    """
    slots: dict[Slot, tuple[int, int]] = {}
    for found in PLACEHOLDER.finditer(text):
        slot = Slot(int(found[2]), "c" if found[1] == _MARKS["c"] else "n")
        if slot in slots:
            return None
        slots[slot] = found.span()
    for index, (role, _) in enumerate(roles):
        if Slot(index, "c") not in slots:
            reason = f"it leaves out the text of message {index + 1} ({role})"
            raise LayoutError(reason, remedy="Move the text into a turn that the template writes.")
    return tuple(cut_parts(text, spans, slots=slots))


def cut_parts(
    text: str, spans: Sequence[tuple[int, int]], *, slots: dict[Slot, tuple[int, int]]
) -> Iterator[Part]:
    """Yield the parts of a text between all boundaries of slots and learned spans."""
    by_start = {start: slot for slot, (start, _) in slots.items()}
    edges = {0, len(text)}
    edges.update(edge for span in (*slots.values(), *spans) for edge in span)
    ordered = sorted(edges)
    for start, end in pairwise(ordered):
        supervised = any(a <= start and end <= b for a, b in spans)
        slot = by_start.get(start)
        yield Part("" if slot else text[start:end], slot, supervised)


def fill_layout(parts: Sequence[Part], messages: Sequence[Message], *, text: str) -> dict[Slot, str] | None:
    """Return what stands in each slot of `text`, the template's rendering of the real messages.

    None when the text is not the layout with the messages' texts in place, each whole or
    stripped of white space at its ends as many templates do.
    """
    filled: dict[Slot, str] = {}
    position = 0
    for index, part in enumerate(parts):
        if part.slot is None:
            if not text.startswith(part.scaffold, position):
                return None
            position += len(part.scaffold)
            continue
        message = messages[part.slot.message]
        given = message.content if part.slot.field == "c" else message.name
        after = parts[index + 1] if index + 1 < len(parts) else None
        found = _standing(text, position, given=given, after=after)
        if found is None:
            return None
        filled[part.slot] = found
        position += len(found)
    return filled if position == len(text) else None


def _standing(text: str, position: int, *, given: str, after: Part | None) -> str | None:
    """Return the form of the given text that stands at this position and is followed by `after`."""
    for form in (given, given.strip(), given.strip("\n"), given.lstrip("\n"), given.rstrip()):
        if not text.startswith(form, position):
            continue
        end = position + len(form)
        if after is None and end != len(text):
            continue
        if after is not None and not text.startswith(after.scaffold, end):
            continue
        return form
    return None
