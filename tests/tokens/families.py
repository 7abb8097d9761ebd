"""Chat templates of well-known models as TRL ships them: takes a name, gives a tokenizer with that template.

TRL itself is not imported, because that takes long. The vocabulary is trained here; every
control token that a template writes is one of the tokenizer.
"""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from twosignal.text.conversation import Conversation, Message, ToolCall
from twosignal.tokens.tokenizer import Tokenizer

from . import saved

CONTROL = re.compile(
    r"<[|\uff5c][^<>|\uff5c\s]{1,40}[|\uff5c]>|<\|[^<>|\s]{1,40}>|<[^<>|\s]{1,40}\|>"
    r"|<(?:start_of_turn|end_of_turn|end_of_utterance)>"
)
NAMED = {
    "llama": ("<|begin_of_text|>", "<|end_of_text|>"),
    "gemma": ("<bos>", "<eos>"),
    "deepseek": ("<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>"),
    "cohere": ("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"),
    "lfm": ("<|startoftext|>", "<|im_end|>"),
    "qwen": ("<|endoftext|>", "<|im_end|>"),
    "nemotron": ("<s>", "<|im_end|>"),
    "phi": ("<s>", "<|endoftext|>"),
    "gptoss": ("<|startoftext|>", "<|return|>"),
    "glm": ("[gMASK]", "<|endoftext|>"),
    "smolvlm": ("<|im_start|>", "<end_of_utterance>"),
}
"""First and last token of each maker's models."""

CALL = ToolCall(name="lookzap", arguments='{"place": "argzap"}', id="abc123xyz")
TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "lookzap",
                "description": "deszap",
                "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
            },
        }
    ]
)


def said(role: str, content: str, **fields: Any) -> Message:
    return Message(role=role, content=content, **fields)


RESULT = said("tool", "r1zap", name="lookzap", call_id="abc123xyz")
SHAPES: dict[str, tuple[Message, ...]] = {
    "plain": (said("user", "q1zap"), said("assistant", "a1zap")),
    "system": (said("system", "s1zap"), said("user", "q1zap"), said("assistant", "a1zap")),
    "turns": (
        said("user", "q1zap"),
        said("assistant", "a1zap"),
        said("user", "q2zap"),
        said("assistant", "a2zap"),
    ),
    "names": (said("user", "q1zap", name="Bo"), said("assistant", "a1zap", name="Zara")),
    "calls": (
        said("user", "q1zap"),
        said("assistant", "", tool_calls=(CALL,)),
        RESULT,
        said("assistant", "a2zap"),
    ),
    "reasoning": (
        said("user", "q1zap"),
        said("assistant", "a1zap", reasoning="t1zap"),
        said("user", "q2zap"),
        said("assistant", "a2zap", reasoning="t2zap"),
    ),
}


def conversation(shape: str) -> Conversation:
    tools = TOOLS if shape == "calls" else ""
    return Conversation(messages=SHAPES[shape], origin=saved.ORIGIN, tools=tools)


def as_dicts(messages: tuple[Message, ...], *, reasoning_key: str, in_parts: bool) -> list[dict[str, Any]]:
    """The messages as transformers' documentation writes them, arguments as objects."""
    found = []
    for message in messages:
        content: Any = [{"type": "text", "text": message.content}] if in_parts else message.content
        fields: dict[str, Any] = {"role": message.role, "content": content}
        if message.name:
            fields["name"] = message.name
        if message.reasoning:
            fields[reasoning_key] = message.reasoning
        if message.call_id:
            fields["tool_call_id"] = message.call_id
        if message.tool_calls:
            fields["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.loads(call.arguments)},
                }
                for call in message.tool_calls
            ]
        found.append(fields)
    return found


@cache
def _trained() -> str:
    return str(saved.byte_level_backend(vocab=300).to_str())


def template(name: str) -> str:
    spec = importlib.util.find_spec("trl")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def files(name: str) -> dict[str, bytes]:
    """The files of a tokenizer with one of TRL's templates."""
    source = template(name)
    bos, eos = next(named for maker, named in NAMED.items() if name.startswith(maker))
    controls = list(dict.fromkeys([bos, eos, *CONTROL.findall(source)]))
    backend = Backend.from_str(_trained())
    return saved.saved_files(backend, template=source, controls=controls, bos_token=bos, eos_token=eos)


@cache
def family(name: str) -> Tokenizer:
    """A tokenizer with one of TRL's templates."""
    return saved.build(files(name))
