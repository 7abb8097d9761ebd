"""Takes parsed records, checks the conversations and documents they become, and what is said of malformed ones."""

from typing import Any, Literal

import pytest

from twosignal.text.conversation import Conversation, Document, Origin
from twosignal.text.formats import Shape, parse, shape_of
from twosignal.text.malformed import BadRecord, MalformedError, describe

ORIGIN = Origin(source="s", file="f.jsonl", line=3)
HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SHAREGPT = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]


def turns(value: Any, shape: Shape | Literal["auto"] = "auto") -> list[tuple[str, str]]:
    record = parse(value, shape, origin=ORIGIN)
    assert isinstance(record, Conversation)
    assert record.origin == ORIGIN
    return [(message.role, message.content) for message in record.messages]


def malformed(value: Any, shape: Shape | Literal["auto"] = "auto") -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        parse(value, shape, origin=ORIGIN)
    return caught.value


@pytest.mark.parametrize(
    "record",
    [
        {"messages": HELLO},
        {"conversation": HELLO},
        {"conversations": HELLO, "id": 7},
        {"conversations": SHAREGPT},
        {"instruction": "Hi", "output": "Hello"},
        {"instruction": "Hi", "input": "", "output": "Hello"},
        {"instruction": "Hi", "input": None, "output": "Hello"},
        {"prompt": "Hi", "completion": "Hello"},
        {"prompt": HELLO[:1], "completion": HELLO[1:]},
        {"prompt": "Hi", "completion": HELLO[1:]},
        {"messages": None, "prompt": "Hi", "completion": "Hello", "text": None},
        {"messages": [{"role": "Human", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
                      {"role": " GPT ", "content": "Hello"}]},
    ],
)  # fmt: skip
def test_every_shape_becomes_the_same_conversation(record: dict[str, object]) -> None:
    assert turns(record) == [("user", "Hi"), ("assistant", "Hello")]


@pytest.mark.parametrize(
    ("record", "shape"),
    [
        ({"messages": HELLO, "text": ""}, "messages"),
        ({"conversations": SHAREGPT}, "sharegpt"),
        ({"messages": SHAREGPT}, "sharegpt"),
        ({"instruction": "", "output": ""}, "alpaca"),
        ({"prompt": "", "completion": ""}, "prompt-completion"),
        ({"content": "c"}, "text"),
        ({"messages": None, "text": "t"}, "text"),
        ({"text": None}, "text"),
        ({"title": "t"}, None),
    ],
)
def test_the_keys_tell_the_shape(record: dict[str, object], shape: str | None) -> None:
    assert shape_of(record) == shape


def test_text_records_become_documents() -> None:
    for key in ("text", "content"):
        record = parse({key: "Once upon\na time.", "domain": ["tales", "old"]}, "auto", origin=ORIGIN)
        assert record == Document(text="Once upon\na time.", origin=ORIGIN, domain="tales+old")


def test_alpaca_input_follows_the_instruction() -> None:
    record = {"instruction": "Add.", "input": "2 and 3", "output": "5"}
    assert turns(record) == [("user", "Add.\n\n2 and 3"), ("assistant", "5")]


def test_a_system_text_beside_the_turns_comes_first_unless_they_have_one() -> None:
    assert turns({"conversations": SHAREGPT, "system": "Be brief."})[0] == ("system", "Be brief.")
    own = [{"from": "system", "value": "Be long."}, *SHAREGPT]
    assert turns({"conversations": own, "system": "Be brief."})[0] == ("system", "Be long.")


def test_names_and_other_roles_are_kept() -> None:
    messages = [
        {"role": "developer", "content": "d"},
        {"role": "user", "content": "u", "name": None},
        {"role": "assistant", "content": "", "name": "Zara"},
        {"role": "function", "content": "t"},
    ]
    record = parse({"messages": messages, "domain": "d"}, "auto", origin=ORIGIN)
    assert isinstance(record, Conversation)
    assert [(m.role, m.name) for m in record.messages] == [
        ("system", ""), ("user", ""), ("assistant", "Zara"), ("tool", ""),
    ]  # fmt: skip
    assert record.domain == "d"


def test_spaces_and_newlines_of_a_text_are_kept() -> None:
    assert turns({"prompt": " Hi\r\n", "completion": " Hello"}) == [
        ("user", " Hi\r\n"),
        ("assistant", " Hello"),
    ]


@pytest.mark.parametrize(
    ("record", "found", "expected"),
    [
        ([1], "a list", "an object"),
        ("Hi", "text", "an object"),
        ({"title": "x", "body": "y"}, 'the keys "title", "body"', '"messages"'),
        ({}, "the keys none", '"messages"'),
        ({"messages": []}, 'an empty list as "messages"', "at least one message"),
        ({"messages": None}, 'null as "messages"', "at least one message"),
        ({"messages": ["Hi"]}, "text as message 1", 'an object with "role" and "content"'),
        ({"messages": [HELLO[0], {"role": "assistant"}]}, 'no "content" in message 2', '"content"'),
        (
            {"messages": [HELLO[0], {"role": "assistant", "content": None}]},
            'null in message 2 ("content")',
            "text",
        ),
        ({"messages": [{"role": "user", "content": 7}]}, 'a number in message 1 ("content")', "text"),
        ({"messages": [{"role": "user", "content": {}}]}, 'an object in message 1 ("content")', "text"),
        (
            {"messages": [{"role": "narrator", "content": "x"}]},
            '"narrator" in message 1 ("role")',
            "one of system",
        ),
        ({"messages": [{"role": True, "content": "x"}]}, 'true in message 1 ("role")', "human"),
        (
            {"messages": [{"role": "user", "content": "x", "name": 3}]},
            'a number in message 1 ("name")',
            "text",
        ),
        ({"messages": [{"role": "user", "content": " "}]}, "without any text", "text"),
        ({"conversations": [{"from": "alien", "value": "x"}]}, '"alien" in message 1 ("from")', "gpt"),
        ({"conversations": [{"from": "gpt", "text": "x"}]}, 'no "value" in message 1', '"value"'),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "url": "x"}]}]},
            'type "image_url" as part 1 of message 1',
            '"type": "text"',
        ),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "text as part 1 of message 1", '"type": "text"'),
        ({"instruction": "x", "output": ""}, 'empty text in "output"', "text"),
        ({"instruction": "x", "input": 3, "output": "y"}, 'a number in "input"', "text"),
        ({"prompt": None, "completion": "x"}, 'null in "prompt"', "text"),
        ({"prompt": "x", "completion": []}, 'an empty list as "completion"', "at least one"),
        ({"text": "  \n"}, 'empty text in "text"', "text"),
        ({"text": None}, 'null in "text"', "text"),
        ({"text": "x", "domain": {}}, 'an object in "domain"', "a list of texts"),
        ({"text": "caf\ud800"}, "half a surrogate pair at character 4", "whole characters"),
    ],
)
def test_a_malformed_record_says_what_is_wrong_and_where(record: object, found: str, expected: str) -> None:
    error = malformed(record)
    assert found in error.found
    assert expected in error.expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("messages", '"messages": a list'),
        ("sharegpt", '"from", "value"'),
        ("alpaca", '"instruction" and "output"'),
        ("prompt-completion", '"prompt" and "completion"'),
        ("text", '"text"'),
    ],
)
def test_a_named_shape_refuses_records_of_another(shape: Shape, expected: str) -> None:
    assert expected in malformed({"title": "x"}, shape).expected


def test_a_named_shape_is_not_guessed() -> None:
    record = {"messages": HELLO, "text": "plain"}
    assert isinstance(parse(record, "text", origin=ORIGIN), Document)
    assert 'no "from"' in malformed({"messages": HELLO}, "sharegpt").found


def test_a_bad_record_is_a_sentence_with_its_place() -> None:
    bad = BadRecord(file="a.jsonl", line=7, found="null", expected="text")
    assert str(bad) == "a.jsonl:7: found null; expected text"


def test_values_are_described_in_the_words_of_json() -> None:
    values: list[object] = [None, True, False, 3, 2.5, "x", "", [], [1], {}, b"x"]
    assert [describe(value) for value in values] == [
        "null", "true", "false", "a number", "a number", "text", "empty text",
        "an empty list", "a list", "an object", "a value of type bytes",
    ]  # fmt: skip
