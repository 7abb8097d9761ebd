"""The shapes a record may have: takes one parsed JSON value, gives a `Conversation` or a `Document`.

messages            {"messages": [{"role", "content", "name"?}]}, also under "conversation" or "conversations"
sharegpt            {"conversations": [{"from", "value"}]}
alpaca              {"instruction", "input"?, "output"}
prompt-completion   {"prompt", "completion"}: texts, or lists of messages
text                {"text"} or {"content"}

Beside these a record may carry "domain" (a text, or a list of texts) and, in front of a conversation
that does not begin with one, a "system" text. Other keys are ignored.
"""

from collections.abc import Mapping
from typing import Literal, cast

from twosignal.text.conversation import Conversation, Document, Message, Origin, Record
from twosignal.text.malformed import MalformedError, describe

Shape = Literal["messages", "sharegpt", "alpaca", "prompt-completion", "text"]

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

TURN_KEYS = ("messages", "conversation", "conversations")
TEXT_KEYS = ("text", "content")
KNOWN_KEYS = (*TURN_KEYS, *TEXT_KEYS, "instruction", "input", "output", "prompt", "completion")
EXTRA_KEYS = ("domain", "system")

_EXPECTED: dict[Shape, str] = {
    "messages": '"messages": a list of {"role", "content"}',
    "sharegpt": '"conversations": a list of {"from", "value"}',
    "alpaca": '"instruction" and "output"',
    "prompt-completion": '"prompt" and "completion"',
    "text": '"text"',
}
_EXPECTED_ANY = "one of: " + "; ".join(_EXPECTED.values())


def shape_of(record: Mapping[str, object]) -> Shape | None:
    """Return the shape that the keys of a record show, or None. Keys that hold null count last."""
    filled = {key for key, value in record.items() if value is not None}
    return _shape_by_keys(record, filled) or _shape_by_keys(record, set(record))


def parse(value: object, shape: Shape | Literal["auto"], *, origin: Origin) -> Record:
    """Return the record that a JSON value describes.

    Raises MalformedError with what was found and expected, down to the number of the message.
    """
    if not isinstance(value, dict):
        raise MalformedError(found=describe(value), expected="an object, " + _EXPECTED_ANY)
    record = cast("dict[str, object]", value)
    known = shape_of(record) if shape == "auto" else shape
    if known is None:
        keys = ", ".join(f'"{key}"' for key in list(record)[:8]) or "none"
        raise MalformedError(found=f"an object with the keys {keys}", expected=_EXPECTED_ANY)
    domain = _domain(record.get("domain"))
    if known == "text":
        key = _first_key(record, TEXT_KEYS, known)
        text = _text(record[key], f'"{key}"')
        return Document(text=_filled(text, f'"{key}"'), origin=origin, domain=domain)
    messages = _with_system(_conversation(record, known), record.get("system"))
    return Conversation(messages=messages, origin=origin, domain=domain)


def _shape_by_keys(record: Mapping[str, object], keys: set[str]) -> Shape | None:
    for key in TURN_KEYS:
        if key in keys:
            turns = record[key]
            first = turns[0] if isinstance(turns, list) and turns else None
            return "sharegpt" if isinstance(first, dict) and "from" in first else "messages"
    if {"instruction", "output"} <= keys:
        return "alpaca"
    if {"prompt", "completion"} <= keys:
        return "prompt-completion"
    return "text" if keys & set(TEXT_KEYS) else None


def _conversation(record: Mapping[str, object], shape: Shape) -> tuple[Message, ...]:
    if shape in ("messages", "sharegpt"):
        key = _first_key(record, TURN_KEYS, shape)
        return _turns(record[key], f'"{key}"', is_sharegpt=shape == "sharegpt")
    if shape == "alpaca":
        task = _filled(_text(_get(record, "instruction", shape), '"instruction"'), '"instruction"')
        given = "" if record.get("input") is None else _text(record["input"], '"input"')
        answer = _filled(_text(_get(record, "output", shape), '"output"'), '"output"')
        question = f"{task}\n\n{given}" if given.strip() else task
        return (
            Message(role="user", content=question),
            Message(role="assistant", content=answer),
        )
    prompt = _said(_get(record, "prompt", shape), "user", '"prompt"')
    return prompt + _said(_get(record, "completion", shape), "assistant", '"completion"')


def _said(value: object, role: str, place: str) -> tuple[Message, ...]:
    if isinstance(value, list):
        return _turns(value, place, is_sharegpt=False)
    return (Message(role=role, content=_filled(_text(value, place), place)),)


def _turns(value: object, place: str, *, is_sharegpt: bool) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise MalformedError(found=f"{describe(value)} as {place}", expected="a list of at least one message")
    speaker, said = ("from", "value") if is_sharegpt else ("role", "content")
    messages = tuple(
        _message(item, f"message {number}", keys=(speaker, said)) for number, item in enumerate(value, 1)
    )
    if not any(message.content.strip() for message in messages):
        raise MalformedError(found="a conversation without any text", expected="text in its messages")
    return messages


def _message(item: object, place: str, *, keys: tuple[str, str]) -> Message:
    speaker, said = keys
    if not isinstance(item, dict):
        raise MalformedError(
            found=f"{describe(item)} as {place}", expected=f'an object with "{speaker}" and "{said}"'
        )
    for key in keys:
        if key not in item:
            raise MalformedError(found=f'no "{key}" in {place}', expected=f'"{speaker}" and "{said}"')
    spelling = item[speaker]
    role = ROLE_OF.get(spelling.strip().lower()) if isinstance(spelling, str) else None
    if role is None:
        shown = f'"{spelling}"' if isinstance(spelling, str) else describe(spelling)
        raise MalformedError(
            found=f'the role {shown} in {place} ("{speaker}")', expected="one of " + ", ".join(ROLE_OF)
        )
    content = _text(item[said], f'{place} ("{said}")')
    name = item.get("name")
    return Message(role=role, content=content, name="" if name is None else _text(name, f'{place} ("name")'))


def _with_system(messages: tuple[Message, ...], value: object) -> tuple[Message, ...]:
    system = "" if value is None else _text(value, '"system"')
    if not system.strip() or messages[0].role == "system":
        return messages
    return (Message(role="system", content=system), *messages)


def _text(value: object, place: str) -> str:
    """Return a text as it is, or the texts of a list of text parts joined."""
    if isinstance(value, str):
        if not value.isascii():
            _check_characters(value, place)
        return value
    if isinstance(value, list):
        return "".join(_part(part, f"part {n} of {place}") for n, part in enumerate(value, 1))
    raise MalformedError(found=f"{describe(value)} in {place}", expected="text")


def _part(part: object, place: str) -> str:
    expected = '{"type": "text", "text": ...}'
    if not isinstance(part, dict):
        raise MalformedError(found=f"{describe(part)} as {place}", expected=expected)
    if part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise MalformedError(found=f'type "{part.get("type")}" as {place}', expected=expected)
    return _text(part["text"], place)


def _check_characters(text: str, place: str) -> None:
    # JSON can spell half a surrogate pair; tokenizers refuse it, so it must not get that far.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedError(
            found=f"half a surrogate pair at character {error.start + 1} of {place}",
            expected="whole characters",
        ) from error


def _filled(text: str, place: str) -> str:
    if not text.strip():
        raise MalformedError(found=f"empty text in {place}", expected="text")
    return text


def _get(record: Mapping[str, object], key: str, shape: Shape) -> object:
    if key not in record:
        raise MalformedError(found=f'no "{key}"', expected=_EXPECTED[shape])
    return record[key]


def _first_key(record: Mapping[str, object], keys: tuple[str, ...], shape: Shape) -> str:
    present = [key for key in keys if key in record]
    if not present:
        found = ", ".join(f'"{key}"' for key in list(record)[:8]) or "none"
        raise MalformedError(found=f"an object with the keys {found}", expected=_EXPECTED[shape])
    filled = [key for key in present if record[key] is not None]
    return (filled or present)[0]


def _domain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _text(value, '"domain"')
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return _text("+".join(value), '"domain"')
    raise MalformedError(found=f'{describe(value)} in "domain"', expected="text or a list of texts")
