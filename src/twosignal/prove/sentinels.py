"""Conversations made to be recognized: takes a tokenizer and a rule of what is learned, gives canaries of every shape.

Every field of a canary holds a word that stands nowhere else, so that what a pipeline did with
the field can be read from the tokens: dropped, doubled, learned or not.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from twosignal.text.conversation import Conversation, Message, Origin, ToolCall
from twosignal.tokens.tokenizer import Tokenizer

NUM_WORDS = 64
WORD_LENGTH = 9
FEWEST_LETTERS = 4
MOST_LISTED = 4_096
"""Entries of a vocabulary of whole words that are looked at for words to make sentinels of."""
WEIGHTED = "an answer of weight 0"
BESIDE_A_CALL = "text beside a tool call"
"""Llama 3's template has no place for it."""
TOOLING = frozenset({"tool", "tools", "tool call", BESIDE_A_CALL})
"""What only conversations with tools ask of a template."""
CALL_ID = "abc123xyz"
"""Nine letters and digits: Mistral's template refuses any other id."""

Rule = Callable[[Sequence[Message]], Sequence[bool]]
"""Says for every message of a conversation whether it is learned."""


class Sentinel(NamedTuple):
    """A word that stands in one field of a canary only."""

    text: str
    field: str
    """What holds it, such as "the text of message 2 (assistant)"."""
    feature: str
    """What a template must know to write it: text, system, tool, reasoning, tool call, tools or name, for example."""
    learned: bool
    message: int = -1
    """Index of the message; -1 for the tools."""
    may_repeat: bool = False
    """Unlearned copies are right: a tool's name stands in the tool's answer too."""
    is_idle: bool = False
    """It stands behind all that is learned, so that nothing is lost where a pipeline ends before it."""


class Canary(NamedTuple):
    """A conversation full of sentinels."""

    shape: str
    """What kind of conversation it is, in a few words."""
    conversation: Conversation
    learned: tuple[bool, ...]
    """For every message whether it is learned."""
    sentinels: tuple[Sentinel, ...]


def assistant_only(messages: Sequence[Message]) -> list[bool]:
    """Return the rule that most trainers have: every assistant turn is learned, but those of weight 0."""
    return [message.role == "assistant" and message.weight > 0 for message in messages]


def canaries(tokenizer: Tokenizer, rule: Rule = assistant_only, *, speaker: str = "") -> list[Canary]:
    """Return one canary per shape of conversation; none where the vocabulary cannot spell sentinels.

    `speaker`: the name that all messages bear, where a rule asks for one.
    """
    words = spellable(tokenizer)
    found = []
    for shape, conversation in _conversations(iter(words)) if words else ():
        whole = conversation
        if speaker:
            named = tuple(message._replace(name=speaker) for message in conversation.messages)
            whole = replace(conversation, messages=named)
        learned = tuple(rule(whole.messages))
        sentinels = tuple(_sentinels(whole, learned, has_names=not speaker))
        found.append(Canary(shape, whole, learned, sentinels))
    return found


def features_of(conversations: Sequence[Conversation], rule: Rule = assistant_only) -> set[str]:
    """Return what a template must know to write these conversations; see `Sentinel.feature`.

    Reasoning counts where it is to be learned; "earlier reasoning" where a further answer follows it.
    """
    found = {"text"}
    for conversation in conversations:
        messages = conversation.messages
        found |= {message.role for message in messages if message.role in ("system", "tool")}
        found |= {"tool call" for message in messages if message.tool_calls}
        found |= {BESIDE_A_CALL for message in messages if message.tool_calls and message.content}
        found |= {"tools"} if conversation.tools else set()
        found |= {"weight"} if any(message.weight == 0 for message in messages) else set()
        thinking = [
            n
            for n, (m, learned) in enumerate(zip(messages, rule(messages), strict=True))
            if m.reasoning and learned
        ]
        found |= {"reasoning"} if thinking else set()
        answers = [n for n, message in enumerate(messages) if message.role == "assistant"]
        found |= {"earlier reasoning"} if thinking and thinking[0] < answers[-1] else set()
    return found


def spellable(tokenizer: Tokenizer) -> list[str]:
    """Return words that this tokenizer can write and read back; none if it cannot write enough of them."""
    letters = [letter for letter in "abcdefghijklmnoprstuvwxyz0123456789" if _is_spelt(tokenizer, letter)]
    if len(letters) >= FEWEST_LETTERS:
        words = list(dict.fromkeys(_word(letters, number) for number in range(2 * NUM_WORDS)))
        words = [word for word in words if _is_spelt(tokenizer, word)]
        return words[:NUM_WORDS] if len(words) >= NUM_WORDS else []
    listed = [tokenizer.decode([index]) for index in range(min(tokenizer.vocab_size, MOST_LISTED))]
    listed = [word for word in listed if word.isalpha() and word.islower() and len(word) > 2]
    pairs = [f"{a} {b} {c}" for a, b, c in zip(listed[::3], listed[1::3], listed[2::3], strict=False)]
    pairs = [pair for pair in pairs if _is_spelt(tokenizer, pair)]
    return pairs[:NUM_WORDS] if len(pairs) >= NUM_WORDS else []


def _word(letters: Sequence[str], number: int) -> str:
    return "".join(
        letters[byte % len(letters)] for byte in blake2b(b"%d" % number, digest_size=WORD_LENGTH).digest()
    )


def _is_spelt(tokenizer: Tokenizer, word: str) -> bool:
    (ids,) = tokenizer.encode_batch([word], is_start=False)
    return tokenizer.unk_id not in ids and tokenizer.decode_within(ids).strip() == word


def _conversations(words: Iterator[str]) -> Iterator[tuple[str, Conversation]]:
    """Yield the shapes of conversations; every field holds a word of its own."""

    def said(role: str, **fields: object) -> Message:
        return Message(role=role, content=next(words))._replace(**fields)  # type: ignore[arg-type]

    def asked() -> Message:
        return said("user")

    def answered(**fields: object) -> Message:
        return said("assistant", **fields)

    name = next(words)
    call = ToolCall(name=name, arguments=json.dumps({"place": next(words)}), id=CALL_ID)
    result = {"name": name, "call_id": CALL_ID}
    shapes: list[tuple[str, list[Message], str]] = [
        ("one answer", [asked(), answered()], ""),
        ("three answers", [m for _ in range(3) for m in (asked(), answered())], ""),
        ("a question without its answer", [asked(), answered(), asked()], ""),
        ("an answer first", [answered(), asked(), answered()], ""),
        ("a system text", [said("system"), asked(), answered(), asked(), answered()], ""),
        ("named speakers", [said("user", name=next(words)), answered(name=next(words))], ""),
        (WEIGHTED, [asked(), answered(weight=0), asked(), answered()], ""),
        ("reasoning", [asked(), answered(reasoning=next(words))], ""),
        (
            "earlier reasoning",
            [asked(), answered(reasoning=next(words)), asked(), answered(reasoning=next(words))],
            "",
        ),
        ("tools that are not called", [asked(), answered()], _schema(next(words), next(words))),
        (
            "a tool call without text",
            [asked(), answered(content="", tool_calls=(call,)), said("tool", **result), answered()],
            _schema(name, next(words)),
        ),
        (
            "a tool call beside text",
            [asked(), answered(tool_calls=(call,)), said("tool", **result), answered()],
            _schema(name, next(words)),
        ),
    ]
    for number, (shape, messages, tools) in enumerate(shapes, 1):
        origin = Origin(source="canary", file="canary", line=number)
        yield shape, Conversation(messages=tuple(messages), origin=origin, tools=tools)


def _schema(name: str, description: str) -> str:
    place = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
    function = {"name": name, "description": description, "parameters": place}
    return json.dumps([{"type": "function", "function": function}])


def _sentinels(conversation: Conversation, learned: Sequence[bool], *, has_names: bool) -> Iterator[Sentinel]:
    """Yield the word of every field; names count only where they are words of their own."""
    if conversation.tools:
        for tool in json.loads(conversation.tools):
            described = tool["function"]["description"]
            yield Sentinel(described, "the description of a tool", "tools", learned=False)
    answers = [n for n, message in enumerate(conversation.messages) if message.role == "assistant"]
    last = max((number for number, is_learned in enumerate(learned) if is_learned), default=-1)
    for number, (message, is_learned) in enumerate(zip(conversation.messages, learned, strict=True)):
        where = f"of message {number + 1} ({message.role})"
        feature = message.role if message.role in ("system", "tool") else "text"
        feature = BESIDE_A_CALL if message.tool_calls else feature
        if message.content:
            text = f"the text {where}"
            yield Sentinel(message.content, text, feature, is_learned, number, is_idle=number > last)
        if message.reasoning:
            earlier = "earlier " if number != answers[-1] else ""
            yield Sentinel(
                message.reasoning, f"the reasoning {where}", f"{earlier}reasoning", is_learned, number
            )
        for call in message.tool_calls:
            (place,) = json.loads(call.arguments).values()
            yield Sentinel(
                call.name,
                f"the tool's name in the call {where}",
                "tool call",
                is_learned,
                number,
                may_repeat=True,
            )
            yield Sentinel(place, f"the arguments of the call {where}", "tool call", is_learned, number)
        if has_names and message.name and message.role != "tool":
            yield Sentinel(message.name, f"the name {where}", "name", learned=False, message=number)
