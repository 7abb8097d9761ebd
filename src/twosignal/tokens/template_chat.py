"""A model's own chat template: takes messages and which of them are learned, gives a `Draft`.

Control tokens come from the template alone. What a message says is encoded as text, whatever
it spells.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from twosignal.text.conversation import Message
from twosignal.tokens.draft import Draft, encode_drafts
from twosignal.tokens.layout import (
    LayoutError,
    Part,
    cut_parts,
    fill_layout,
    learn_layout,
    placeholders,
)
from twosignal.tokens.program import Program, compile_parts, control_ids, fill_program, settle_program
from twosignal.tokens.template import REFUSALS, ChatTemplate, Rendering
from twosignal.tokens.tokenizer import Tokenizer

_MOST_SHAPES = 4096
_NO_TEMPLATE = "the tokenizer has neither a chat template nor an end-of-text token"

_Shape = tuple[tuple[tuple[str, bool], ...], tuple[bool, ...], bool]


class _Known(NamedTuple):
    """What was learned about the conversations of one shape."""

    parts: tuple[Part, ...]
    program: Program
    num_rewritten: int


class TemplateChat:
    """A model's own chat template, learned by shape of conversation and checked on each one."""

    def __init__(self, tokenizer: Tokenizer, *, now: datetime | None = None) -> None:
        self._tokenizer = tokenizer
        self._template = ChatTemplate(
            tokenizer.chat_template, special_tokens=tokenizer.special_tokens, now=now
        )
        self._learned: dict[_Shape, _Known | None] = {}
        self.num_rewritten = 0
        """Learned turns that the template wrote differently once further turns followed."""
        self.num_changed = 0
        """Conversations in which it changed more of a text than white space at its ends."""

    def draft(self, messages: Sequence[Message], *, learned: Sequence[bool]) -> Draft:
        """Return the rendered conversation; raises LayoutError, or what the template raises."""
        return self._draft(messages, tuple(learned), generation_prompt=False)

    def draft_prompt(self, messages: Sequence[Message], *, name: str = "") -> Draft:
        """Return the prompt for the next answer; templates have no place for the answerer's name."""
        del name
        return self._draft(messages, (False,) * len(messages), generation_prompt=True)

    def _draft(
        self, messages: Sequence[Message], learned: tuple[bool, ...], *, generation_prompt: bool
    ) -> Draft:
        if not self._tokenizer.chat_template:
            remedy = "Give the tokenizer a chat_template.jinja, or an eos_token in its configuration."
            raise LayoutError(_NO_TEMPLATE, remedy=remedy)
        shape = (tuple((m.role, bool(m.name)) for m in messages), learned, generation_prompt)
        if shape not in self._learned:
            if len(self._learned) >= _MOST_SHAPES:
                self._learned.clear()
            self._learned[shape] = self._learn(shape)
        rendering = self._template.render(messages, generation_prompt=generation_prompt)
        known = self._learned[shape]
        filled = None if known is None else fill_layout(known.parts, messages, text=rendering.text)
        if known is None or filled is None:
            parts = self._parts_as_rendered(messages, rendering, learned=learned)
            program = compile_parts(self._tokenizer, parts)
            if known is not None and not self._same_controls(program, known.program):
                reason = "it writes other control tokens around these texts than around any others"
                raise LayoutError(reason, remedy="Remove what the template looks for from the text.")
            self.num_changed += not generation_prompt
            return fill_program(program, {})
        self.num_rewritten += known.num_rewritten
        return fill_program(known.program, filled)

    def _learn(self, shape: _Shape) -> _Known | None:
        """Return parts, program and rewritten turns of the conversations of this shape; None if texts move."""
        roles, learned, generation_prompt = shape
        try:
            layout = learn_layout(
                self._template,
                placeholders(roles),
                learned=learned,
                end_of_turn=self._tokenizer.end_of_turn,
                generation_prompt=generation_prompt,
            )
        except LayoutError:
            raise
        except REFUSALS:
            return None
        if layout is None:
            return None
        program = settle_program(self._tokenizer, compile_parts(self._tokenizer, layout.parts))
        self._compare(shape, layout.parts, program=program)
        return _Known(layout.parts, program, layout.num_rewritten)

    def _compare(self, shape: _Shape, parts: tuple[Part, ...], *, program: Program) -> None:
        """Raise unless harmless texts give the ids that the tokenizer gives the whole rendering."""
        probes = [
            Message(role=role, content=f"This is text {index}.", name="Bo" if is_named else "")
            for index, (role, is_named) in enumerate(shape[0])
        ]
        try:
            text = self._template.render(probes, generation_prompt=shape[2]).text
        except REFUSALS:
            return
        filled = fill_layout(parts, probes, text=text)
        if filled is None:
            return
        ours = encode_drafts(self._tokenizer, [fill_program(program, filled)])[0].ids.tolist()
        if ours != self._tokenizer.encode_rendered(text):
            reason = "the tokenizer encodes the rendered chat differently around its control tokens"
            remedy = "Use another template or tokenizer: training and serving would not agree."
            raise LayoutError(reason, remedy=remedy)

    def _same_controls(self, one: Program, other: Program) -> bool:
        return control_ids(self._tokenizer, one) == control_ids(self._tokenizer, other)

    def _parts_as_rendered(
        self, messages: Sequence[Message], rendering: Rendering, *, learned: Sequence[bool]
    ) -> list[Part]:
        """Return the parts of a conversation whose texts the template changes: only harmless texts will do."""
        for index, message in enumerate(messages):
            if self._tokenizer.has_control_text(message.content + "\n" + message.name):
                reason = (
                    f"message {index + 1} spells a control token and the template rewrites texts of "
                    "this conversation, so that the two cannot be told apart"
                )
                raise LayoutError(reason, remedy="Remove the control token from the text.")
        spans = [
            self._span_as_rendered(messages, index, rendering=rendering)
            for index, is_learned in enumerate(learned)
            if is_learned
        ]
        return list(cut_parts(rendering.text, spans, slots={}))

    def _span_as_rendered(
        self, messages: Sequence[Message], index: int, *, rendering: Rendering
    ) -> tuple[int, int]:
        """Return the stretch of a learned turn by rendering the conversation up to it."""
        if messages[index].role != "assistant":
            reason = f"the template rewrites texts, and message {index + 1} is no assistant turn"
            raise LayoutError(reason, remedy='Learn assistant turns only: supervise = "assistant".')
        if self._template.has_markers:
            answers = [i for i, message in enumerate(messages) if message.role == "assistant"]
            if len(answers) != len(rendering.generated):
                reason = f"it marks {len(rendering.generated)} answers of {len(answers)}"
                raise LayoutError(reason)
            start, end = rendering.generated[answers.index(index)]
            text = rendering.text
            behind = len(text) - len(text[end:].lstrip())
            return start, self._turn_end(
                text[: behind + len(self._tokenizer.end_of_turn)], start, otherwise=end
            )
        prompt = self._template.render(messages[:index], generation_prompt=True).text
        full = self._template.render(messages[: index + 1]).text
        end = self._turn_end(full, len(prompt), otherwise=len(full))
        if not full.startswith(prompt) or not rendering.text.startswith(full[:end]):
            reason = f"it strips or rewrites earlier turns, so that message {index + 1} cannot be located"
            raise LayoutError(reason)
        return len(prompt), end

    def _turn_end(self, text: str, start: int, *, otherwise: int) -> int:
        """Return the place behind the first end-of-turn token from `start`, `otherwise` if there is no such token."""
        end_of_turn = self._tokenizer.end_of_turn
        if not end_of_turn:
            return otherwise
        found = text.find(end_of_turn, start)
        if found < 0:
            reason = f"it writes no {end_of_turn} after an assistant turn"
            raise LayoutError(reason)
        return found + len(end_of_turn)
