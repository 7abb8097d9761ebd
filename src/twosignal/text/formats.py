"""The shapes a record may have: takes one parsed JSON value, gives a `Conversation`, a `Document` or a `Tokenized`.

messages            {"messages": [{"role", "content", ...}]}, also under "conversation" or "conversations"
sharegpt            {"conversations": [{"from", "value"}]}
alpaca              {"instruction", "input"?, "output"}
prompt-completion   {"prompt", "completion"}: texts, or lists of messages; of these only the completion is learned
text                {"text"} or {"content"}
tokenized           {"input_ids", and "labels" or a mask}; see `tokenized`

Beside these a record may carry "domain" (a text, or a list of texts), "tools" (a list, or its JSON text) and, in
front of a conversation that does not begin with one, a "system" text. Other keys are ignored, except those that
look as if they said what is learned.
"""

from collections.abc import Mapping
from typing import Literal, cast

from twosignal.text.conversation import Conversation, Document, Message, Origin, Record
from twosignal.text.malformed import MalformedError, describe
from twosignal.text.messages import parse_text, parse_turns
from twosignal.text.tokenized import (
    IDS_KEY,
    LABELS_KEY,
    MASK_KEYS,
    OTHER_KEYS,
    parse_tokenized,
    refuse_mask_without_ids,
)
from twosignal.text.tool_calls import parse_tools

Shape = Literal["messages", "sharegpt", "alpaca", "prompt-completion", "text"]

TURN_KEYS = ("messages", "conversation", "conversations")
TEXT_KEYS = ("text", "content")
KNOWN_KEYS = (*TURN_KEYS, *TEXT_KEYS, "instruction", "input", "output", "prompt", "completion", IDS_KEY)
EXTRA_KEYS = ("domain", "system", "tools", "chat_template_kwargs", LABELS_KEY, *MASK_KEYS, *OTHER_KEYS)

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
    if record.get("chat_template_kwargs"):
        # To ignore them would render another text than the one that was meant.
        raise MalformedError(
            found='"chat_template_kwargs": settings of the template for this record alone',
            expected='none; reasoning is switched by whether a turn has it, tools by "tools"',
        )
    known = shape_of(record) if shape == "auto" else shape
    if record.get(IDS_KEY) is not None:
        return _tokenized(record, known, origin=origin)
    refuse_mask_without_ids(record)
    if known is None:
        keys = ", ".join(f'"{key}"' for key in list(record)[:8]) or "none"
        raise MalformedError(found=f"an object with the keys {keys}", expected=_EXPECTED_ANY)
    domain = _domain(record.get("domain"))
    if known == "text":
        key = _first_key(record, TEXT_KEYS, known)
        text = parse_text(record[key], f'"{key}"')
        return Document(text=_filled(text, f'"{key}"'), origin=origin, domain=domain)
    messages = _with_system(_conversation(record, known), record.get("system"))
    tools = parse_tools(record.get("tools"))
    return Conversation(messages=messages, origin=origin, domain=domain, tools=tools)


def _tokenized(record: Mapping[str, object], shape: Shape | None, *, origin: Origin) -> Record:
    messages: tuple[Message, ...] = ()
    if shape in ("messages", "sharegpt"):
        messages = _with_system(_conversation(record, shape), record.get("system"))
    return parse_tokenized(
        record,
        messages,
        origin=origin,
        tools=parse_tools(record.get("tools")),
        domain=_domain(record.get("domain")),
    )


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
        return parse_turns(record[key], f'"{key}"', is_sharegpt=shape == "sharegpt")
    if shape == "alpaca":
        task = _filled(parse_text(_get(record, "instruction", shape), '"instruction"'), '"instruction"')
        given = "" if record.get("input") is None else parse_text(record["input"], '"input"')
        answer = _filled(parse_text(_get(record, "output", shape), '"output"'), '"output"')
        question = f"{task}\n\n{given}" if given.strip() else task
        return (
            Message(role="user", content=question),
            Message(role="assistant", content=answer),
        )
    prompt = _said(_get(record, "prompt", shape), "user", '"prompt"')
    prompt = tuple(m._replace(weight=0) if m.role == "assistant" else m for m in prompt)
    return prompt + _said(_get(record, "completion", shape), "assistant", '"completion"')


def _said(value: object, role: str, place: str) -> tuple[Message, ...]:
    if isinstance(value, list):
        return parse_turns(value, place, is_sharegpt=False)
    return (Message(role=role, content=_filled(parse_text(value, place), place)),)


def _with_system(messages: tuple[Message, ...], value: object) -> tuple[Message, ...]:
    system = "" if value is None else parse_text(value, '"system"')
    if not system.strip() or messages[0].role == "system":
        return messages
    return (Message(role="system", content=system), *messages)


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
        return parse_text(value, '"domain"')
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return parse_text("+".join(value), '"domain"')
    raise MalformedError(found=f'{describe(value)} in "domain"', expected="text or a list of texts")
