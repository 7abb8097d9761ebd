"""Takes records built by hand, checks what they promise: text in them, and fingerprints of the text alone."""

import pytest

from twosignal.text.conversation import Conversation, Document, Message, Origin

HERE = Origin(source="s", file="a.jsonl", line=3)
THERE = Origin(source="t", file="b.jsonl", line=9)


def chat(*messages: Message, origin: Origin = HERE, domain: str = "") -> Conversation:
    return Conversation(messages=messages, origin=origin, domain=domain)


def test_an_origin_is_a_place_in_a_file() -> None:
    assert str(HERE) == "a.jsonl:3"


def test_records_without_text_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"a\.jsonl:3: a conversation needs at least one message"):
        chat()
    with pytest.raises(ValueError, match=r"a\.jsonl:3: a document needs text"):
        Document(text="", origin=HERE)


def test_fingerprints_hang_on_the_text_alone() -> None:
    one = Message(role="user", content="Hi")
    assert chat(one).fingerprint == chat(one, origin=THERE, domain="d").fingerprint
    assert (
        Document(text="a", origin=HERE).fingerprint
        == Document(text="a", origin=THERE, is_end=False).fingerprint
    )
    assert len(chat(one).fingerprint) == 16


def test_every_part_of_a_message_changes_the_fingerprint() -> None:
    chats = [
        chat(Message(role="user", content="Hi")),
        chat(Message(role="assistant", content="Hi")),
        chat(Message(role="user", content="Hi", name="Zara")),
        chat(Message(role="user", content="Ho")),
        chat(Message(role="user", content="Hi"), Message(role="user", content="")),
        chat(Message(role="user", content="H"), Message(role="user", content="i")),
    ]
    assert len({record.fingerprint for record in chats}) == 6
