"""Takes a chat, gives its questions and answers as pairs; shared by the tests that recompute them."""

from collections.abc import Iterator
from typing import NamedTuple

from twosignal.text.conversation import Conversation, Message, Origin
from twosignal.text.synthetic.script import Chat


class Exchange(NamedTuple):
    """One question with its answer."""

    question: str
    answer: str


def exchanges(chat: Chat, limit: int = 2000) -> Iterator[Exchange]:
    """Yield every question of a chat with its answer."""
    for conversation in chat.conversations(source="s", limit=limit):
        said = [message.content for message in conversation.messages if message.role != "system"]
        for question, answer in zip(said[::2], said[1::2], strict=True):
            yield Exchange(question, answer)


def conversation(*said: str, system: str = "") -> Conversation:
    """Return a conversation in which user and assistant take turns."""
    messages = [Message(role="assistant" if n % 2 else "user", content=text) for n, text in enumerate(said)]
    if system:
        messages.insert(0, Message(role="system", content=system))
    return Conversation(messages=tuple(messages), origin=Origin(source="s", file="f", line=1))
