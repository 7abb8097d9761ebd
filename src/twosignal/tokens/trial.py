"""What a template wants to be given, found by trial: takes its source and a way to render, gives its `Style`."""

from collections.abc import Callable
from itertools import product

from twosignal.text.conversation import Message, ToolCall
from twosignal.text.messages import REASONING_KEYS
from twosignal.tokens.template_values import Style, Values, as_values

Render = Callable[[Values], str | None]
"""Gives the text of a conversation; None where the template refuses it."""

_QUESTION = Message(role="user", content="What is it like?")
_ANSWER = "It is fine."
_THOUGHT = "Let me think."
_CALL = ToolCall(name="find_city", arguments='{"city": "Paris"}', id="abcdefgh1")


def find_style(source: str, render: Render) -> Style:
    """Return the first style in which a template shows what it is given; the usual where it shows it in none."""
    style = Style()
    said = [_QUESTION, Message(role="assistant", content=_ANSWER)]
    in_parts = style._replace(content_as_parts=True)
    if not _shows(render(as_values(said, style=style)), _QUESTION.content, _ANSWER) and _shows(
        render(as_values(said, style=in_parts)), _QUESTION.content, _ANSWER
    ):
        style = in_parts
    style = style._replace(reasoning_key=_reasoning_key(source, render, style))
    return _call_style(render, style) if "tool_calls" in source else style


def _reasoning_key(source: str, render: Render, style: Style) -> str:
    called = Message(role="assistant", content="", reasoning=_THOUGHT, tool_calls=(_CALL,))
    chats = (
        [_QUESTION, Message(role="assistant", content=_ANSWER, reasoning=_THOUGHT)],
        [_QUESTION, called],
    )
    for messages, key in product(chats, REASONING_KEYS):
        asked = style._replace(reasoning_key=key)
        if key in source and _shows(render(as_values(messages, style=asked)), _THOUGHT):
            return key
    return REASONING_KEYS[0]


def _call_style(render: Render, style: Style) -> Style:
    messages = [_QUESTION, Message(role="assistant", content="", tool_calls=(_CALL,))]
    for is_none, is_text in product((False, True), (False, True)):
        asked = style._replace(empty_as_none=is_none, arguments_as_text=is_text)
        text = render(as_values(messages, style=asked))
        # Python's spelling of an object, or JSON within JSON, is not what a call looks like.
        if (
            _shows(text, "find_city", "Paris")
            and not _shows(text, "{'city'")
            and not _shows(text, '\\"city\\"')
        ):
            return asked
    return style


def _shows(text: str | None, *expected: str) -> bool:
    return text is not None and all(part in text for part in expected)
