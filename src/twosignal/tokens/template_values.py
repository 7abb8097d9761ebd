"""What a template is given: takes messages and tools, gives them as the plain values that chat templates read.

Templates agree on roles only. Under which key they look for reasoning, and whether the arguments of a
call must be an object or its JSON text, is a `Style`; trial.py finds it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from twosignal.text.conversation import Message, ToolCall
from twosignal.text.messages import REASONING_KEYS


class Style(NamedTuple):
    """What one template wants to be given."""

    reasoning_key: str = REASONING_KEYS[0]
    """The key of a message under which it looks for reasoning."""
    arguments_as_text: bool = False
    """Arguments are JSON text; else an object."""
    empty_as_none: bool = False
    """The content of a turn that only calls tools is none; else an empty text."""
    content_as_parts: bool = False
    """The content is a list of parts with a type, as models that see images have it; else a text."""


class Values(NamedTuple):
    """A conversation as templates read it."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None

    def before(self, length: int) -> "Values":
        """Return the first `length` messages under the same tools."""
        return Values(self.messages[:length], self.tools)


class Leaf(NamedTuple):
    """One text of a message, and where it stands."""

    message: int
    """Index of the message; -1 for the tools."""
    field: str
    """`content`, `reasoning`, `name`, `call` for a called function's name, `argument`, or `tool`."""


Change = Callable[[str, Leaf], str]


def as_values(messages: Sequence[Message], tools: str = "", *, style: Style = Style()) -> Values:  # noqa: B008  immutable
    """Return the values of messages and the JSON text of tools; what a message lacks is a missing key."""
    return Values([_message(message, style) for message in messages], _tools(tools) if tools else None)


def changed_texts(values: Values, change: Change, *, style: Style, with_keys: bool = False) -> Values:
    """Return the values with every text that a user gave put through `change`; roles, types and ids stay.

    `with_keys` takes in the keys of arguments and all texts of the tools, else of the tools only their names.
    """
    messages = [
        _changed_message(message, index, change=change, style=style, with_keys=with_keys)
        for index, message in enumerate(values.messages)
    ]
    if values.tools is None:
        return Values(messages, None)
    leaf = Leaf(-1, "tool")
    if with_keys:
        return Values(messages, _changed(values.tools, leaf, change=change, with_keys=True))
    return Values(messages, [_renamed(tool, change=change) for tool in values.tools])


def _message(message: Message, style: Style) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name:
        fields["name"] = message.name
    if message.reasoning:
        fields[style.reasoning_key] = message.reasoning
    if style.content_as_parts:
        fields["content"] = [{"type": "text", "text": message.content}]
    if message.tool_calls:
        fields["tool_calls"] = [_call(call, style) for call in message.tool_calls]
        if style.empty_as_none and not message.content:
            fields["content"] = None
    if message.call_id:
        fields["tool_call_id"] = message.call_id
    return fields


def _call(call: ToolCall, style: Style) -> dict[str, Any]:
    arguments = call.arguments if style.arguments_as_text else json.loads(call.arguments)
    fields: dict[str, Any] = {"type": "function", "function": {"name": call.name, "arguments": arguments}}
    return {"id": call.id, **fields} if call.id else fields


@lru_cache(maxsize=64)
def _tools(text: str) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = json.loads(text)
    return tools


def _changed_message(
    message: Mapping[str, Any], index: int, *, change: Change, style: Style, with_keys: bool
) -> dict[str, Any]:
    fields = dict(message)
    if isinstance(fields.get("content"), list):
        parts = [part | {"text": change(part["text"], Leaf(index, "content"))} for part in fields["content"]]
        fields["content"] = parts
    for key, field in (("content", "content"), ("name", "name"), (style.reasoning_key, "reasoning")):
        if isinstance(fields.get(key), str) and fields[key]:
            fields[key] = change(fields[key], Leaf(index, field))
    if "tool_calls" in fields:
        fields["tool_calls"] = [
            call
            | {
                "function": {
                    "name": change(call["function"]["name"], Leaf(index, "call")),
                    "arguments": _changed(
                        call["function"]["arguments"],
                        Leaf(index, "argument"),
                        change=change,
                        with_keys=with_keys,
                    ),
                }
            }
            for call in fields["tool_calls"]
        ]
    return fields


def _changed(value: Any, leaf: Leaf, *, change: Change, with_keys: bool) -> Any:  # noqa: ANN401  any JSON value
    if isinstance(value, str):
        return change(value, leaf)
    if isinstance(value, list):
        return [_changed(item, leaf, change=change, with_keys=with_keys) for item in value]
    if isinstance(value, dict):
        return {
            (change(key, leaf) if with_keys else key): _changed(
                item, leaf, change=change, with_keys=with_keys
            )
            for key, item in value.items()
        }
    return value


def _renamed(tool: dict[str, Any], *, change: Change) -> dict[str, Any]:
    function = tool.get("function")
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return tool | {"function": function | {"name": change(function["name"], Leaf(-1, "tool"))}}
    if isinstance(tool.get("name"), str):
        return tool | {"name": change(tool["name"], Leaf(-1, "tool"))}
    return tool
