"""One chat form, many chats: takes how a chat of one shape is written, gives the drafts of all chats of that shape.

A draft names its form and the texts that fill it, so that a batch can be encoded without a
look at each message.
"""

from collections.abc import Mapping
from typing import NamedTuple

from twosignal.tokens.draft import Fixed, Segment
from twosignal.tokens.layout import Slot
from twosignal.tokens.program import Program, Run, fill_program


class Form:
    """How the chats of one shape are written."""

    __slots__ = ("program", "slots")

    def __init__(self, program: Program) -> None:
        self.program = program
        parts = (part for item in program if isinstance(item, Run) for part in item.parts)
        self.slots = tuple(part.slot for part in parts if part.slot is not None)
        """What stands where, in the order of the text."""

    def fill(self, filled: Mapping[Slot, str]) -> "Filled":
        """Return the draft of the chat with these texts."""
        return Filled(self, tuple([filled[slot] for slot in self.slots]))


class Filled(NamedTuple):
    """The draft of one chat: its form, and what stands in each of the form's slots."""

    form: Form
    texts: tuple[str, ...]

    @property
    def items(self) -> list[Fixed | Segment]:
        """The chat in single items, as in `Draft`."""
        filled = dict(zip(self.form.slots, self.texts, strict=True))
        return fill_program(self.form.program, filled).items
