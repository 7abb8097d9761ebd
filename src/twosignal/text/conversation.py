"""What is said: takes nothing, gives the two records every reader produces, `Conversation` and `Document`.

Both know where they came from (`Origin`), so that a bad mask, a loss spike or a copied
passage can be traced to a file and line.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

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
class Message:
    """One turn of a conversation."""

    role: str
    """One of `ROLES`."""
    content: str
    """The text, exactly as read."""
    name: str = ""
    """The speaker's name, or empty."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Turns of a chat, in order; at least one."""

    messages: tuple[Message, ...]
    origin: Origin
    domain: str = ""
    """What it is about, where the data says so."""

    def __post_init__(self) -> None:
        if not self.messages:
            message = f"{self.origin}: a conversation needs at least one message"
            raise ValueError(message)

    def texts(self) -> list[str]:
        """Return what was said, turn by turn."""
        return [message.content for message in self.messages]

    @cached_property
    def fingerprint(self) -> bytes:
        """16 bytes that depend on roles, names and texts only: equal text, equal fingerprint."""
        digest = hashlib.blake2b(digest_size=16)
        for message in self.messages:
            for part in (message.role, message.name, message.content):
                digest.update(part.encode("utf-8", "surrogatepass") + b"\x00")
        return digest.digest()


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


Record = Conversation | Document
