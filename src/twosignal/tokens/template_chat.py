"""A model's own chat template: takes messages and which of them are learned, gives the drafts of its lessons.

Control tokens come from the template alone. What a message says is encoded as text, whatever it spells.
Plain conversations are written by a form that is learned, and proved, once for all of their shape. They are
only rendered where the template might look at their texts (influence.py);
those with tools, calls or reasoning are proved one by one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from twosignal.text.conversation import Message
from twosignal.tokens.draft import Draft, encode_drafts
from twosignal.tokens.flow import SPEAKERS
from twosignal.tokens.form import Filled, Form
from twosignal.tokens.layout import Part, fill_layout, learn_layout, placeholders
from twosignal.tokens.lessons import Lesson, find_lessons
from twosignal.tokens.program import compile_parts, settle_program
from twosignal.tokens.rendered_chat import RenderedChat
from twosignal.tokens.template import REFUSALS, ChatTemplate, LayoutError
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.trims import Trim, find_trims, probes
from twosignal.tokens.written import Known

_MOST_SHAPES = 4096
_MOST_BEGINNINGS = 1024
_NO_TEMPLATE = "the tokenizer has neither a chat template nor an end-of-text token"

_Shape = tuple[tuple[str, ...], tuple[bool, ...], tuple[bool, ...]]
"""For each message its role, whether it is named, and whether it is learned."""


class _Written(NamedTuple):
    """How the conversations of one shape are written, where one lesson is all of them."""

    parts: tuple[Part, ...]
    form: Form
    trims: tuple[Trim, ...] | None
    """For each slot of the form what harmless texts lose there, nothing if there are none; None where no text
    is known to be harmless."""

    def fill(self, contents: tuple[str, ...], names: tuple[str, ...]) -> Filled:
        """Return the draft of a conversation of harmless texts, without rendering it."""
        texts = [contents[at] if field == "c" else names[at] for at, field in self.form.slots]
        if self.trims:
            texts = [trim(text) for trim, text in zip(self.trims, texts, strict=True)]
        return Filled(self.form, tuple(texts))


class _Divided(NamedTuple):
    """Which turns of the conversations of one shape are learned in which lesson."""

    lessons: tuple[tuple[bool, ...], ...]
    """For each lesson which of its messages are learned; it ends with the last entry's message."""


class TemplateChat:
    """A model's own chat template, learned by shape of conversation and checked on each one."""

    def __init__(self, tokenizer: Tokenizer, *, now: datetime | None = None) -> None:
        self._tokenizer = tokenizer
        self._template = ChatTemplate(
            tokenizer.chat_template, special_tokens=tokenizer.special_tokens, now=now
        )
        self.clock = self._template.now if self._template.reads_clock else None
        """The moment that the template is told; None where it never asks."""
        self._harmless = self._template.harmless
        self._rendered = RenderedChat(tokenizer, self._template)
        # Shapes begin alike, and so do the conversations that are made up for them.
        self._known = Known()
        self._made_up = RenderedChat(tokenizer, self._template, self._known)
        self._shapes: dict[_Shape, _Written | _Divided | None] = {}
        self.num_rewritten = 0
        """Learned turns that the template wrote differently once further turns followed; they are lessons apart."""
        self.num_changed = 0
        """Plain conversations in which it changed more of a text than white space at its ends."""

    def drafts(
        self, messages: Sequence[Message], *, learned: Sequence[bool], tools: str = ""
    ) -> Sequence[Draft | Filled]:
        """Return the draft of each lesson, the shortest first; raises LayoutError, or what the template raises."""
        self._check_template()
        found: Sequence[Draft | Filled]
        if tools:
            found = self._rendered.drafts(messages, learned=learned, tools=tools)
        else:
            found = self._drafts_by_shape(messages, tuple(learned))
        self.num_rewritten += len(found) - 1
        return found

    def second_drafts(
        self, messages: Sequence[Message], *, learned: Sequence[bool], tools: str = ""
    ) -> Sequence[Draft]:
        """Return the same drafts by the second way of making masks; raises as `drafts` does."""
        self._check_template()
        return self._rendered.second_drafts(messages, learned=learned, tools=tools)

    def draft_prompt(
        self, messages: Sequence[Message], *, name: str = "", tools: str = "", reasons: bool = False
    ) -> Draft:
        """Return the prompt for the next answer; templates have no place for the answerer's name."""
        del name
        self._check_template()
        return self._rendered.draft_prompt(messages, reasons=reasons, tools=tools)

    def _check_template(self) -> None:
        if not self._tokenizer.chat_template:
            remedy = "Give the tokenizer a chat_template.jinja, or an eos_token in its configuration."
            raise LayoutError(_NO_TEMPLATE, remedy=remedy)

    def _drafts_by_shape(
        self, messages: Sequence[Message], learned: tuple[bool, ...]
    ) -> Sequence[Draft | Filled]:
        roles, contents, names, reasonings, calls, call_ids, _ = zip(*messages, strict=True)
        if any(reasonings) or any(calls) or any(call_ids):
            return self._rendered.drafts(messages, learned=learned)
        shape = (roles, tuple(map(bool, names)), learned)
        try:
            known = self._shapes[shape]
        except KeyError:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            known = self._shapes[shape] = self._learn(shape)
        if isinstance(known, _Divided):
            return [
                draft
                for flags in known.lessons
                for draft in self._drafts_by_shape(messages[: len(flags)], flags)
            ]
        if known is not None:
            if known.trims is not None and self._are_harmless((*contents, *filter(None, names))):
                return [known.fill(contents, names)]
            rendering = self._template.render(messages)
            filled = fill_layout(known.parts, messages, text=rendering.text)
            if filled is not None:
                return [known.form.fill(filled)]
            self.num_changed += 1
        return self._rendered.drafts(messages, learned=learned)

    def _learn(self, shape: _Shape) -> _Written | _Divided | None:
        """Return how conversations of this shape are written or divided; None if texts move."""
        roles, learned = tuple(zip(*shape[:2], strict=True)), shape[2]
        if len(self._known.renderings) > _MOST_BEGINNINGS:
            self._known.clear()
        try:
            lessons = find_lessons(self._made_up.written(placeholders(roles)), learned)
        except REFUSALS:
            # The conversations themselves are asked, and name what is wrong in their own words.
            return None
        (*_, longest) = lessons
        if len(lessons) > 1 or longest.length < len(roles):
            return _Divided(tuple(_flags(lesson) for lesson in lessons))
        parts = learn_layout(longest.rendering.text, longest.spans, roles=roles)
        if parts is None:
            return None
        form = Form(settle_program(self._tokenizer, compile_parts(self._tokenizer, parts)))
        self._compare(shape, parts, form=form)
        return _Written(parts, form, self._trims(parts, roles))

    def _trims(self, parts: Sequence[Part], roles: Sequence[tuple[str, bool]]) -> tuple[Trim, ...] | None:
        if self._harmless is None or not SPEAKERS.issuperset(role for role, _ in roles):
            return None
        try:
            return find_trims(parts, self._template.render(probes(roles)).text)
        except REFUSALS:
            return None

    def _are_harmless(self, texts: Sequence[str]) -> bool:
        return self._harmless is not None and self._harmless.allows(texts)

    def _compare(self, shape: _Shape, parts: Sequence[Part], *, form: Form) -> None:
        """Raise unless harmless texts give the ids and the mask that both ways of making them by rendering give."""
        probes = [
            Message(role=role, content=f"This is text {index}.", name="Bo" if is_named else "")
            for index, (role, is_named) in enumerate(zip(*shape[:2], strict=True))
        ]
        try:
            filled = fill_layout(parts, probes, text=self._template.render(probes).text)
        except REFUSALS:
            return
        if filled is None:
            return
        rendered = self._made_up.drafts(probes, learned=shape[2])
        ours, *theirs = encode_drafts(self._tokenizer, [Draft(form.fill(filled).items), *rendered])
        is_same = len(theirs) == 1 and np.array_equal(ours.ids, theirs[0].ids)
        if not is_same or not np.array_equal(ours.supervised, theirs[0].supervised):
            reason = "it writes harmless texts differently from any others"
            raise LayoutError(reason, remedy="Use a template that does not look at what is said.")


def _flags(lesson: Lesson) -> tuple[bool, ...]:
    return tuple(index in lesson.turns for index in range(lesson.length))
