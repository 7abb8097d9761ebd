"""Training against inference: takes what a pipeline makes of real conversations, gives S3.

The prompt under which the model will later write an answer must be, token for token, what
stands before that answer in training. S3 is a name of the design's list of checks.
"""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from transformers import AutoTokenizer

from twosignal.errors import TwosignalError
from twosignal.prove.canary import Fault
from twosignal.prove.drawing import Made, draw
from twosignal.prove.places import Make
from twosignal.prove.receipt import Check, not_applicable
from twosignal.prove.sentinels import Rule, assistant_only
from twosignal.text.conversation import Conversation
from twosignal.tokens.example import Example
from twosignal.tokens.render import Renderer
from twosignal.tokens.template import REFUSALS, ChatTemplate
from twosignal.tokens.template_values import as_values
from twosignal.tokens.tokenizer import Tokenizer

PROMPT_NAME = "answers are learned under the prompts they will be asked for with"
MOST_TURNS = 600
"""Answers whose prompts are made."""
MOST_SERVED = 24
"""Conversations that transformers renders and tokenizes as well."""
CLOCKS = (datetime(2001, 2, 3, 4, 5, 6), datetime(2033, 11, 12, 21, 22, 23))
"""Two moments that differ in every part of a date."""
MOST_DATED = 8
"""Conversations that are rendered at both of them."""
SHOWN_TOKENS = 24
"""Tokens shown on both sides of a difference."""


class _Turn(NamedTuple):
    """An answer of a real conversation, and what the pipeline made of the conversation."""

    conversation: Conversation
    number: int
    """Index of the answer among the messages."""
    made: Made


def check_inference_match(
    make: Make,
    tokenizer: Tokenizer,
    conversations: Sequence[Conversation],
    *,
    rule: Rule = assistant_only,
    clock: datetime | None = None,
) -> Check:
    """S3: before every learned answer stands its prompt; what is learned is the same at any hour, and elsewhere.

    `clock`: the moment that a template which writes the date was told when `make` rendered; default: now.
    """
    renderer = Renderer(tokenizer, now=clock)
    made = list(zip(conversations, make(conversations), strict=True))
    whole = [(conversation, one) for conversation, one in made if one is not None and len(one.ids)]
    counts = {"answers": 0, "without_prompt": 0, "served": 0}
    dated, beginning = _dated(tokenizer, renderer, whole), whole[:1]
    for conversation, fault in [*dated, *((c, _beginning_fault(tokenizer, one)) for c, one in beginning)]:
        if fault:
            return _refusal(conversation, fault)
    for turn in islice(_turns(whole, rule), MOST_TURNS):
        prompt = _prompt(renderer, turn)
        counts["answers" if prompt else "without_prompt"] += 1
        fault = _prompt_fault(tokenizer, turn, prompt) if prompt else None
        if fault:
            return _refusal(turn.conversation, fault)
    for conversation, ours, theirs in _served_elsewhere(tokenizer, whole, rule=rule, is_dated=bool(dated)):
        counts["served"] += 1
        if ours != theirs[: len(ours)]:
            told = _difference(tokenizer, ours, theirs)
            sentence = "transformers makes other tokens of it than the pipeline"
            return _refusal(conversation, Fault("unstable-rendering", sentence, told, _ELSEWHERE))
    if not counts["answers"]:
        return not_applicable("S3", PROMPT_NAME, "no learned answer of the sample has a prompt")
    message = (
        f"{counts['answers']:,} answers follow their prompts token for token; {counts['served']:,} "
        "conversations read the same in transformers"
    )
    evidence: dict[str, Any] = dict(counts)
    if dated and renderer.clock:
        message += (
            f"; the chat template writes the date, which no answer depends on: this data is rendered as of "
            f"{renderer.clock:%Y-%m-%d %H:%M}"
        )
        evidence["rendered_as_of"] = renderer.clock.isoformat()
    return Check(id="S3", name=PROMPT_NAME, passed=True, message=message, evidence=evidence)


_ELSEWHERE = "Save the tokenizer anew with the template that the model will be served with."
_PROMPT_REMEDY = (
    'Learn the last answer only (supervise = "last"), or use a chat template that writes earlier turns as '
    "it writes the newest."
)


def _turns(whole: Sequence[tuple[Conversation, Made]], rule: Rule) -> Iterator[_Turn]:
    """Yield the learned answers, the first of every conversation first, so that a bound leaves none out."""
    waiting = []
    for conversation, made in whole:
        learned = rule(conversation.messages)
        answers = [
            n for n, message in enumerate(conversation.messages) if learned[n] and message.role == "assistant"
        ]
        waiting.append([_Turn(conversation, number, made) for number in answers])
    for place in range(max(map(len, waiting), default=0)):
        yield from (turns[place] for turns in waiting if place < len(turns))


def _prompt(renderer: Renderer, turn: _Turn) -> list[int]:
    """Return the prompt for an answer; nothing where the template makes none."""
    conversation, answer = turn.conversation, turn.conversation.messages[turn.number]
    try:
        return renderer.prompt_ids(
            conversation.messages[: turn.number],
            name=answer.name,
            tools=conversation.tools,
            reasons=bool(answer.reasoning),
        )
    except (TwosignalError, *REFUSALS):
        return []


def _prompt_fault(tokenizer: Tokenizer, turn: _Turn, prompt: list[int]) -> Fault | None:
    """Return how training differs from inference at an answer; a conversation cut before it cannot differ."""
    size, place = len(prompt), f"message {turn.number + 1}"
    longer = [made for made in turn.made.renderings() if len(made.ids) > size]
    behind = [made for made in longer if made.ids[:size].tolist() == prompt]
    if longer and not behind:
        sentence = f"{place} is learned after other tokens than those of its prompt"
        told = _difference(tokenizer, longer[-1].ids[: size + 1].tolist(), prompt)
        return Fault("unstable-rendering", sentence, told, _PROMPT_REMEDY)
    wrong = next((made for made in behind if size > 1 and made.supervised[size - 1]), None)
    if wrong is None:
        return None
    drawn = draw(tokenizer, wrong)
    sentence = f"{drawn.texts[size - 1]!r} before {place} is learned, and the prompt supplies it"
    return Fault("wrong-targets", sentence, drawn.marked(around=int(drawn.ends[size - 1])))


def _dated(
    tokenizer: Tokenizer, renderer: Renderer, whole: Sequence[tuple[Conversation, Made]]
) -> list[tuple[Conversation, Fault | None]]:
    """Return the first conversations whose text depends on the date, with a fault where what is learned does."""
    if renderer.clock is None:
        return []
    clocks = [Renderer(tokenizer, now=clock) for clock in CLOCKS]
    found: list[tuple[Conversation, Fault | None]] = []
    for conversation, _ in whole[:MOST_DATED]:
        try:
            early, late = (next(clock.render_each([conversation])) for clock in clocks)
        except (TwosignalError, *REFUSALS):
            continue
        if [e.ids.tolist() for e in early] != [e.ids.tolist() for e in late]:
            found.append((conversation, _clock_fault(tokenizer, early, late)))
    return found


def _clock_fault(tokenizer: Tokenizer, early: Sequence[Example], late: Sequence[Example]) -> Fault | None:
    """Return a fault when the moment of rendering changes what is learned, not only the text before it."""
    learned = [[e.ids[e.supervised].tolist() for e in examples] for examples in (early, late)]
    if learned[0] == learned[1]:
        return None
    both = [np.concatenate([e.ids for e in examples]).tolist() for examples in (early, late)]
    return Fault(
        "unstable-rendering",
        "the chat template writes the date into what is learned, so every day teaches another text",
        _difference(tokenizer, *both),
        "Write a fixed date into chat_template.jinja in place of strftime_now(...).",
    )


def _beginning_fault(tokenizer: Tokenizer, made: Made) -> Fault | None:
    bos = tokenizer.bos_id
    if bos is None or made.ids[:2].tolist() != [bos, bos]:
        return None
    return Fault(
        "unstable-rendering",
        "it begins with the token that begins texts twice",
        draw(tokenizer, made).marked(),
        "The template writes this token already: tokenize without special tokens.",
    )


def _served_elsewhere(
    tokenizer: Tokenizer, whole: Sequence[tuple[Conversation, Made]], *, rule: Rule, is_dated: bool
) -> Iterator[tuple[Conversation, list[int], list[int]]]:
    """Yield some conversations with the ids of their last rendering and those that transformers' own call makes.

    transformers always writes today's date: a template with one is compared by a rendering of today.
    """
    plain = [(c, made) for c, made in whole if _is_plain(tokenizer, c)][:MOST_SERVED]
    if not plain or not tokenizer.chat_template:
        return
    style = ChatTemplate(tokenizer.chat_template, special_tokens=tokenizer.special_tokens).style
    today = Renderer(tokenizer) if is_dated else None
    with tempfile.TemporaryDirectory(prefix="twosignal-") as folder:
        tokenizer.save(folder)
        try:
            theirs: Any = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, LookupError, ImportError):
            return  # a tokenizer that needs its own code is compared by its prompts alone
        for conversation, made in plain:
            values = as_values(conversation.messages, style=style)
            learned = (assistant_only if today else rule)(conversation.messages)
            ours = (today.render(conversation) if today else made.renderings()[-1]).ids.tolist()
            ids = [
                theirs.apply_chat_template(values.before(end).messages, tokenize=True, return_dict=False)
                for end in _ends(learned)
            ]
            yield conversation, ours, next((one for one in ids if one[: len(ours)] == ours), ids[0])


def _ends(learned: Sequence[bool]) -> list[int]:
    """Return how many messages a text may hold: all, or those up to the last one that is learned."""
    last = max((number + 1 for number, is_learned in enumerate(learned) if is_learned), default=len(learned))
    return [len(learned)] if last == len(learned) else [len(learned), last]


def _is_plain(tokenizer: Tokenizer, conversation: Conversation) -> bool:
    """Return whether both sides must agree: control tokens spelt in a text are text for us, tokens for them."""
    messages = conversation.messages
    return not conversation.tools and not any(
        m.tool_calls or m.reasoning or tokenizer.has_control_text(m.content + m.name) for m in messages
    )


def _difference(tokenizer: Tokenizer, ours: Sequence[int], theirs: Sequence[int]) -> str:
    """Return both texts around the first token in which they differ."""
    pairs = zip(ours, theirs, strict=False)
    first = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
    part = slice(max(0, first - SHOWN_TOKENS), first + SHOWN_TOKENS)
    one, other = tokenizer.decode_within(ours[part]), tokenizer.decode_within(theirs[part])
    return f"from token {first} on:\n{one}\n--- and elsewhere:\n{other}"


def _refusal(conversation: Conversation, fault: Fault) -> Check:
    origin = conversation.origin
    return Check(
        id="S3",
        name=PROMPT_NAME,
        passed=False,
        kind=fault.kind,
        message=f"{origin}: {fault.sentence}",
        evidence={"source": origin.source, "file": origin.file, "line": origin.line, "text": fault.drawn},
        remedy=fault.remedy,
    )
