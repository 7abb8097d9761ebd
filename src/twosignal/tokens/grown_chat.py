"""Our own chat form: takes messages and which of them are learned, gives a `Draft` by construction."""

import json
from collections.abc import Sequence

from twosignal.text.conversation import Message
from twosignal.tokens.draft import Draft, Fixed, Segment
from twosignal.tokens.form import Filled, Form
from twosignal.tokens.layout import Part, Slot
from twosignal.tokens.program import Program, Run
from twosignal.tokens.template import LayoutError
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import BOS, END, NAME, ROLE_TOKENS

_MOST_SHAPES = 4096

_Shape = tuple[tuple[tuple[str, bool], bool], ...]
"""Role of each turn, whether it is named, and whether it is learned."""


class GrownChat:
    """Our own template, by construction: the same ids as its Jinja form gives elsewhere."""

    num_rewritten = 0
    num_changed = 0

    def __init__(self, tokenizer: Tokenizer) -> None:
        ids = {text: control.id for text, control in tokenizer.controls.items()}
        self._bos = Fixed(ids[BOS], supervised=False)
        self._name = Fixed(ids[NAME], supervised=False)
        self._end = ids[END]
        self._roles = {role: Fixed(ids[text], supervised=False) for role, text in ROLE_TOKENS.items()}
        self._forms: dict[_Shape, Form] = {}

    def drafts(
        self, messages: Sequence[Message], *, learned: Sequence[bool], tools: str = ""
    ) -> list[Filled]:
        """Return the one draft: bos, the tools if any, then per message: role, `NAME<|name|>` if named, the body, end."""
        turns = [(message.role, bool(message.name)) for message in messages]
        texts = ["tools", _json(json.loads(tools))] if tools else []
        for message in messages:
            texts += [message.name, body(message)] if message.name else [body(message)]
        shape = (*([(("system", True), False)] if tools else []), *zip(turns, learned, strict=True))
        if shape not in self._forms:
            if len(self._forms) >= _MOST_SHAPES:
                self._forms.clear()
            self._forms[shape] = Form(self._program(shape))
        return [Filled(self._forms[shape], tuple(texts))]

    def draft_prompt(
        self, messages: Sequence[Message], *, name: str = "", tools: str = "", reasons: bool = False
    ) -> Draft:
        """Return the messages and the head of an answer by `name`; it is the same whether or not that reasons."""
        del reasons
        (draft,) = self.drafts(messages, learned=[False] * len(messages), tools=tools)
        items = [*draft.items, self._role("assistant")]
        if name:
            items += (Segment(name, is_start=False, stretches=((len(name), False),)), self._name)
        return Draft(items)

    def _program(self, shape: _Shape) -> Program:
        program: list[Fixed | Run] = [self._bos]
        for index, ((role, is_named), supervised) in enumerate(shape):
            program.append(self._role(role))
            if is_named:
                program += (_text(Slot(index, "n"), supervised=False), self._name)
            program += (_text(Slot(index, "c"), supervised=supervised), Fixed(self._end, supervised))
        return tuple(program)

    def _role(self, role: str) -> Fixed:
        if role not in self._roles:
            reason = f"unknown role {role!r}"
            raise LayoutError(reason, remedy=f"Use one of {', '.join(self._roles)}.")
        return self._roles[role]


def _text(slot: Slot, *, supervised: bool) -> Run:
    return Run((Part("", slot, supervised),), is_start=False, strip_left=False, strip_right=False)


def body(message: Message) -> str:
    """Return what stands between the head and the end of a turn: reasoning, text and calls, one after another."""
    if not message.reasoning and not message.tool_calls:
        return message.content
    thought = f"<think>\n{message.reasoning}\n</think>\n\n" if message.reasoning else ""
    calls = [
        f'<tool_call>\n{{"name": {_json(call.name)}, "arguments": {_json(json.loads(call.arguments))}}}\n</tool_call>'
        for call in message.tool_calls
    ]
    said = [message.content] if message.content else []
    return thought + "\n".join([*said, *calls])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
