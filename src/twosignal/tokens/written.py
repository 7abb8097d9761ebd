"""A conversation as its template writes it: takes values and a template, gives renderings, prompts and places of texts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from twosignal.text.conversation import Message
from twosignal.tokens.marks import Marks, Place
from twosignal.tokens.template import REFUSALS, ChatTemplate, LayoutError, Rendering
from twosignal.tokens.template_values import Values
from twosignal.tokens.tokenizer import Tokenizer


class Answer(NamedTuple):
    """An answer as the model writes it."""

    rendering: Rendering
    """The conversation up to this answer."""
    start: int
    """Where the prompt ends, in characters."""
    places: list[Place] | None
    """Where the texts stand, for an answer that was put behind its prompt; None for a rendering as it is."""


def left_out(role: str, *, index: int, text: str) -> LayoutError:
    """Return the error for a text that a template does not write, such as the "reasoning" of a message."""
    if index < 0:
        remedy = "Use a template that knows tools, or remove them from the data."
        return LayoutError("it leaves out the tools", remedy=remedy)
    remedy = "Move the text into a turn that the template writes."
    if text == "reasoning":
        remedy = "Use a template that knows reasoning, or write it into the text of the turn."
    elif text == "tool calls":
        remedy = "Use a template that knows tool calls, or remove these conversations."
    return LayoutError(f"it leaves out the {text} of message {index + 1} ({role})", remedy=remedy)


@dataclass(slots=True)
class Known:
    """What was found out under one template, by the messages that a conversation begins with."""

    renderings: dict[tuple[Message, ...], Rendering] = field(default_factory=dict)
    places: dict[tuple[Message, ...], list[Place] | None] = field(default_factory=dict)
    answers: dict[tuple[Message, ...], Answer] = field(default_factory=dict)
    """The last of the messages, as an answer to the others."""

    def clear(self) -> None:
        """Forget it."""
        for found in (self.renderings, self.places, self.answers):
            found.clear()


@dataclass(slots=True, kw_only=True)
class Written:
    """One conversation under one template; renders every part of it once."""

    template: ChatTemplate
    tokenizer: Tokenizer
    messages: tuple[Message, ...]
    values: Values
    """The messages as the template is given them; nothing in them looks like a control token."""
    known: Known = field(default_factory=Known)
    """Shared by conversations without tools in which nothing had to be hidden."""
    _marks: Marks | None = None

    def rendering(self, length: int) -> Rendering:
        """Return the first `length` messages as the template writes them."""
        key, known = self.messages[:length], self.known.renderings
        if key not in known:
            known[key] = self.template.render_values(self.values.before(length))
        return known[key]

    def prompts(self, length: int, *, reasons: bool) -> Iterator[Rendering]:
        """Yield the prompts under which the model may write message `length`, the most fitting first.

        An answer without reasoning is best written under a prompt that says so, where the template has one.
        """
        for thinking in (reasons, None) if self.template.has_switch else (None,):
            try:
                prompt = self._prompt(self.values.before(length), thinking)
            except REFUSALS:
                continue
            yield prompt

    def prompt_places(self, length: int, prompt: Rendering) -> list[Place] | None:
        """Return where the texts stand in one of `prompts(length)`; None where the template looks at its texts."""
        marks = self.marks()
        for thinking in (True, False, None) if self.template.has_switch else (None,):
            try:
                text, places = marks.read(self._prompt(marks.values.before(length), thinking).text)
            except REFUSALS:
                continue
            if text == prompt.text:
                return places
        return None

    def _prompt(self, values: Values, thinking: bool | None) -> Rendering:  # noqa: FBT001  private, three-valued
        return self.template.render_values(values, generation_prompt=True, thinking=thinking)

    def marks(self) -> Marks:
        """Return the marked form of the conversation."""
        if self._marks is None:
            self._marks = Marks(self.values, style=self.template.style)
        return self._marks

    def places(self, length: int) -> list[Place] | None:
        """Return where the texts stand in `rendering(length)`; None where the template looks at its texts."""
        key, known = self.messages[:length], self.known.places
        if key not in known:
            known[key] = self._find_places(length)
        return known[key]

    def first_place(self, length: int, index: int) -> int:
        """Return where the first text of a message, its name aside, stands in `rendering(length)`.

        Raises LayoutError where the template leaves it out or nothing is known.
        """
        starts = [place.start for place in self.places(length) or () if place.is_said_in(index)]
        if starts:
            return min(starts)
        message = self.messages[index]
        texts = {"text": message.content, "tool calls": message.tool_calls, "reasoning": message.reasoning}
        written = [name for name, text in texts.items() if text]
        if self.places(length) is not None and written:
            raise left_out(message.role, index=index, text=written[0])
        reason = f"the text of message {index + 1} ({message.role}) cannot be located in it"
        raise LayoutError(reason)

    def _find_places(self, length: int) -> list[Place] | None:
        marks = self.marks()
        try:
            marked = self.template.render_values(marks.values.before(length)).text
        except REFUSALS:
            return None
        text, places = marks.read(marked)
        return places if text == self.rendering(length).text else None
