"""What is said: takes nothing, gives the records every reader produces: `Conversation`, `Document` and `Tokenized`.

All know where they came from (`Origin`), so that a bad mask, a loss spike or a copied
passage can be traced to a file and line.
"""

import hashlib
import json
from array import array
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a record came from."""

    source: str
    """Name of the source in the run file."""
    file: str
    """Path as the user gave it, or `builtin:NAME`."""
    line: int
    """First line of the record, from 1; the record's number in formats without lines."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of a function that the model writes instead of, or beside, a text."""

    name: str
    """The function's name."""
    arguments: str
    """JSON text of the arguments as they were given: order of keys kept, nothing added."""
    id: str = ""
    """By which the tool's answer may refer to the call, or empty."""


class Message(NamedTuple):
    """One turn of a conversation.

    A tuple, because there are so many: it is made in a quarter of the time, and `zip(*messages)` gives all roles,
    all texts and so on at once.
    """

    role: str
    """One of `ROLES`."""
    content: str
    """The text, exactly as read."""
    name: str = ""
    """The speaker's name, the tool's on a tool's answer, or empty."""
    reasoning: str = ""
    """What the model thought before it answered, where the data keeps that apart from the content."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The calls of an assistant turn, in order."""
    call_id: str = ""
    """On a tool's answer, the `ToolCall.id` it answers, or empty."""
    weight: int = 1
    """1: learned where the source's rule says so; 0: never learned."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Turns of a chat, in order; at least one."""

    messages: tuple[Message, ...]
    origin: Origin
    domain: str = ""
    """What it is about, where the data says so."""
    tools: str = ""
    """JSON text of the list of tools the model may call, or empty."""

    def __post_init__(self) -> None:
        if not self.messages:
            message = f"{self.origin}: a conversation needs at least one message"
            raise ValueError(message)

    def texts(self) -> list[str]:
        """Return what was said, turn by turn."""
        return [message.content for message in self.messages]

    @cached_property
    def fingerprint(self) -> bytes:
        """16 bytes that depend on what is said and learned, not on the origin: equal text, equal fingerprint."""
        digest = hashlib.blake2b(digest_size=16)
        for message in self.messages:
            for part in (message.role, message.name, message.content):
                digest.update(part.encode("utf-8", "surrogatepass") + b"\x00")
        # Apart, so that a conversation of plain turns is held out or not as it was before these were known.
        if extras := _extras(self):
            digest.update(json.dumps(extras).encode())
        return digest.digest()


def _extras(conversation: Conversation) -> list[object]:
    """Return tools, and index, reasoning, calls and weight of the turns that have any; empty for plain turns."""
    turns = [
        (
            index,
            message.reasoning,
            [(call.name, call.arguments, call.id) for call in message.tool_calls],
            message.call_id,
            message.weight,
        )
        for index, message in enumerate(conversation.messages)
        if message.reasoning or message.tool_calls or message.call_id or message.weight != 1
    ]
    return [conversation.tools, turns] if conversation.tools or turns else []


@dataclass(frozen=True, kw_only=True)
class Document:
    """Running text: a whole document, or one piece of a long one."""

    text: str
    origin: Origin
    domain: str = ""
    is_start: bool = True
    """The text begins its document."""
    is_end: bool = True
    """The text ends its document."""

    def __post_init__(self) -> None:
        if not self.text:
            message = f"{self.origin}: a document needs text"
            raise ValueError(message)

    def texts(self) -> list[str]:
        """Return the text, as a list of one."""
        return [self.text]

    @cached_property
    def fingerprint(self) -> bytes:
        """16 bytes that depend on the text only."""
        return hashlib.blake2b(self.text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(frozen=True, kw_only=True)
class Tokenized:
    """A record that came as token ids; what it was made from may stand beside them."""

    ids: tuple[int, ...]
    supervised: tuple[bool, ...] | None
    """For every id whether it is learned, unshifted; None where the data does not say."""
    origin: Origin
    domain: str = ""
    messages: tuple[Message, ...] = ()
    """The conversation the ids are said to be, or empty; it is rendered to compare."""
    tools: str = ""
    """As in `Conversation`."""

    def __post_init__(self) -> None:
        if not self.ids or (self.supervised is not None and len(self.supervised) != len(self.ids)):
            message = f"{self.origin}: needs ids, and a mask, if any, of their length"
            raise ValueError(message)

    def texts(self) -> list[str]:
        """Return what was said, turn by turn, where the record has it."""
        return [message.content for message in self.messages]

    @cached_property
    def fingerprint(self) -> bytes:
        """16 bytes that depend on ids and mask only."""
        digest = hashlib.blake2b(array("q", self.ids).tobytes(), digest_size=16)
        digest.update(b"" if self.supervised is None else bytes(self.supervised))
        return digest.digest()


Record = Conversation | Document | Tokenized
