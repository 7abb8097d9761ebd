"""Any conversation under a model's own template: takes messages and tools, gives a proved `Draft` for each of its lessons.

Nothing is assumed about the template. Where answers begin follows from its prompts, a second opinion from the
places of the texts, and ids are compared with those of the whole text; where two ways disagree, the
conversation is refused and the first token on which they part is shown.
"""

from collections.abc import Mapping, Sequence

from twosignal.text.conversation import Message
from twosignal.tokens.difference import Difference, first_difference
from twosignal.tokens.draft import Draft, Encoded, Fixed, Segment, encode_drafts
from twosignal.tokens.layout import cut_parts
from twosignal.tokens.lessons import Lesson, find_lessons
from twosignal.tokens.marks import Hidden, hide_controls
from twosignal.tokens.opinion import second_spans
from twosignal.tokens.program import compile_parts, fill_program
from twosignal.tokens.template import REFUSALS, ChatTemplate, LayoutError
from twosignal.tokens.template_values import Values, as_values
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.written import Known, Written

_REMEDY = "Correct the template, or use another one: what is learned would not be what is said."
_PROBE_ANSWER = Message(role="assistant", content="Yes.")


class RenderedChat:
    """One template with one tokenizer, asked anew about every conversation.

    With `known`, beginnings that conversations without tools share are asked about once.
    """

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate, known: Known | None = None) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._known = known

    def written(self, messages: Sequence[Message]) -> Written:
        """Return a conversation in which nothing spells a control token."""
        return self._written(messages, as_values(messages, style=self._template.style), is_plain=True)

    def drafts(self, messages: Sequence[Message], *, learned: Sequence[bool], tools: str = "") -> list[Draft]:
        """Return a draft for each lesson, by both ways of making the mask.

        Raises LayoutError where the two disagree or one does not apply, and what the template raises.
        """
        found: list[Draft] = []
        for one, other in self._both(messages, learned=learned, tools=tools):
            if one is not other and (difference := self._difference(one, other)):
                reason = f"two ways of making its mask disagree: {difference}"
                raise LayoutError(reason, remedy=_REMEDY)
            found.append(one)
        return found

    def second_drafts(
        self, messages: Sequence[Message], *, learned: Sequence[bool], tools: str = ""
    ) -> list[Draft]:
        """Return the same drafts with the masks that follow from the places of the texts alone."""
        return [other for _, other in self._both(messages, learned=learned, tools=tools)]

    def draft_prompt(self, messages: Sequence[Message], *, reasons: bool, tools: str = "") -> Draft:
        """Return the prompt under which the next answer is written, with or without reasoning.

        It is the one behind which `drafts` learns such an answer. Raises LayoutError, or what the template raises.
        """
        values = as_values(messages, tools, style=self._template.style)
        hidden = hide_controls(self._tokenizer, values, style=self._template.style)
        written = self._written(messages, hidden.values)
        prompts = [prompt.text for prompt in written.prompts(len(messages), reasons=reasons)]
        if not prompts:
            self._template.render_values(hidden.values, generation_prompt=True)
        fitting = self._fitting(messages, hidden.values, prompts) if len(set(prompts)) > 1 else prompts
        return self._draft(fitting[0], (), table=hidden.table)

    def _fitting(self, messages: Sequence[Message], values: Values, prompts: Sequence[str]) -> Sequence[str]:
        """Return the prompts behind which an answer would go on, all of them if none does."""
        answer = as_values([_PROBE_ANSWER], style=self._template.style).messages
        longer = Written(
            template=self._template,
            tokenizer=self._tokenizer,
            messages=(*messages, _PROBE_ANSWER),
            values=Values([*values.messages, *answer], values.tools),
        )
        try:
            text = longer.rendering(len(messages) + 1).text
        except REFUSALS:
            return prompts
        return [prompt for prompt in prompts if text.startswith(prompt)] or prompts

    def _written(self, messages: Sequence[Message], values: Values, *, is_plain: bool = False) -> Written:
        return Written(
            template=self._template,
            tokenizer=self._tokenizer,
            messages=tuple(messages),
            values=values,
            known=self._known if self._known is not None and is_plain else Known(),
        )

    def _both(
        self, messages: Sequence[Message], *, learned: Sequence[bool], tools: str
    ) -> list[tuple[Draft, Draft]]:
        """Return for each lesson its draft in two ways; the same object where the ways agree to the character."""
        style = self._template.style
        values = as_values(messages, tools, style=style)
        hidden = hide_controls(self._tokenizer, values, style=style)
        written = self._written(messages, hidden.values, is_plain=not hidden.table and not tools)
        both: list[tuple[Draft, Draft]] = []
        for lesson in find_lessons(written, learned):
            self._check_hidden(hidden, values, lesson=lesson, messages=messages)
            text = lesson.rendering.text
            draft = self._draft(text, lesson.spans, table=hidden.table)
            if not hidden.table:
                self._check_ids(draft, text)
            second = second_spans(written, lesson)
            other = draft if second == lesson.spans else self._draft(text, second, table=hidden.table)
            both.append((draft, other))
        return both

    def _draft(self, text: str, spans: Sequence[tuple[int, int]], *, table: Mapping[int, str]) -> Draft:
        program = compile_parts(self._tokenizer, list(cut_parts(text, spans, slots={})))
        draft = fill_program(program, {})
        if table:
            draft.items = [_unhidden(item, table) for item in draft.items]
        return draft

    def _check_hidden(
        self, hidden: Hidden, values: Values, *, lesson: Lesson, messages: Sequence[Message]
    ) -> None:
        """Raise where the template writes a conversation differently because of what spells a control token."""
        if not hidden.table:
            return
        real = self._template.render_values(values.before(lesson.length)).text
        # An answer that was put behind its prompt is no rendering of its own: there is nothing to compare it with.
        if lesson.rendering.text.translate(hidden.table) != real:
            has_control = self._tokenizer.has_control_text
            spelt = [
                i for i, m in enumerate(messages) if has_control(f"{m.content}\n{m.reasoning}\n{m.name}")
            ]
            who = f"message {spelt[0] + 1}" if spelt else "a tool or a call"
            reason = f"{who} spells a control token and the template looks for it, so that the two cannot be told apart"
            raise LayoutError(reason, remedy="Remove the control token from the text.")

    def _check_ids(self, draft: Draft, text: str) -> None:
        """Raise unless the tokenizer makes the same ids of the whole text."""
        ids = self._encoded(draft).ids.tolist()
        whole = self._tokenizer.encode_rendered(text)
        if ids == whole:
            return
        no_mask = [False] * len(ids), [False] * len(whole)
        found = first_difference(self._tokenizer, (ids, no_mask[0]), (whole, no_mask[1]))
        reason = f"the tokenizer encodes the rendered chat differently around its control tokens: {found}"
        remedy = "Use another template or tokenizer: training and serving would not agree."
        raise LayoutError(reason, remedy=remedy)

    def _difference(self, one: Draft, other: Draft) -> Difference | None:
        first, second = self._encoded(one), self._encoded(other)
        return first_difference(
            self._tokenizer,
            (first.ids.tolist(), first.supervised.tolist()),
            (second.ids.tolist(), second.supervised.tolist()),
        )

    def _encoded(self, draft: Draft) -> Encoded:
        return encode_drafts(self._tokenizer, [draft])[0]


def _unhidden(item: Fixed | Segment, table: Mapping[int, str]) -> Fixed | Segment:
    return item if isinstance(item, Fixed) else item._replace(text=item.text.translate(dict(table)))
