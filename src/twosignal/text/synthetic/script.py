"""Conversations from templates: takes scripts, gives conversations without repetition, and judges any by recomputing it.

A template holds slots such as `{a}`. Some values are drawn, the others follow from them by the
script's `solve`. To judge a conversation the templates are read backwards: the slots are found in its
text, and what follows from the drawn ones must be what the assistant said.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from random import Random
from typing import TypeVar

from twosignal.text.conversation import Conversation, Message, Origin

Item = TypeVar("Item")
Slots = Mapping[str, str]

SYSTEM_SHARE = 0.4
"""Share of conversations that begin with a system message, where the script has one."""
MAX_REPEATS = 200
"""So many repetitions in a row mean that short conversations are used up, and longer ones follow."""


class Draw:
    """Random choices that are the same on every machine and Python version, from a name as the seed."""

    def __init__(self, name: str) -> None:
        seed = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
        # Of all of Random's methods only random() is promised to stay the same.
        self._random = Random(seed).random

    def below(self, limit: int) -> int:
        """Return a whole number from 0 up to, not including, the limit."""
        return int(self._random() * limit)

    def between(self, least: int, most: int) -> int:
        """Return a whole number from least to most, both included."""
        return least + self.below(most - least + 1)

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[self.below(len(items))]

    def pick_two(self, items: Sequence[Item]) -> tuple[Item, Item]:
        """Return two items from different places."""
        first, second = self.below(len(items)), self.below(len(items) - 1)
        return items[first], items[second + (second >= first)]

    def is_lucky(self, share: float) -> bool:
        """Return True in the given share of calls."""
        return self._random() < share


def follows_nothing(slots: Slots) -> dict[str, str]:
    """Return no further values: for scripts whose slots are all drawn."""
    del slots
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One kind of exchange."""

    turns: tuple[tuple[str, ...], ...]
    """Templates to choose from, per turn; user and assistant take turns, the user begins."""
    draw: Callable[[Draw], dict[str, str]]
    """Draws the given slots."""
    solve: Callable[[Slots], dict[str, str]] = follows_nothing
    """Computes the slots that follow; KeyError or ValueError where the given ones cannot be."""
    system: tuple[str, ...] = ()
    """System messages to choose from."""
    weight: int = 1
    """How often it is played, relative to the other scripts of its chat."""

    def play(self, draw: Draw) -> list[Message]:
        """Return the messages of one exchange."""
        given = self.draw(draw)
        slots = {**given, **self.solve(given)}
        messages = []
        if self.system and draw.is_lucky(SYSTEM_SHARE):
            messages.append(Message(role="system", content=draw.pick(self.system)))
        for number, variants in enumerate(self.turns):
            role = "assistant" if number % 2 else "user"
            messages.append(Message(role=role, content=draw.pick(variants).format_map(slots)))
        return messages

    def is_followed(self, texts: Sequence[str]) -> bool:
        """Return whether the texts are this script's turns and all that follows from their slots is right."""
        return len(texts) == len(self.turns) and self._can_continue(texts, 0, {})

    def _can_continue(self, texts: Sequence[str], turn: int, slots: dict[str, str]) -> bool:
        if turn == len(texts):
            try:
                facts = self.solve(slots)
            except (KeyError, ValueError):
                return False
            return all(slots.get(name, value) == value for name, value in facts.items())
        for template in self.turns[turn]:
            match = _pattern(template).fullmatch(texts[turn])
            found = match.groupdict() if match else None
            if found is None or any(slots.get(name, value) != value for name, value in found.items()):
                continue
            if self._can_continue(texts, turn + 1, {**slots, **found}):
                return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A generator of conversations."""

    name: str
    """Its name, the domain of its conversations, and its seed."""
    scripts: tuple[Script, ...]
    asks_questions: bool
    """No question is asked twice; else no whole conversation comes twice."""
    double_share: float = 0.0
    """Share of conversations that hold two exchanges."""

    def conversations(self, *, source: str, limit: int) -> Iterator[Conversation]:
        """Yield `limit` conversations, the same ones each time.

        When short ones are used up, conversations grow by one exchange after another.
        """
        draw = Draw(self.name)
        chosen = [script for script in self.scripts for _ in range(script.weight)]
        seen: set[str | bytes] = set()
        number = repeats = growth = 0
        while number < limit:
            length = 1 + growth + draw.is_lucky(self.double_share)
            messages = [message for _ in range(length) for message in draw.pick(chosen).play(draw)]
            # Only the first exchange may bring a system message.
            messages = [m for n, m in enumerate(messages) if n == 0 or m.role != "system"]
            origin = Origin(source=source, file=f"builtin:{self.name}", line=number + 1)
            conversation = Conversation(messages=tuple(messages), origin=origin, domain=self.name)
            keys: set[str | bytes] = {conversation.fingerprint}
            if self.asks_questions and not growth:
                keys = {message.content for message in messages if message.role == "user"}
            if keys & seen or (self.asks_questions and not growth and len(keys) < length):
                repeats += 1
                if repeats == MAX_REPEATS:
                    growth, repeats = growth + 1, 0
                continue
            seen |= keys
            repeats = 0
            number += 1
            yield conversation

    def is_right(self, conversation: Conversation) -> bool:
        """Return whether every exchange is one of this chat's and every answer in it is right."""
        messages = conversation.messages
        if messages[0].role == "system":
            messages = messages[1:]
        roles = [message.role for message in messages]
        if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
            return False
        return self._is_right([message.content.strip() for message in messages])

    def _is_right(self, texts: list[str]) -> bool:
        if not texts:
            return True
        lengths = sorted({len(script.turns) for script in self.scripts})
        return any(
            any(script.is_followed(texts[:length]) for script in self.scripts)
            and self._is_right(texts[length:])
            for length in lengths
            if length <= len(texts)
        )


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """Return the expression that reads a template backwards; a slot takes as little as it can."""
    parts = re.split(r"\{(\w+)\}", template)
    pieces, named = [], set[str]()
    for number, part in enumerate(parts):
        if number % 2 == 0:
            pieces.append(re.escape(part))
        elif part in named:
            pieces.append(f"(?P={part})")
        else:
            named.add(part)
            pieces.append(rf"(?P<{part}>\S(?:.*?\S)?)")
    return re.compile("".join(pieces))
