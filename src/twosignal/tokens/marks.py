"""Where a template puts texts: takes the values of a conversation, gives them marked, and reads renderings of them.

Marks are characters of Unicode's private planes that stand nowhere in the conversation. Two are put around every
text, inside the white space at its ends; taken out of the rendering, they leave it as it was, or the template
looks at its texts and nothing is proved. The same characters stand in for the first character of what
looks like a control token, so that no text becomes one however the template rewrites it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from twosignal.tokens.template_values import Leaf, Style, Values, changed_texts
from twosignal.tokens.tokenizer import Control, Tokenizer

_PRIVATE = re.compile("[\U000f0000-\U0010fffd]")


class Place(NamedTuple):
    """A stretch of a rendering that one text of a message fills."""

    leaf: Leaf
    start: int
    end: int
    is_whole: bool
    """Both its ends were written; else the template cut the text, and start is end."""

    def is_said_in(self, index: int) -> bool:
        """Return whether it is a text of this message, and not just the speaker's name."""
        return self.leaf.message == index and self.leaf.field != "name"


class Hidden(NamedTuple):
    """A conversation in which nothing looks like a control token."""

    values: Values
    table: Mapping[int, str]
    """For `str.translate`: gives back what was hidden. Empty where nothing was."""


def hide_controls(tokenizer: Tokenizer, values: Values, *, style: Style) -> Hidden:
    """Return the values with a stand-in for the first character of all that spells a control token."""
    free = _unused(values, style)
    stand_ins: dict[str, str] = {}

    def hide(text: str, leaf: Leaf) -> str:
        del leaf
        while tokenizer.has_control_text(text):
            bits = []
            for bit in tokenizer.split_controls(text):
                if isinstance(bit, Control):
                    first = bit.text[0]
                    stand_ins.setdefault(first, stand_ins.get(first) or next(free))
                    bits.append(stand_ins[first] + bit.text[1:])
                else:
                    bits.append(bit)
            text = "".join(bits)
        return text

    hidden = changed_texts(values, hide, style=style, with_keys=True)
    if not stand_ins:
        return Hidden(values, {})
    return Hidden(hidden, {ord(stand_in): first for first, stand_in in stand_ins.items()})


class Marks:
    """The marked form of a conversation, and how to read its renderings."""

    def __init__(self, values: Values, *, style: Style) -> None:
        free = _unused(values, style)
        self._leaves: dict[str, tuple[Leaf, bool]] = {}
        self.texts: list[tuple[Leaf, str]] = []
        """Every text that is not blank, without the white space at its ends, in the order of the messages."""

        def mark(text: str, leaf: Leaf) -> str:
            core = text.strip()
            if not core:
                return text
            first, last = next(free), next(free)
            self._leaves |= {first: (leaf, True), last: (leaf, False)}
            self.texts.append((leaf, core))
            at = text.index(core)
            return text[:at] + first + core + last + text[at + len(core) :]

        self.values = changed_texts(values, mark, style=style)
        """The conversation with its marks."""

    def read(self, marked: str) -> tuple[str, list[Place]]:
        """Return a rendering of `values` without its marks, and the places of the texts in it."""
        pieces: list[str] = []
        places: list[Place] = []
        opened: dict[Leaf, int] = {}
        length = begin = 0
        for found in _PRIVATE.finditer(marked):
            if found[0] not in self._leaves:
                continue
            pieces.append(marked[begin : found.start()])
            length += len(pieces[-1])
            begin = found.end()
            leaf, is_first = self._leaves[found[0]]
            if is_first:
                opened[leaf] = length
                continue
            start = opened.pop(leaf, None)
            places.append(Place(leaf, length if start is None else start, length, start is not None))
        places += [Place(leaf, start, start, is_whole=False) for leaf, start in opened.items()]
        pieces.append(marked[begin:])
        return "".join(pieces), sorted(places, key=lambda place: place[1:])


def _unused(values: Values, style: Style) -> Iterator[str]:
    """Yield private characters that stand in no text of the conversation."""
    used: set[str] = set()

    def look(text: str, leaf: Leaf) -> str:
        del leaf
        used.update(_PRIVATE.findall(text))
        return text

    changed_texts(values, look, style=style, with_keys=True)
    return (chr(code) for code in range(0xF0000, 0x10FFFE) if chr(code) not in used)
