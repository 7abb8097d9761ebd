"""The checks of masks: takes what a pipeline makes of conversations, gives S1, the canaries, and S2 and S3 on real ones.

The pipeline is a plain function, so that the same checks judge ours and a foreign trainer's.
S1, S2 and S3 are names of the design's list of checks.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twosignal.errors import TwosignalError
from twosignal.prove.drawing import Drawn, Made, draw
from twosignal.prove.places import Make
from twosignal.prove.receipt import Check, Kind, not_applicable
from twosignal.prove.sentinels import (
    TOOLING,
    WEIGHTED,
    Canary,
    Rule,
    Sentinel,
    assistant_only,
    canaries,
    features_of,
)
from twosignal.text.conversation import Conversation
from twosignal.tokens.template import REFUSALS
from twosignal.tokens.tokenizer import Tokenizer

CANARY_NAME = "answers, and nothing else, are learned"
ROLE_WORDS = re.compile(r"(?<![a-z])(user|system|assistant|human)(?![a-z])", re.IGNORECASE)
_TEMPLATE_REMEDY = (
    "Correct the {% generation %} markers of the chat template, or let twosignal find the answers: it "
    "needs no markers."
)


class Fault(NamedTuple):
    """What is wrong with a mask, and where it shows."""

    kind: Kind
    sentence: str
    drawn: str = ""
    """The text with the learned part between [[ and ]]."""
    remedy: str = _TEMPLATE_REMEDY


class _Seen(NamedTuple):
    """How often a sentinel stands in a text."""

    whole: int
    """Learned whole."""
    partly: int
    """Learned in part."""
    unlearned: int
    place: int
    """Where the first stands, in characters; -1 if there is none."""


def check_canary(
    make: Make,
    tokenizer: Tokenizer,
    *,
    conversations: Sequence[Conversation] = (),
    rule: Rule = assistant_only,
    speaker: str = "",
) -> Check:
    """S1: of conversations full of sentinels exactly the answers are learned, each with one end of turn.

    What a template silently leaves out, or does wrongly with tools, is a fault where `conversations`, real ones,
    use it, else a remark. Shapes that the pipeline refuses are named in the evidence.
    """
    needed = features_of(conversations, rule)
    passed: list[str] = []
    refused: dict[str, str] = {}
    unused: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for canary in canaries(tokenizer, rule, speaker=speaker):
        if not any(canary.learned) or (canary.shape == WEIGHTED and "weight" not in needed):
            continue
        made, reason = _made(make, canary)
        if made is None:
            refused[canary.shape] = reason
            continue
        drawn = draw(tokenizer, made)
        fault, missing = canary_fault(drawn, canary, tokenizer=tokenizer, needed=needed)
        if fault and _is_used(canary, needed):
            return _failed(canary, fault)
        if fault:
            unused[canary.shape] = fault.sentence
            continue
        left_out |= {sentinel.feature: sentinel.field for sentinel in missing}
        passed.append(canary.shape)
    if "one answer" in refused and not passed:
        return _nothing_made(refused["one answer"])
    if not passed:
        return not_applicable(
            "S1", CANARY_NAME, "no canary has a turn to learn that this vocabulary can spell"
        )
    message = f"canaries of {len(passed)} shapes: every answer is learned once and ends once, nothing else is"
    if left_out:
        message += f"; the template leaves out {', '.join(sorted(left_out))}, which this data does not use"
    if unused:
        message += f"; it would be wrong with {', '.join(unused)}, which this data does not have"
    evidence = {"shapes": passed, "refused": refused, "left_out": left_out, "unused": unused}
    return Check(id="S1", name=CANARY_NAME, passed=True, message=message, evidence=evidence)


def _is_used(canary: Canary, needed: set[str]) -> bool:
    """Return whether real data may look like a canary: tools are known by any sign of them."""
    return not (features_of([canary.conversation]) & TOOLING) or not needed.isdisjoint(TOOLING)


def _made(make: Make, canary: Canary) -> tuple[Made | None, str]:
    """Return what the pipeline makes of a canary, or None and the reason."""
    try:
        (made,) = make([canary.conversation])
    except (TwosignalError, *REFUSALS) as error:
        return None, str(error).splitlines()[0] if str(error) else type(error).__name__
    return made, "" if made else "the pipeline drops it"


def _nothing_made(reason: str) -> Check:
    return Check(
        id="S1",
        name=CANARY_NAME,
        passed=False,
        kind="no-targets",
        message=f"a question with its answer does not come through the pipeline: {reason}",
        evidence={"shape": "one answer", "reason": reason},
        remedy="Give the tokenizer a chat template that accepts a user's and an assistant's turn.",
    )


def _failed(canary: Canary, fault: Fault) -> Check:
    evidence = {
        "shape": canary.shape,
        "messages": [f"{m.role}: {m.content}" for m in canary.conversation.messages],
        "text": fault.drawn,
    }
    return Check(
        id="S1",
        name=CANARY_NAME,
        passed=False,
        kind=fault.kind,
        message=f"canary with {canary.shape}: {fault.sentence}",
        evidence=evidence,
        remedy=fault.remedy,
    )


def canary_fault(
    drawn: Drawn, canary: Canary, *, tokenizer: Tokenizer, needed: set[str]
) -> tuple[Fault | None, list[Sentinel]]:
    """Return what is wrong with a canary's mask, and the sentinels that are not in its text at all."""
    if not drawn.is_learned.any():
        return Fault("no-targets", "not one of its tokens is learned", drawn.marked()), []
    missing = []
    for sentinel in canary.sentinels:
        seen = _seen(drawn, sentinel.text)
        if seen.place < 0 and sentinel.is_idle:
            continue
        if seen.place < 0 or (sentinel.may_repeat and not seen.whole + seen.partly):
            missing.append(sentinel)
            if sentinel.feature in needed:
                return _left_out(drawn, sentinel), missing
        elif sentence := _sentinel_fault(sentinel, seen, num_renderings=len(drawn.made.ends)):
            kind: Kind = "duplicated-data" if "stands" in sentence else "wrong-targets"
            return Fault(kind, sentence, drawn.marked(around=seen.place)), missing
    sentence = _turn_fault(drawn, canary, tokenizer)
    return (Fault("wrong-targets", sentence, drawn.marked()) if sentence else None), missing


def _seen(drawn: Drawn, word: str) -> _Seen:
    places = [found.start() for found in re.finditer(re.escape(word), drawn.text)]
    shares = [float(drawn.is_learned[place : place + len(word)].mean()) for place in places]
    whole, unlearned = shares.count(1.0), shares.count(0.0)
    return _Seen(whole, len(shares) - whole - unlearned, unlearned, places[0] if places else -1)


def _sentinel_fault(sentinel: Sentinel, seen: _Seen, *, num_renderings: int) -> str:
    if not sentinel.learned:
        if seen.whole or seen.partly:
            return f"{sentinel.field} is learned" + ("" if seen.whole else " in part")
        return ""
    if seen.whole != 1:
        how = f"{seen.whole} times" if seen.whole else "only in part" if seen.partly else "not at all"
        return f"{sentinel.field} is learned {how}"
    if seen.partly or (seen.unlearned and not sentinel.may_repeat and not num_renderings):
        return f"{sentinel.field} stands in it {1 + seen.partly + seen.unlearned} times"
    return ""


def _left_out(drawn: Drawn, sentinel: Sentinel) -> Fault:
    return Fault(
        "lost-data",
        f"{sentinel.field} does not reach the text, and the data has conversations with it",
        drawn.marked(),
        f"Use a chat template that writes {_FEATURE_TEXT.get(sentinel.feature, sentinel.feature)}, or "
        "take it out of the data: the model would learn from conversations that lack it.",
    )


_FEATURE_TEXT = {
    "system": "system texts",
    "tool": "the answers of tools",
    "tools": "the descriptions of tools",
    "tool call": "tool calls",
    "name": "names",
    "earlier reasoning": "the reasoning of earlier answers",
}


def _turn_fault(drawn: Drawn, canary: Canary, tokenizer: Tokenizer) -> str:
    """Return what is wrong around the answers: their ends, or headers that are learned; empty if nothing is."""
    if header := ROLE_WORDS.search(_besides_texts(drawn, canary, tokenizer)):
        return f"the role header with {header[0]!r} is learned"
    messages = canary.conversation.messages
    if any(m.tool_calls for m in messages) or tokenizer.end_of_turn_id is None:
        return ""  # a call may end with another token than an answer
    answers = [learned for m, learned in zip(messages, canary.learned, strict=True) if m.role == "assistant"]
    if not all(answers) or sum(answers) != sum(canary.learned):
        return ""
    count = sum(_learned_ends(made, tokenizer) for made in drawn.made.renderings())
    if count != len(answers):
        return f"the end of turn {tokenizer.end_of_turn} is learned {count} times in {len(answers)} answers"
    return ""


def _besides_texts(drawn: Drawn, canary: Canary, tokenizer: Tokenizer) -> str:
    """Return what is learned besides the texts, the template's words between two of one turn, and the tokens behind them.

    gpt-oss writes `<|start|>assistant` once more between a thought and its answer; GLM ends answers with the token
    that begins the next turn, `<|user|>`.
    """
    left = "\n".join(drawn.learned_texts())
    controls = "|".join(map(re.escape, tokenizer.controls)) or "(?!)"
    for number in range(len(canary.conversation.messages)):
        own = [re.escape(sentinel.text) for sentinel in canary.sentinels if sentinel.message == number]
        if own:
            words = "|".join(own)
            left = re.sub(f"(?:{words})(?:.*(?:{words}))?(?:{controls})?", "", left, flags=re.DOTALL)
    return left


def _learned_ends(made: Made, tokenizer: Tokenizer) -> int:
    """Return how often the end of a turn is learned; what a template repeats at the very end counts once.

    Phi 3 writes the token that ends texts behind the last turn, which by its configuration may be the
    same: generation stops at the first of them.
    """
    places = np.flatnonzero(made.supervised & (made.ids == tokenizer.end_of_turn_id)).tolist()
    if len(places) > 1 and not tokenizer.decode(made.ids[places[-2] + 1 :].tolist()).strip():
        places.pop()
    return len(places)
