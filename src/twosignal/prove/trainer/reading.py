"""Conversations read back from tokens: takes ids and a template, gives which of them answers, and which must not be learned.

A reading is accepted when the template, given the messages that were read, writes this very
text again, or when the turns are told apart by control tokens, which no text can forge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from twosignal.prove.drawing import token_texts
from twosignal.prove.trainer.grammar import (
    Grammar,
    Joint,
    is_sealed,
    learn_grammar,
    longest_first,
    seal,
    sealed,
    squeeze,
    unsealed,
)
from twosignal.text.conversation import Message
from twosignal.tokens.template import REFUSALS, ChatTemplate
from twosignal.tokens.tokenizer import Tokenizer


class Zone(IntEnum):
    """What may be learned of a token."""

    PROMPT = 0
    """The model is handed it: never."""
    ANSWER = 1
    """The model must write it: with its whole turn, or not."""
    EITHER = 2
    """Half of each, or of no consequence, such as the line feed behind an answer's end."""


class Turn(NamedTuple):
    """One message where it stands, in characters of the sealed text."""

    role: str
    start: int
    """Where the model begins to write it, or the message itself begins."""
    own: int
    """Characters at its head that the template wrote on the model's behalf."""
    end: int
    close: int
    """Behind the token that ends the turn; `end` where there is none."""
    loose: int
    """Behind what is of no consequence after it: white space, and where no token is known to end turns, what does."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A conversation as it stands in token ids."""

    text: str
    """Sealed: every control token is one character."""
    ends: npt.NDArray[np.int64]
    """Where every token ends in it, in characters; shape [tokens]."""
    turns: tuple[Turn, ...]
    messages: tuple[Message, ...]
    """What the turns say, in order."""
    begins: bool
    """It starts as conversations start."""
    closes: bool
    """It ends as conversations end."""
    is_squeezed: bool = False
    """It was only recognized once white space was left out."""
    restarts: int = 0
    """How often another conversation begins in it."""

    @property
    def answers(self) -> list[int]:
        """Return the numbers of the assistant's turns."""
        return [number for number, turn in enumerate(self.turns) if turn.role == "assistant"]

    def tokens(self, start: int, end: int) -> npt.NDArray[np.int64]:
        """Return the tokens that lie between two characters entirely."""
        return np.flatnonzero((self._starts >= start) & (self._whole_ends <= end))

    def required(self, number: int) -> npt.NDArray[np.int64]:
        """Return the tokens that turn `number` consists of, its end included."""
        turn = self.turns[number]
        return self.tokens(turn.start + turn.own, turn.close)

    @cached_property
    def zones(self) -> npt.NDArray[np.int8]:
        """For every token its `Zone`, shape [tokens]."""
        zones = np.full(len(self.ends), Zone.PROMPT, np.int8)
        if not self.begins:
            zones[self._starts < (self.turns[0].start if self.turns else len(self.text))] = Zone.EITHER
        for number in self.answers:
            turn = self.turns[number]
            # Behind the end of a last turn some templates write one more token, which ends the text.
            loose = len(self.text) if number == len(self.turns) - 1 else turn.loose
            touching = (self._whole_ends > turn.start) & (self._starts < loose)
            zones[touching] = Zone.EITHER
            if number and self.turns[number - 1].role == "assistant":
                # Between two answers in a row the model may write the header itself.
                zones[self.tokens(self.turns[number - 1].close, turn.start)] = Zone.EITHER
        for number in self.answers:
            zones[self.required(number)] = Zone.ANSWER
        return zones

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        return np.concatenate(([0], self.ends[:-1]))

    @cached_property
    def _whole_ends(self) -> npt.NDArray[np.int64]:
        """Ends of the characters that tokens are part of: one without text of its own ends with the next."""
        ends = self.ends.copy()
        for index in range(len(ends) - 2, -1, -1):
            if ends[index] == self._starts[index]:
                ends[index] = ends[index + 1]
        return ends


class Reader:
    """Reads conversations of one template back from ids."""

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._grammar = learn_grammar(tokenizer, template)

    @property
    def can_read(self) -> bool:
        """Return whether the template tells its turns apart."""
        return self._grammar is not None

    def read(self, ids: Sequence[int]) -> Reading | None:
        """Return the conversation that stands in ids, whole or cut; None when none can be recognized."""
        if self._grammar is None:
            return None
        controls = self._tokenizer.control_ids
        texts = [
            seal(token) if token in controls else text
            for token, text in zip(ids, token_texts(self._tokenizer, ids), strict=True)
        ]
        exact = self._parsed(texts, self._grammar, is_squeezed=False)
        return exact or self._parsed(
            [squeeze(text) for text in texts], self._grammar.squeezed(), is_squeezed=True
        )

    def _parsed(self, texts: Sequence[str], grammar: Grammar, *, is_squeezed: bool) -> Reading | None:
        text = "".join(texts)
        parse = _Parse(text, grammar)
        if not any(turn.role == "assistant" for turn in parse.turns):
            return None
        messages = tuple(
            Message(role=t.role, content=unsealed(self._tokenizer, text[t.start + t.own : t.end]))
            for t in parse.turns
        )
        if not parse.is_marked and not self._writes(messages, text, is_squeezed=is_squeezed):
            return None
        return Reading(
            text=text,
            ends=np.cumsum([len(piece) for piece in texts], dtype=np.int64),
            turns=tuple(parse.turns),
            messages=messages,
            begins=parse.begins,
            closes=parse.closes,
            is_squeezed=is_squeezed,
            restarts=parse.restarts,
        )

    def _writes(self, messages: Sequence[Message], text: str, *, is_squeezed: bool) -> bool:
        try:
            written = sealed(self._tokenizer, self._template.render(messages).text)
        except REFUSALS:
            return False
        return (squeeze(written) if is_squeezed else written).startswith(text)


class _Parse:
    """Turns found in a sealed text, from its beginning on."""

    def __init__(self, text: str, grammar: Grammar) -> None:
        self._text, self._grammar, self._restarts = text, grammar, grammar.restarts
        self.turns: list[Turn] = []
        self.closes = False
        self.restarts = 0
        self.is_marked = True
        """Every turn is set apart by a control token."""
        opening = next((j for j in longest_first(grammar.openings) if text.startswith(j.text)), None)
        self.begins = opening is not None and bool(opening.text)
        at = 0
        joint = opening if self.begins else None
        if joint is None:
            everywhere = {j for joints in grammar.joints.values() for j in joints}
            at, joint = self._next(everywhere, 0)
        while joint is not None:
            self.is_marked = self.is_marked and is_sealed(joint.text)
            at, joint = self._turn(joint, at + len(joint.text))

    def _turn(self, joint: Joint, start: int) -> tuple[int, Joint | None]:
        """Add the turn that `joint` opens at `start`; return the place of the next joint and the joint."""
        joints = self._grammar.joints.get(joint.role, set())
        restarts = self._restarts.get(joint.role, set())
        end, following = self._next(joints | restarts, start)
        if following and self._text[end:] in self._grammar.endings.get(joint.role, set()):
            following = None  # nothing stands behind it: the conversation ends here
        self.restarts += following in restarts
        tail = following.text if following else self._ending(joint.role, start)
        end = end if following else len(self._text) - len(tail)
        mark = self._grammar.end_of_turn if joint.role == "assistant" else ""
        if mark and mark in tail:
            close = end + tail.index(mark) + len(mark)
        elif mark and not following and (found := self._text.find(mark, start, end)) >= 0:
            end, close = found, found + len(mark)
        else:
            close = end
        own = len(joint.own) if self._text.startswith(joint.own, start) else 0
        self.turns.append(Turn(joint.role, start, min(own, end - start), end, close, self._loose(end, close)))
        return end, following

    def _loose(self, end: int, close: int) -> int:
        behind = len(self._text) - len(self._text[close:].lstrip())
        if close > end:
            return behind
        tail = self._grammar.answer_tail
        known = end + len(tail) if self._text.startswith(tail, end) else end
        return max(known, behind + is_sealed(self._text[behind : behind + 1]))

    def _next(self, joints: set[Joint], start: int) -> tuple[int, Joint | None]:
        """Return the first place from `start` at which one of the joints stands, and that joint."""
        found = [(place, joint) for joint in joints if (place := self._text.find(joint.text, start)) >= 0]
        first = min((place for place, _ in found), default=len(self._text))
        return first, next(longest_first(joint for place, joint in found if place == first), None)

    def _ending(self, role: str, start: int) -> str:
        """Return the text that ends the conversation after a message of this role; empty where it is cut."""
        endings = sorted(self._grammar.endings.get(role, set()), key=len, reverse=True)
        for ending in endings:
            if ending and len(self._text) - len(ending) >= start and self._text.endswith(ending):
                self.closes = True
                return ending
        # Some trainers leave out the white space behind the last end of turn.
        for ending in endings:
            bare = ending.rstrip()
            if bare and len(self._text) - len(bare) >= start and self._text.endswith(bare):
                self.closes = True
                return bare
        self.closes = "" in endings
        return ""
