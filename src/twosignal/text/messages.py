"""Turns of a chat: takes the lists of messages that records hold, gives `Message`s, down to calls, reasoning and weights.

{"role", "content", "name"?, "reasoning_content"?, "tool_calls"?, "tool_call_id"?, "weight"?}, or ShareGPT's
{"from", "value"}. A key that holds null counts as absent, because columnar files fill missing keys with it.
"""

from collections.abc import Mapping
from typing import Any, cast

from twosignal.text.conversation import ROLES, Message, ToolCall
from twosignal.text.malformed import MalformedError, describe
from twosignal.text.tool_calls import parse_calls

ROLE_OF = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
}
"""Role of every known spelling, in lower case. ShareGPT's function_call is spoken by the model."""

REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
WEIGHT_KEYS = ("weight", "train", "training")
"""OpenAI's 0 or 1, and axolotl's booleans."""
_OURS = frozenset(ROLES)
_PLAIN_KEYS = frozenset({"role", "content", "from", "value", "name"})


def parse_turns(value: object, place: str, *, is_sharegpt: bool) -> tuple[Message, ...]:
    """Return the messages of a list; raises MalformedError with the number of the first that cannot be read."""
    if not isinstance(value, list) or not value:
        raise MalformedError(found=f"{describe(value)} as {place}", expected="a list of at least one message")
    if not is_sharegpt and (plain := _plain_turns(value)) is not None:
        return plain
    keys = ("from", "value") if is_sharegpt else ("role", "content")
    messages = tuple([_message(item, f"message {number}", keys=keys) for number, item in enumerate(value, 1)])
    if not any(message.content.strip() or message.tool_calls for message in messages):
        raise MalformedError(found="a conversation without any text", expected="text in its messages")
    return messages


def parse_text(value: object, place: str) -> str:
    """Return a text as it is, or the texts of a list of text parts joined."""
    if isinstance(value, str):
        if not value.isascii():
            _check_characters(value, place)
        return value
    if isinstance(value, list):
        return "".join(_part(part, f"part {n} of {place}") for n, part in enumerate(value, 1))
    raise MalformedError(found=f"{describe(value)} in {place}", expected="text")


def _plain_turns(items: list[Any]) -> tuple[Message, ...] | None:
    """Return the messages at once where each has a role of ours, a text and nothing else; None for others.

    What is refused here is looked at closely, and named, by `_message`.
    """
    try:
        roles = [item["role"] for item in items]
        texts = [item["content"] for item in items]
        if set(map(len, items)) != {2} or set(map(type, texts)) != {str} or not _OURS.issuperset(roles):
            return None
        whole = "".join(texts)
        whole.encode()
    except (TypeError, KeyError, UnicodeEncodeError):
        return None
    return tuple(map(Message, roles, texts)) if whole.strip() else None


def _message(item: object, place: str, *, keys: tuple[str, str]) -> Message:
    speaker, said = keys
    if not isinstance(item, dict):
        raise MalformedError(
            found=f"{describe(item)} as {place}", expected=f'an object with "{speaker}" and "{said}"'
        )
    fields = cast("dict[str, object]", item)
    if speaker not in fields:
        raise MalformedError(found=f'no "{speaker}" in {place}', expected=f'"{speaker}" and "{said}"')
    role = _role(fields[speaker], f'{place} ("{speaker}")')
    name = fields.get("name")
    named = "" if name is None else parse_text(name, f'{place} ("name")')
    if fields.keys() <= _PLAIN_KEYS:
        return Message(role=role, content=_content(fields, said, place), name=named)
    return _rich_message(fields, place, plain=(role, said, named))


def _rich_message(fields: Mapping[str, object], place: str, *, plain: tuple[str, str, str]) -> Message:
    """Return a message that has more keys than role, text and name; unknown ones are ignored."""
    role, said, name = plain
    calls = parse_calls(fields, place)
    reasoning = _reasoning(fields, place)
    if role != "assistant" and (calls or reasoning):
        what = "tool calls" if calls else "reasoning"
        raise MalformedError(
            found=f'{what} in {place}, a turn of the role "{role}"',
            expected=f"{what} in assistant turns only",
        )
    call_id = fields.get("tool_call_id")
    return Message(
        role=role,
        content=_content(fields, said, place, calls=calls),
        name=name,
        reasoning=reasoning,
        tool_calls=calls,
        call_id="" if call_id is None else parse_text(call_id, f'{place} ("tool_call_id")'),
        weight=_weight(fields, place),
    )


def _role(value: object, place: str) -> str:
    role = ROLE_OF.get(value.strip().lower()) if isinstance(value, str) else None
    if role is None:
        shown = f'"{value}"' if isinstance(value, str) else describe(value)
        raise MalformedError(found=f"the role {shown} in {place}", expected="one of " + ", ".join(ROLE_OF))
    return role


def _content(fields: Mapping[str, object], said: str, place: str, *, calls: tuple[ToolCall, ...] = ()) -> str:
    """Return what is said; a turn that calls tools need not say anything."""
    content = fields.get(said)
    if content is None and calls:
        return ""
    if said not in fields:
        raise MalformedError(found=f'no "{said}" in {place}', expected=f'the text of the turn as "{said}"')
    return parse_text(content, f'{place} ("{said}")')


def _reasoning(fields: Mapping[str, object], place: str) -> str:
    given = {key: fields[key] for key in REASONING_KEYS if fields.get(key) not in (None, "")}
    texts = {key: parse_text(value, f'{place} ("{key}")') for key, value in given.items()}
    if len(set(texts.values())) > 1:
        raise MalformedError(
            found=f"two different texts in {' and '.join(texts)} of {place}", expected="one reasoning text"
        )
    return next(iter(texts.values()), "")


def _weight(fields: Mapping[str, object], place: str) -> int:
    given = {key: fields[key] for key in WEIGHT_KEYS if fields.get(key) is not None}
    for key, value in given.items():
        if not isinstance(value, bool | int | float) or value not in (0, 1):
            shown = value if isinstance(value, int | float) else describe(value)
            raise MalformedError(found=f'{shown} as "{key}" of {place}', expected="0 or 1, true or false")
    if len(set(given.values())) > 1:
        raise MalformedError(
            found=f"{' and '.join(given)} of {place} disagree", expected="one word on whether it is learned"
        )
    return int(cast("float", next(iter(given.values()), 1)))


def _part(part: object, place: str) -> str:
    expected = '{"type": "text", "text": ...}; images, audio and video cannot be learned from here'
    if not isinstance(part, dict):
        raise MalformedError(found=f"{describe(part)} as {place}", expected=expected)
    if part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise MalformedError(found=f'type "{part.get("type")}" as {place}', expected=expected)
    return parse_text(part["text"], place)


def _check_characters(text: str, place: str) -> None:
    # JSON can spell half a surrogate pair; tokenizers refuse it, so it must not get that far.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedError(
            found=f"half a surrogate pair at character {error.start + 1} of {place}",
            expected="whole characters",
        ) from error
