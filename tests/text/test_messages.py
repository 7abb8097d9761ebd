"""Tests of turns: takes messages as people write them, gives `Message`s, or the place of the fault."""

from typing import Any

import pytest

from twosignal.text.conversation import Conversation, Message, Origin, ToolCall
from twosignal.text.formats import parse
from twosignal.text.malformed import MalformedError

ORIGIN = Origin(source="chats", file="chats.jsonl", line=3)
ASKED = {"role": "user", "content": "Hi"}


def messages(*items: object, **fields: object) -> tuple[Message, ...]:
    record = parse({"messages": list(items), **fields}, "auto", origin=ORIGIN)
    assert isinstance(record, Conversation)
    return record.messages


def fault(*items: object, **fields: object) -> str:
    with pytest.raises(MalformedError) as caught:
        messages(*items, **fields)
    return str(caught.value)


def call(arguments: object, **fields: object) -> dict[str, Any]:
    function = {"name": "find", "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"type": "function", "function": function, **fields}],
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"b": 1,  "a": null}', '{"b": 1,  "a": null}'),
        ({"b": 1, "a": None}, '{"b": 1, "a": null}'),
        ({"city": "K\u00f6ln"}, '{"city": "K\u00f6ln"}'),
        ({}, "{}"),
    ],
)
def test_arguments_are_kept_as_they_are_with_order_and_nulls(arguments: object, text: str) -> None:
    (_, answer) = messages(ASKED, call(arguments, id="c1"))
    assert answer == Message(
        role="assistant", content="", tool_calls=(ToolCall(name="find", arguments=text, id="c1"),)
    )


def test_calls_may_be_flat_or_of_the_earlier_kind() -> None:
    flat = {"role": "assistant", "content": "", "tool_calls": [{"name": "find", "arguments": "{}"}]}
    earlier = {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": "{}"}}
    expected = (ToolCall(name="find", arguments="{}"),)
    assert messages(ASKED, flat)[1].tool_calls == messages(ASKED, earlier)[1].tool_calls == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a": ', 'invalid JSON in "arguments" of tool call 1 of message 2'),
        ("[1]", 'a list as "arguments" of tool call 1 of message 2; expected an object'),
        (None, 'null as "arguments"'),
        ("", "invalid JSON"),
        ('{"a": "\\ud800"}', "half a surrogate pair"),
    ],
)
def test_malformed_arguments_are_named(arguments: object, expected: str) -> None:
    assert expected in fault(ASKED, call(arguments))


def test_calls_without_a_name_or_on_the_wrong_turn_are_named() -> None:
    nameless = {"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": "{}"}}]}
    assert 'null as "name" of tool call 1 of message 2' in fault(ASKED, nameless)
    assert 'text as "tool_calls" of message 2' in fault(ASKED, {"role": "assistant", "tool_calls": "x"})
    assert "text as tool call 1" in fault(ASKED, {"role": "assistant", "tool_calls": ["x"]})
    wrong = call("{}") | {"role": "user"}
    assert 'tool calls in message 2, a turn of the role "user"' in fault(ASKED, wrong)


def test_results_keep_the_name_of_the_tool_and_of_the_call() -> None:
    result = {"role": "tool", "content": "12", "tool_call_id": "c1", "name": "find"}
    assert messages(ASKED, call("{}"), result)[2] == Message(
        role="tool", content="12", name="find", call_id="c1"
    )


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_read_under_its_three_names(key: str) -> None:
    answer = {"role": "assistant", "content": "4", key: "2 and 2"}
    assert messages(ASKED, answer)[1] == Message(role="assistant", content="4", reasoning="2 and 2")
    assert messages(ASKED, answer | {"reasoning": None})[1].content == "4"


def test_two_different_reasonings_are_refused() -> None:
    answer = {"role": "assistant", "content": "4", "reasoning": "a", "thinking": "b"}
    assert "two different texts in reasoning and thinking of message 2" in fault(ASKED, answer)
    assert "reasoning in message 1" in fault(ASKED | {"reasoning": "a"})


@pytest.mark.parametrize(
    ("fields", "weight"),
    [
        ({"weight": 0}, 0),
        ({"weight": 1.0}, 1),
        ({"weight": None}, 1),
        ({"train": False}, 0),
        ({"training": True}, 1),
        ({"weight": 0, "train": False}, 0),
    ],
)
def test_weights_are_read_in_both_spellings(fields: dict[str, object], weight: int) -> None:
    assert messages(ASKED, {"role": "assistant", "content": "4", **fields})[1].weight == weight


def test_weights_that_are_neither_or_disagree_are_named() -> None:
    answer = {"role": "assistant", "content": "4"}
    assert '0.5 as "weight" of message 2' in fault(ASKED, answer | {"weight": 0.5})
    assert 'text as "train" of message 2' in fault(ASKED, answer | {"train": "yes"})
    assert "weight and train of message 2 disagree" in fault(ASKED, answer | {"weight": 1, "train": False})


def test_sharegpt_turns_may_have_weights() -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho", "weight": 0}]
    record = parse({"conversations": turns}, "auto", origin=ORIGIN)
    assert isinstance(record, Conversation)
    assert [m.weight for m in record.messages] == [1, 0]


def test_answers_within_a_prompt_are_not_learned() -> None:
    prompt = [ASKED, {"role": "assistant", "content": "Ho"}, ASKED]
    completion = [{"role": "assistant", "content": "Ha"}]
    record = parse({"prompt": prompt, "completion": completion}, "auto", origin=ORIGIN)
    assert isinstance(record, Conversation)
    assert [m.weight for m in record.messages] == [1, 0, 1, 1]


@pytest.mark.parametrize("tools", [[{"name": "find"}], '[{"name":   "find"}]'])
def test_tools_are_kept_as_json_text(tools: object) -> None:
    record = parse({"messages": [ASKED], "tools": tools}, "auto", origin=ORIGIN)
    assert isinstance(record, Conversation)
    assert record.tools == (tools if isinstance(tools, str) else '[{"name": "find"}]')


@pytest.mark.parametrize("tools", [None, [], "", "[]"])
def test_no_tools_are_no_tools(tools: object) -> None:
    record = parse({"messages": [ASKED], "tools": tools}, "auto", origin=ORIGIN)
    assert isinstance(record, Conversation)
    assert record.tools == ""


def test_tools_that_are_no_list_of_objects_are_named() -> None:
    assert 'an object as "tools"' in fault(ASKED, tools={"name": "find"})
    assert 'invalid JSON in "tools"' in fault(ASKED, tools="[")
    assert 'a list as "tools"' in fault(ASKED, tools=["find"])


def test_settings_of_the_template_for_one_record_are_refused() -> None:
    found = fault(ASKED, chat_template_kwargs={"enable_thinking": False})
    assert "settings of the template for this record alone" in found
    assert messages(ASKED, chat_template_kwargs={})


def test_parts_that_are_not_text_are_refused_with_a_sentence() -> None:
    image = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}
    assert 'type "image" as part 1 of message 1 ("content")' in fault(image)
    assert "images, audio and video cannot be learned from here" in fault(image)


def test_extras_change_the_fingerprint_and_plain_turns_keep_theirs() -> None:
    plain = parse({"messages": [ASKED, {"role": "assistant", "content": "Ho"}]}, "auto", origin=ORIGIN)
    # Computed before there were extras: held-out splits must not move.
    assert plain.fingerprint.hex() == "107e9a6228c2719476a216cc801612f6"
    others = [
        [ASKED, {"role": "assistant", "content": "Ho", "weight": 0}],
        [ASKED, {"role": "assistant", "content": "Ho", "reasoning": "a"}],
        [ASKED, {"role": "assistant", "content": "Ho", "tool_calls": [{"name": "a", "arguments": "{}"}]}],
        [ASKED, {"role": "assistant", "content": "Ho", "tool_calls": [{"name": "b", "arguments": "{}"}]}],
        [ASKED, {"role": "tool", "content": "Ho", "tool_call_id": "c"}],
    ]
    found = {parse({"messages": turns}, "auto", origin=ORIGIN).fingerprint for turns in others}
    with_tools = parse(
        {"messages": [ASKED, {"role": "assistant", "content": "Ho"}], "tools": [{}]}, "auto", origin=ORIGIN
    )
    assert len({plain.fingerprint, with_tools.fingerprint, *found}) == 7
