"""How a chat template separates turns: takes a template and its tokenizer, gives the texts between messages, by roles.

They are learned by rendering placeholders. Control tokens in them are sealed into single
characters that no text can hold, so that a message that spells a control token is not mistaken for one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import NamedTuple

from twosignal.text.conversation import Message
from twosignal.tokens.template import REFUSALS, ChatTemplate
from twosignal.tokens.tokenizer import Control, Tokenizer
from twosignal.tokens.turn_tokens import end_of_turn_text

_PLACE = re.compile("\ue000([0-9]+)\ue002")
_SEALS = 0xF0000
"""First of the private characters that stand for control tokens, one per token id."""
_MOST_SEALS = 0x1FFFE
_LETTERS = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
_CHATS = (
    "u",
    "ua",
    "uaua",
    "uau",
    "sua",
    "suaua",
    "suauaua",
    "uata",
    "suata",
    "aua",
    "uuaa",
    "uatta",
    "suatauata",
)
"""Orders of roles that are rendered to learn what stands between two of them."""


class Joint(NamedTuple):
    """The template's own text before a message."""

    text: str
    """Sealed, up to where the model begins to write if the message is an answer."""
    role: str
    """Whose message it opens."""
    own: str = ""
    """What the template writes at the head of an answer on the model's behalf, such as an empty thought."""


@dataclass(slots=True, kw_only=True)
class Grammar:
    """What stands before, between and after the messages of a chat."""

    openings: set[Joint] = field(default_factory=set)
    joints: dict[str, set[Joint]] = field(default_factory=dict)
    """By the role of the message before."""
    endings: dict[str, set[str]] = field(default_factory=dict)
    """By the role of the last message."""
    end_of_turn: str = ""
    """Sealed; empty where no token ends a turn."""

    @property
    def answer_tail(self) -> str:
        """What the template writes behind every answer, whatever follows."""
        joints = [joint.text for joint in self.joints.get("assistant", set())]
        return commonprefix([*joints, *self.endings.get("assistant", set())])  # noqa: RUF071 (letters, not paths)

    @property
    def restarts(self) -> dict[str, set[Joint]]:
        """What stands between the last message of a conversation, by its role, and the first of another."""
        return {
            role: {
                Joint(end + opening.text, opening.role, opening.own)
                for end in endings
                for opening in self.openings
                if opening.text and opening.role != "assistant"
            }
            - self.joints.get(role, set())
            for role, endings in self.endings.items()
        }

    def squeezed(self) -> "Grammar":
        """Return the same without white space, for tokenizers that drop it."""
        return Grammar(
            openings={_squeezed_joint(joint) for joint in self.openings},
            joints={role: {_squeezed_joint(j) for j in joints} for role, joints in self.joints.items()},
            endings={role: {squeeze(text) for text in texts} for role, texts in self.endings.items()},
            end_of_turn=self.end_of_turn,
        )

    @property
    def is_usable(self) -> bool:
        """Return whether answers can be told from questions by what stands between them."""
        before = [joint.role for joint in self.joints.get("user", set())]
        behind = [joint.role for joint in self.joints.get("assistant", set())]
        return "assistant" in before and "user" in behind


def squeeze(text: str) -> str:
    """Return a text without its white space."""
    return "".join(text.split())


def _squeezed_joint(joint: Joint) -> Joint:
    return Joint(squeeze(joint.text), joint.role, squeeze(joint.own))


def seal(token_id: int) -> str:
    """Return the character that stands for a control token."""
    return chr(_SEALS + token_id) if token_id < _MOST_SEALS else ""


def is_sealed(text: str) -> bool:
    """Return whether a text holds a control token."""
    return any(ord(letter) >= _SEALS for letter in text)


def unsealed(tokenizer: Tokenizer, text: str) -> str:
    """Return a text with its control tokens written out."""
    written = {_SEALS + control.id: control.text for control in tokenizer.controls.values()}
    return text.translate(written)


def sealed(tokenizer: Tokenizer, text: str) -> str:
    """Return a rendered text with every control token as one character; it swallows the white space it would."""
    pieces: list[str] = []
    takes_right = False
    for part in tokenizer.split_controls(text):
        if isinstance(part, Control):
            if part.takes_left and pieces:
                pieces[-1] = pieces[-1].rstrip()
            pieces.append(seal(part.id))
            takes_right = part.takes_right
            continue
        pieces.append(part.lstrip() if takes_right else part)
        takes_right = False
    return "".join(pieces)


def learn_grammar(tokenizer: Tokenizer, template: ChatTemplate) -> Grammar | None:
    """Return what the template writes around messages, or None where that cannot be told."""
    stops = [control.text for control in tokenizer.controls.values() if control.id in tokenizer.stop_ids]
    end_of_turn = end_of_turn_text(template, list(tokenizer.controls), stops=stops) or tokenizer.end_of_turn
    grammar = Grammar(end_of_turn=sealed(tokenizer, end_of_turn))
    header = _header(template, [Message(role="user", content="Hello")])
    for letters in _CHATS:
        roles = [_LETTERS[letter] for letter in letters]
        messages = [Message(role=role, content=f"\ue000{n}\ue002") for n, role in enumerate(roles)]
        try:
            whole = template.render(messages).text
        except REFUSALS:
            continue
        places = [(int(found[1]), *found.span()) for found in _PLACE.finditer(whole)]
        if [number for number, *_ in places] != list(range(len(roles))):
            continue
        rendered = _Rendered(tokenizer, template, messages, whole, header)
        _learn(grammar, rendered, [span for _, *span in places])
    # Where two roles open alike, as when a system text is put into the first question, it is a question.
    grammar.openings = {j for j in grammar.openings if j.role == "assistant" or j.role in grammar.joints}
    return grammar if grammar.is_usable else None


def _header(template: ChatTemplate, messages: Sequence[Message]) -> str:
    """Return what a generation prompt adds to these messages; empty where that cannot be told."""
    try:
        prompt = template.render(messages, generation_prompt=True).text
        bare = template.render(messages).text
    except REFUSALS:
        return ""
    return prompt[len(bare) :] if prompt.startswith(bare) else ""


class _Rendered(NamedTuple):
    """A chat of placeholders and its text."""

    tokenizer: Tokenizer
    template: ChatTemplate
    messages: Sequence[Message]
    text: str
    header: str
    """What a generation prompt adds."""

    def joint(self, before: int, index: int, *, until: int) -> Joint:
        """Return the template's text from `before` to message `index`, which begins at `until`."""
        role = self.messages[index].role
        header = self._prompt_end(index, before, until=until) if role == "assistant" else until
        return Joint(self.sealed(before, header), role, self.sealed(header, until))

    def sealed(self, start: int, end: int) -> str:
        """Return a stretch of the text, sealed with what stands before it in view."""
        head = sealed(self.tokenizer, self.text[:start])
        return sealed(self.tokenizer, self.text[:end])[len(head) :]

    def _prompt_end(self, index: int, before: int, *, until: int) -> int:
        """Return where the model begins to write: behind its prompt, where the prompt is part of the text."""
        messages = self.messages[:index]
        try:
            prompt = self.template.render(messages, generation_prompt=True).text if messages else ""
        except REFUSALS:
            prompt = ""
        if prompt and self.text.startswith(prompt):
            return min(max(len(prompt), before), until)
        for header in (_header(self.template, messages), self.header) if messages else (self.header,):
            found = self.text.rfind(header, before, until) if header.strip() else -1
            if found >= 0:
                return found + len(header)
        return until


def _learn(grammar: Grammar, rendered: _Rendered, places: Iterable[Sequence[int]]) -> None:
    before, last = 0, ""
    for index, (start, end) in enumerate(places):
        joint = rendered.joint(before, index, until=start)
        if not last:
            grammar.openings.add(joint)
        elif joint.text.strip():  # else the two read as one message
            grammar.joints.setdefault(last, set()).add(joint)
        before, last = end, joint.role
    grammar.endings.setdefault(last, set()).add(rendered.sealed(before, len(rendered.text)))


def longest_first(joints: Iterable[Joint]) -> Iterator[Joint]:
    """Yield joints, the longest text first, so that a special case goes before the general one; then questions."""
    return iter(sorted(joints, key=lambda joint: (-len(joint.text), joint.role != "user", joint)))
