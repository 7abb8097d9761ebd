"""The fixed panel of prompts: takes the held-out part of every source, gives what the model is asked at every sampling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twosignal.packs.prepare import PreparedSource
from twosignal.text.conversation import Message
from twosignal.tokens.example import Example
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer

DOCUMENT_PROMPT_TOKENS = 24
"""Opening of a held-out document that the model is to continue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt of the panel."""

    ids: tuple[int, ...]
    text: str
    """The prompt as a reader sees it."""
    source: str
    domain: str


def held_out_panel(
    sources: Mapping[str, PreparedSource], tokenizer: Tokenizer, *, size: int, longest: int
) -> list[Prompt]:
    """Draw prompts in turn from every source's held-out examples, evenly spread over each.

    At least one per source that has held-out examples; prompts above `longest` tokens are passed over.
    """
    pools = {name: _prompts(source, tokenizer, longest) for name, source in sources.items()}
    pools = {name: pool for name, pool in pools.items() if pool}
    wanted = max(size, len(pools))
    panel: list[Prompt] = []
    for turn in range(wanted):
        for pool in pools.values():
            if len(panel) < wanted and turn < len(pool):
                panel.append(pool[turn])
    return panel


def given_panel(texts: Sequence[str], renderer: Renderer, *, chat: bool) -> list[Prompt]:
    """Make prompts of the user's own texts: questions to a chat model, openings to any other."""
    tokenizer = renderer.tokenizer
    prompts = []
    for text in texts:
        if chat:
            ids = renderer.prompt_ids([Message(role="user", content=text)])
        else:
            ids = renderer.document_prompt_ids(text)
        prompts.append(Prompt(ids=tuple(ids), text=text, source="prompts", domain=""))
    return prompts or [Prompt(ids=tuple(tokenizer.encode("\n")), text="", source="prompts", domain="")]


def readable(ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """Return the text of ids with a line break where control tokens stand, so that turns are kept apart."""
    parts: list[list[int]] = [[]]
    for token in ids:
        if token in tokenizer.control_ids:
            parts.append([])
        else:
            parts[-1].append(token)
    texts = (tokenizer.decode(part).strip() for part in parts if part)
    return "\n".join(text for text in texts if text)


def _prompts(source: PreparedSource, tokenizer: Tokenizer, longest: int) -> list[Prompt]:
    numbers = source.store.numbers(held_out=True)
    spread = numbers[np.unique(np.linspace(0, len(numbers) - 1, 64).astype(int))] if len(numbers) else numbers
    prompts = []
    for number in spread:
        example = source.store[int(number)]
        length = _prompt_tokens(example)
        if 0 < length <= longest:
            ids = tuple(int(i) for i in example.ids[:length])
            text = readable(ids, tokenizer)
            prompts.append(Prompt(ids=ids, text=text, source=source.name, domain=example.domain))
    return prompts


def _prompt_tokens(example: Example) -> int:
    """Return how much of an example is the prompt: all before the last learned turn, or a document's opening."""
    if not example.is_conversation:
        return min(DOCUMENT_PROMPT_TOKENS, len(example.ids) - 1)
    starts = np.flatnonzero(example.supervised[1:] & ~example.supervised[:-1]) + 1
    return int(starts[-1]) if len(starts) else 0
