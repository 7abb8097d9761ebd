"""Takes the names of built-in sources, checks that each gives distinct records, the same everywhere, and right ones."""

from hashlib import blake2b
from itertools import islice

import pytest

from twosignal.errors import SourceError
from twosignal.text.builtin import BUILTIN, BuiltinInput, builtin_fingerprint, parse_builtin
from twosignal.text.conversation import Conversation, Document

GENERATED = [name for name in BUILTIN if not name.startswith("python-") and name != "canaries"]
CHATS = [name for name in BUILTIN if name.startswith("chat-")]
GOLDEN = {
    "chat-arithmetic": "2b2edb88c9d22ed9",
    "chat-units": "e22b9fe3e0417944",
    "chat-dates": "8df94e1e18dd16ba",
    "chat-words": "db5e48aba3bb0eb2",
    "chat-dialogue": "3b0d8d3f4063a411",
    "listing": "1a019c8e0a237cac",
}


def test_the_promised_sources_are_there() -> None:
    assert set(BUILTIN) == {
        "chat-arithmetic", "chat-units", "chat-dates", "chat-words", "chat-dialogue",
        "listing", "canaries", "python-docs", "python-source",
    }  # fmt: skip
    assert all(builtin.description.endswith(".") for builtin in BUILTIN.values())


@pytest.mark.parametrize("name", BUILTIN)
def test_records_know_name_place_and_source(name: str) -> None:
    records = list(BuiltinInput(name=name).records(source="mine", limit=20))
    assert len(records) == 20
    for number, record in enumerate(records, 1):
        assert record.domain == name
        assert record.origin.source == "mine"
        if not name.startswith("python-"):
            assert str(record.origin) == f"builtin:{name}:{number}"
        assert isinstance(record, Conversation if name.startswith("chat-") else Document)


@pytest.mark.parametrize("name", GENERATED)
def test_every_machine_gets_the_same_records(name: str) -> None:
    digest = blake2b(digest_size=8)
    for record in BUILTIN[name].generate("s", 300):
        digest.update(record.fingerprint)
    assert digest.hexdigest() == GOLDEN[name]


@pytest.mark.parametrize("name", GENERATED)
def test_without_a_limit_there_are_four_thousand_different_records(name: str) -> None:
    fingerprints = [record.fingerprint for record in BUILTIN[name].generate("s", None)]
    assert len(fingerprints) == len(set(fingerprints)) == 4000


@pytest.mark.parametrize("name", GENERATED)
def test_a_limit_cuts_the_same_sequence(name: str) -> None:
    short = list(BUILTIN[name].generate("s", 10))
    assert short == list(islice(BUILTIN[name].generate("s", 30), 10))


@pytest.mark.parametrize("name", CHATS)
def test_every_generated_answer_is_right(name: str) -> None:
    is_right = BUILTIN[name].is_right
    assert is_right is not None
    for record in BUILTIN[name].generate("s", 1000):
        assert isinstance(record, Conversation)
        assert is_right(record), record


@pytest.mark.parametrize("name", CHATS)
def test_every_generated_turn_is_plain_text(name: str) -> None:
    for record in BUILTIN[name].generate("s", 1000):
        assert isinstance(record, Conversation)
        for message in record.messages:
            assert message.content.isascii()
            assert message.content == message.content.strip()
            assert message.content[0].isupper() or message.content[0].isdigit()
            assert message.content[-1] in ".?"
            assert not set(message.content) & set("{}")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SourceError) as caught:
        parse_builtin("builtin:chat-arithmetics", source="s")
    message = str(caught.value)
    assert message.startswith('builtin:chat-arithmetics: source "s": no such built-in source')
    assert "expected one of chat-arithmetic, chat-units" in message
    assert message.endswith("Did you mean builtin:chat-arithmetic?")
    with pytest.raises(SourceError, match="expected one of"):
        parse_builtin("builtin:zzz", source="s")


def test_the_fingerprint_follows_name_and_limit() -> None:
    one = builtin_fingerprint(BuiltinInput(name="listing"), limit=None)
    assert one == builtin_fingerprint(BuiltinInput(name="listing"), limit=None)
    assert one != builtin_fingerprint(BuiltinInput(name="listing"), limit=1)
    assert one != builtin_fingerprint(BuiltinInput(name="chat-dates"), limit=None)
