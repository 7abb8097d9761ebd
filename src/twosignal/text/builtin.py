"""Sources that need no file: takes `builtin:NAME`, gives its records; `BUILTIN` lists them all."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from hashlib import blake2b
from itertools import islice

from twosignal.errors import SourceError
from twosignal.text.conversation import Conversation, Record
from twosignal.text.stdlib import python_docs, python_source
from twosignal.text.synthetic.arithmetic import ARITHMETIC
from twosignal.text.synthetic.canaries import canaries
from twosignal.text.synthetic.dates import DATES
from twosignal.text.synthetic.dialogue import DIALOGUE
from twosignal.text.synthetic.listing import listings
from twosignal.text.synthetic.script import Chat
from twosignal.text.synthetic.units import UNITS
from twosignal.text.synthetic.words import WORD_FACTS

VERSION = 1
"""Of all generators; goes up when any of them gives other records."""
DEFAULT_LIMIT = 4000
"""Records of a generated source without a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Builtin:
    """A source that every machine has."""

    description: str
    """One line for people."""
    generate: Callable[[str, int | None], Iterator[Record]]
    """Takes the source's name and a limit, gives the records."""
    is_right: Callable[[Conversation], bool] | None = None
    """Judges a conversation of this kind, a model's answers too; None where there is nothing to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltinInput:
    """One built-in source, as a run file names it."""

    name: str
    """Its name in `BUILTIN`."""

    @property
    def shown(self) -> str:
        """What errors and origins name."""
        return f"builtin:{self.name}"

    def records(self, *, source: str, limit: int | None) -> Iterator[Record]:
        """Yield its records, at most `limit`."""
        return BUILTIN[self.name].generate(source, limit)


def parse_builtin(spec: str, *, source: str) -> BuiltinInput:
    """Return what `builtin:NAME` means; raises SourceError where there is no such built-in source."""
    name = spec.removeprefix("builtin:")
    if name not in BUILTIN:
        near = get_close_matches(name, BUILTIN, n=1)
        raise SourceError(
            f'source "{source}": no such built-in source',
            where=spec,
            found=f'"{name}"',
            expected="one of " + ", ".join(BUILTIN),
            remedy=f"Did you mean builtin:{near[0]}?" if near else "",
        )
    return BuiltinInput(name=name)


def builtin_fingerprint(builtin: BuiltinInput, *, limit: int | None) -> bytes:
    """Return a hash of what decides the records: the name, the limit, and the versions of Python and generators."""
    facts = f"{builtin.name}:{limit}:{sys.version_info[:3]}:{VERSION}"
    return blake2b(facts.encode(), digest_size=16).digest()


def _chat(chat: Chat, source: str, limit: int | None) -> Iterator[Record]:
    return chat.conversations(source=source, limit=DEFAULT_LIMIT if limit is None else limit)


def _listing(source: str, limit: int | None) -> Iterator[Record]:
    return listings(source=source, limit=DEFAULT_LIMIT if limit is None else limit)


def _canaries(source: str, limit: int | None) -> Iterator[Record]:
    return islice(canaries(source=source), limit)


def _python_docs(source: str, limit: int | None) -> Iterator[Record]:
    return islice(python_docs(source), limit)


def _python_source(source: str, limit: int | None) -> Iterator[Record]:
    return islice(python_source(source), limit)


def _of_chat(chat: Chat, description: str) -> Builtin:
    return Builtin(description=description, generate=partial(_chat, chat), is_right=chat.is_right)


BUILTIN: dict[str, Builtin] = {
    ARITHMETIC.name: _of_chat(ARITHMETIC, "Generated chat: sums, differences, products, comparisons."),
    UNITS.name: _of_chat(
        UNITS, "Generated chat: metres and kilometres, minutes and hours, grams and kilograms."
    ),
    DATES.name: _of_chat(DATES, "Generated chat: weekdays, dates, months and their order."),
    WORD_FACTS.name: _of_chat(WORD_FACTS, "Generated chat: letters, plurals, kinds and opposites of words."),
    DIALOGUE.name: _of_chat(DIALOGUE, "Generated chat of several turns: a cafe, the way, a booking."),
    "listing": Builtin(description="Generated lists: trivially predictable, a trap.", generate=_listing),
    "canaries": Builtin(
        description="Random codes, planted 1, 10 and 100 times, to measure what is learned by heart.",
        generate=_canaries,
    ),
    "python-docs": Builtin(description="Documentation of this Python's library.", generate=_python_docs),
    "python-source": Builtin(description="Source code of this Python's library.", generate=_python_source),
}
"""Every built-in source by name."""
