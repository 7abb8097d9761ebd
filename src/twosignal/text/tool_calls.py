"""Tools: takes the calls of a message and the schemas of a record, gives them checked, as JSON text that adds nothing.

A call is {"id"?, "type"?, "function": {"name", "arguments"}} or {"name", "arguments"}; arguments are
an object or its JSON text. Text is kept to the character, an object keeps its keys, their order and its nulls.
"""

import json
from collections.abc import Mapping
from typing import cast

from twosignal.text.conversation import ToolCall
from twosignal.text.malformed import MalformedError, describe


def parse_calls(fields: Mapping[str, object], place: str) -> tuple[ToolCall, ...]:
    """Return the calls under "tool_calls", or under OpenAI's earlier "function_call"; empty without any."""
    calls = fields.get("tool_calls")
    earlier = fields.get("function_call")
    if calls is None and earlier is not None:
        return (_call(earlier, f'"function_call" of {place}'),)
    if calls is None:
        return ()
    if not isinstance(calls, list):
        raise MalformedError(
            found=f'{describe(calls)} as "tool_calls" of {place}', expected="a list of calls"
        )
    return tuple(_call(call, f"tool call {number} of {place}") for number, call in enumerate(calls, 1))


def parse_tools(value: object) -> str:
    """Return the JSON text of a record's tools; empty when there are none."""
    if value is None or value in ("", []):
        return ""
    tools = _load(value, '"tools"') if isinstance(value, str) else value
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise MalformedError(
            found=f'{describe(tools)} as "tools"', expected="a list of tool schemas, or its JSON text"
        )
    if not tools:
        return ""
    return value if isinstance(value, str) else _dump(tools, '"tools"')


def _call(value: object, place: str) -> ToolCall:
    call = _object(value, place)
    function = call if call.get("function") is None else _object(call["function"], f'"function" of {place}')
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise MalformedError(found=f'{describe(name)} as "name" of {place}', expected="the function's name")
    identity = call.get("id")
    return ToolCall(
        name=name,
        arguments=_arguments(function.get("arguments"), f'"arguments" of {place}'),
        id=identity if isinstance(identity, str) else "",
    )


def _arguments(value: object, place: str) -> str:
    given = _load(value, place) if isinstance(value, str) else value
    if not isinstance(given, dict):
        raise MalformedError(
            found=f"{describe(given)} as {place}", expected="an object of arguments, or its JSON text"
        )
    return value if isinstance(value, str) else _dump(given, place)


def _object(value: object, place: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedError(
            found=f"{describe(value)} as {place}", expected='an object with "name" and "arguments"'
        )
    return cast("dict[str, object]", value)


def _load(text: str, place: str) -> object:
    try:
        value: object = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedError(
            found=f"half a surrogate pair in {place}", expected="whole characters"
        ) from error
    except (ValueError, RecursionError) as error:
        raise MalformedError(
            found=f"invalid JSON in {place}: {error}", expected="one whole JSON value"
        ) from error
    return value


def _dump(value: object, place: str) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    # The text of a JSON file may spell what no tokenizer reads.
    _load(text, place)
    return text
