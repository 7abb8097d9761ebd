"""What a template takes off the ends of texts: takes a layout, gives by trial how the text of each slot is trimmed.

Only of use where the template is known to do nothing else with texts (influence.py).
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from twosignal.text.conversation import Message
from twosignal.tokens.layout import Part

# Ends of a text that is kept whole, that lost its line feeds, and that lost all white space.
_LEFT = ("\n\v\n", "\v\n", "")
_RIGHT = ("\n\v\n", "\n\v", "")
_TAKEN = ("", "\n", None)


class Trim(NamedTuple):
    """What is taken off the start and the end of a text: characters, or None for all white space."""

    left: str | None = ""
    right: str | None = ""

    def __call__(self, text: str) -> str:
        """Return the text without what is taken off."""
        if self.left is None or self.left:
            text = text.lstrip(self.left)
        return text.rstrip(self.right) if self.right is None or self.right else text


def probes(roles: Sequence[tuple[str, bool]]) -> list[Message]:
    """Return messages of these roles, named or not, whose texts have white space of all kinds around them."""
    text = f"{_LEFT[0]}X{_RIGHT[0]}"
    return [Message(role=role, content=text, name=text if is_named else "") for role, is_named in roles]


def find_trims(parts: Sequence[Part], text: str) -> tuple[Trim, ...] | None:
    """Return how each slot is trimmed in `text`, the rendering of `probes`; empty if none is.

    None if the text is no such rendering.
    """
    scaffolds = [""]
    for part in parts:
        if part.slot is None:
            scaffolds[-1] += part.scaffold
        else:
            scaffolds.append("")
    if not text.startswith(scaffolds[0]):
        return None
    at, trims = len(scaffolds[0]), []
    for scaffold in scaffolds[1:]:
        for left, right in product(_LEFT, _RIGHT):
            written = f"{left}X{right}{scaffold}"
            if text.startswith(written, at):
                break
        else:
            return None
        trims.append(Trim(_TAKEN[_LEFT.index(left)], _TAKEN[_RIGHT.index(right)]))
        at += len(written)
    if at < len(text):
        return None
    return tuple(trims) if set(trims) != {Trim()} else ()
