"""Where things stand in a chat: takes a template and the roles, gives scaffold, contents and answers apart.

A layout is learned by rendering placeholders instead of texts, once per sequence of roles.
It is then laid over the rendering of each real conversation: when both agree to the last
character, every content is known by position, and no search for markers is needed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from twosignal.text.conversation import Message
from twosignal.tokens.template import REFUSALS, ChatTemplate, Rendering

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A rendered chat without its contents."""

    parts: tuple[Part, ...]
    """In the order of the text, without empty scaffold."""
    num_rewritten: int = 0
    """Learned turns that the template writes differently once further turns follow."""


class LayoutError(ValueError):
    """A template does not say where the answers of a conversation begin or end."""

    def __init__(self, reason: str, *, remedy: str = "") -> None:
        self.remedy = remedy or (
            "Put {% generation %} markers around the answers in the model's chat_template.jinja; where "
            'only earlier turns are rewritten, supervise = "last" helps too.'
        )
        super().__init__(reason)


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
    template: ChatTemplate,
    messages: Sequence[Message],
    *,
    learned: Sequence[bool],
    end_of_turn: str,
    generation_prompt: bool = False,
) -> Layout | None:
    """Return the layout of a chat of `placeholders`, or None when a text stands in more than one place.

    `learned` says for each message whether it is supervised; the supervised stretch of a turn
    starts where the generation prompt ends and ends right behind `end_of_turn`.
    Raises `LayoutError` when a learned turn cannot be delimited, and what the template raises.
    """
    rendering = template.render(messages, generation_prompt=generation_prompt)
    slots: dict[Slot, tuple[int, int]] = {}
    for found in PLACEHOLDER.finditer(rendering.text):
        slot = Slot(int(found[2]), "c" if found[1] == _MARKS["c"] else "n")
        if slot in slots:
            return None
        slots[slot] = found.span()
    for index, message in enumerate(messages):
        if Slot(index, "c") not in slots:
            reason = f"it leaves out the text of message {index + 1} ({message.role})"
            raise LayoutError(reason, remedy="Move the text into a turn that the template writes.")
    turns = _Turns(
        template=template, messages=messages, rendering=rendering, slots=slots, end_of_turn=end_of_turn
    )
    spans = [turns.span(index) for index in range(len(messages)) if learned[index]]
    parts = cut_parts(rendering.text, spans, slots=slots)
    return Layout(parts=tuple(parts), num_rewritten=turns.num_rewritten)


@dataclass(slots=True, kw_only=True)
class _Turns:
    """Finds the stretch of each learned turn in the rendering of placeholders."""

    template: ChatTemplate
    messages: Sequence[Message]
    rendering: Rendering
    slots: dict[Slot, tuple[int, int]]
    end_of_turn: str
    num_rewritten: int = 0

    @property
    def text(self) -> str:
        return self.rendering.text

    def span(self, index: int) -> tuple[int, int]:
        """Return start and end, in characters, of what the model writes in turn `index`."""
        content = self.slots[Slot(index, "c")]
        start = content[0]
        if self.messages[index].role == "assistant":
            start = self._marked(index) if self.template.has_markers else self._prompted(index)
        following = [begin for begin, _ in self.slots.values() if begin >= content[1]]
        gap_end = min(following, default=len(self.text))
        return start, self._end(index, content[1], gap_end=gap_end)

    def _marked(self, index: int) -> int:
        """Return where the marked block around the message starts, at the earliest behind its prompt."""
        content = self.slots[Slot(index, "c")]
        around = [(a, b) for a, b in self.rendering.generated if a <= content[0] and content[1] <= b]
        if not around:
            reason = f"its generation markers leave out message {index + 1}, an assistant turn"
            raise LayoutError(reason)
        start, end = around[0]
        within = [s for s, (a, _) in self.slots.items() if start <= a < end and s.message != index]
        if within:
            reason = (
                f"its generation markers around message {index + 1} take in message {within[0].message + 1}"
            )
            raise LayoutError(reason)
        prompt = self._prompt(index)
        return max(start, min(len(prompt), content[0])) if self.text.startswith(prompt) else start

    def _prompted(self, index: int) -> int:
        """Return where the prompt for message `index` ends; it must begin the whole text."""
        content = self.slots[Slot(index, "c")]
        prompt = self._prompt(index)
        if self.text.startswith(prompt) and 0 < len(prompt) <= content[0]:
            return len(prompt)
        if index == 0:
            return content[0]
        reason = (
            f"the prompt it makes for message {index + 1} does not begin its rendering of the whole "
            "conversation: it strips, rewrites or adds text"
        )
        raise LayoutError(reason)

    def _prompt(self, index: int) -> str:
        """Return the prompt under which the message is written; empty if there is none and it is not needed."""
        before = self.messages[:index]
        try:
            return self.template.render(before, generation_prompt=True).text
        except REFUSALS:
            if before and not self.template.has_markers:
                raise
            return ""

    def _end(self, index: int, content_end: int, *, gap_end: int) -> int:
        """Return where the turn ends: behind the end-of-turn token, or behind the text where there is none."""
        found = self.text.find(self.end_of_turn, content_end, gap_end) if self.end_of_turn else -1
        is_assistant = self.messages[index].role == "assistant"
        if found < 0 and self.end_of_turn and is_assistant:
            reason = f"it writes no {self.end_of_turn} after message {index + 1}, an assistant turn"
            raise LayoutError(reason)
        end = found + len(self.end_of_turn) if found >= 0 else content_end
        if is_assistant:
            alone = self.template.render(self.messages[: index + 1]).text
            if not self.end_of_turn and self.text.startswith(alone):
                end = len(alone)
            self.num_rewritten += alone[:end] != self.text[:end]
        return end


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
