"""Our own chat form: takes messages and which of them are learned, gives a `Draft` by construction."""

from collections.abc import Sequence

from twosignal.text.conversation import Message
from twosignal.tokens.draft import Draft, Fixed, Segment
from twosignal.tokens.layout import LayoutError
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import BOS, END, NAME, ROLE_TOKENS


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

    def draft(self, messages: Sequence[Message], *, learned: Sequence[bool]) -> Draft:
        """Return bos, then per message: role, `NAME<|name|>` if named, the content, end."""
        items: list[Fixed | Segment] = [self._bos]
        for message, supervised in zip(messages, learned, strict=True):
            self._head(items, role=message.role, name=message.name)
            if message.content:
                stretch = ((len(message.content), supervised),)
                items.append(Segment(message.content, is_start=False, stretches=stretch))
            items.append(Fixed(self._end, supervised))
        return Draft(items)

    def draft_prompt(self, messages: Sequence[Message], *, name: str = "") -> Draft:
        """Return the messages and the head of an answer by `name`."""
        draft = self.draft(messages, learned=[False] * len(messages))
        self._head(draft.items, role="assistant", name=name)
        return draft

    def _head(self, items: list[Fixed | Segment], *, role: str, name: str) -> None:
        if role not in self._roles:
            reason = f"unknown role {role!r}"
            raise LayoutError(reason, remedy=f"Use one of {', '.join(self._roles)}.")
        items.append(self._roles[role])
        if name:
            items += (Segment(name, is_start=False, stretches=((len(name), False),)), self._name)
