"""A second opinion on masks: takes what a pipeline makes of real conversations, gives S2 and S1's word on real data.

The mask is built a second time from the places of the texts, by another method than any
pipeline's (see places.py), and both must agree token by token. S1 and S2 are names of the
design's list of checks.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from twosignal.prove.canary import CANARY_NAME, Fault
from twosignal.prove.drawing import Drawn, draw
from twosignal.prove.places import Make, Place, Surveyor
from twosignal.prove.receipt import Check, not_applicable
from twosignal.prove.sentinels import Rule, assistant_only
from twosignal.text.conversation import Conversation
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer

OPINION_NAME = "a second way of making the mask gives the same"
MOST_LISTED = 12
"""Texts of straddling tokens that are listed."""
TELLING = 12
"""Characters from which a text is taken to be itself and not a chance likeness."""


class _Judged(NamedTuple):
    """What the second opinion says of one conversation."""

    agreed: int
    """Tokens both opinions agree about."""
    straddling: tuple[str, ...]
    """Texts of tokens half in a text and half outside."""
    fault: Fault | None


def check_second_opinion(
    make: Make, tokenizer: Tokenizer, conversations: Sequence[Conversation], *, rule: Rule = assistant_only
) -> Check:
    """S2: for every token of a real text, and every end of turn, the places of the texts give the same mask."""
    surveyor = Surveyor(make, tokenizer)
    straddling: Counter[str] = Counter()
    counts = {"conversations": 0, "tokens": 0, "not_located": 0}
    for conversation, drawn in _drawn(make, tokenizer, conversations):
        places = surveyor.places(drawn, conversation)
        if places is None:
            counts["not_located"] += 1
            continue
        judged = _judge(drawn, conversation, places=places, rule=rule, end=tokenizer.end_of_turn_id)
        if judged.fault:
            return _refusal(("S2", OPINION_NAME), conversation, judged.fault)
        counts["conversations"] += 1
        counts["tokens"] += judged.agreed
        straddling.update(judged.straddling)
    if not counts["conversations"]:
        return not_applicable("S2", OPINION_NAME, "there is no conversation whose texts can be located")
    evidence: dict[str, Any] = {**counts, "straddling": dict(straddling.most_common(MOST_LISTED))}
    message = (
        f"{counts['tokens']:,} tokens of {counts['conversations']:,} conversations agree; "
        f"{straddling.total():,} stand half in a text, half outside"
    )
    return Check(id="S2", name=OPINION_NAME, passed=True, message=message, evidence=evidence)


def check_renderer(renderer: Renderer, conversations: Sequence[Conversation]) -> Check:
    """S2 by the renderer's own second way: it knows turns that are written differently later, and tool calls."""
    for conversation in conversations:
        found = renderer.second_opinion(conversation)
        if found is not None:
            return _refusal(
                ("S2", OPINION_NAME), conversation, Fault("wrong-targets", str(found), found.around)
            )
    if not conversations:
        return not_applicable("S2", OPINION_NAME, "there is no conversation")
    message = f"a second rendering of {len(conversations):,} agrees"
    return Check(
        id="S2", name=OPINION_NAME, passed=True, message=message, evidence={"rendered": len(conversations)}
    )


def check_learned_texts(
    make: Make, tokenizer: Tokenizer, conversations: Sequence[Conversation], *, rule: Rule = assistant_only
) -> Check:
    """S1 on real data: what is learned of a conversation are the texts of its learned turns, and no other's."""
    surveyor = Surveyor(make, tokenizer)
    rewritten = answers = seen = 0
    for conversation, drawn in _drawn(make, tokenizer, conversations):
        learned = list(rule(conversation.messages))
        told = "\n".join(drawn.learned_texts())
        seen += 1
        for number, message in enumerate(conversation.messages):
            fault = None
            text = message.content.strip()
            if text and learned[number]:
                answers += 1
                is_whole = any(form in told for form in surveyor.forms(text))
                rewritten += not is_whole
                fault = None if is_whole else _unlearned_fault(drawn, told, number=number, text=text)
            elif len(text) >= TELLING and not _is_said_by(conversation, learned, text) and text in told:
                fault = Fault(
                    "wrong-targets",
                    f"the text of message {number + 1} ({message.role}) is learned",
                    drawn.marked(around=max(0, drawn.text.find(text))),
                )
            if fault:
                return _refusal(("S1", CANARY_NAME), conversation, fault)
    if not answers:
        return not_applicable("S1", CANARY_NAME, "the sample holds no turn to learn")
    found = f"{answers:,} answers of {seen:,} real conversations are what is learned"
    if rewritten:
        found += f"; the template changes the text of {rewritten:,}"
    evidence = {"conversations": seen, "answers": answers, "rewritten": rewritten}
    return Check(id="S1", name=CANARY_NAME, passed=True, message=found, evidence=evidence)


def _drawn(
    make: Make, tokenizer: Tokenizer, conversations: Sequence[Conversation]
) -> Iterator[tuple[Conversation, Drawn]]:
    """Yield the conversations that come through the pipeline with something to learn, and their texts."""
    for conversation, made in zip(conversations, make(conversations), strict=True):
        if made is not None and len(made.ids):
            yield conversation, draw(tokenizer, made)


def _judge(
    drawn: Drawn, conversation: Conversation, *, places: Sequence[Place], rule: Rule, end: int | None
) -> _Judged:
    """Compare the mask with the places; the end of turn behind a text belongs to it."""
    learned = list(rule(conversation.messages))
    mask = drawn.made.supervised
    agreed = 0
    straddling = []
    for place, following in zip(places, [*places[1:], None], strict=True):
        expected = learned[place.field.message]
        for token in drawn.tokens(place.start, place.end):
            token_end = int(drawn.ends[token])
            token_start = token_end - len(drawn.texts[token])
            is_inside = place.start <= token_start and token_end <= place.end
            if not is_inside:
                straddling.append(drawn.texts[token])
            # A straddling token may be left out, but an unlearned text may have no learned token at all.
            if token and mask[token] != expected and (is_inside or not expected):
                return _Judged(agreed, (), _differs(drawn, conversation, place, token=token))
            agreed += is_inside
        stop = drawn.tokens(following.start, following.end).start if following else len(drawn.texts)
        ending = _first_end(drawn, range(drawn.tokens(place.end, place.end).start, stop), end)
        if ending and place.field.name == "content" and mask[ending] != expected:
            return _Judged(agreed, (), _differs(drawn, conversation, place, token=ending))
    return _Judged(agreed, tuple(straddling), None)


def _first_end(drawn: Drawn, tokens: range, end: int | None) -> int | None:
    """Return the first of these tokens that ends a turn."""
    return next((token for token in tokens if int(drawn.made.ids[token]) == end), None)


def _differs(drawn: Drawn, conversation: Conversation, place: Place, *, token: int) -> Fault:
    role = conversation.messages[place.field.message].role
    state, other = ("learned", "not") if drawn.made.supervised[token] else ("not learned", "learned")
    return Fault(
        "wrong-targets",
        f"token {token} {drawn.texts[token]!r} is {state}, and should be {other}: it belongs to the "
        f"{place.field.name} of message {place.field.message + 1} ({role})",
        drawn.marked(around=int(drawn.ends[token])),
    )


def _unlearned_fault(drawn: Drawn, told: str, *, number: int, text: str) -> Fault | None:
    """Return a fault when not even the beginning or the end of an answer is learned: then it was not just rewritten."""
    if text[:TELLING] in told or text[-TELLING:] in told:
        return None
    sentence = f"nothing of the text of message {number + 1} is learned"
    return Fault("lost-data", sentence, drawn.marked(around=max(0, drawn.text.find(text[:TELLING]))))


def _is_said_by(conversation: Conversation, learned: Sequence[bool], text: str) -> bool:
    """Return whether a learned turn says the same."""
    said = zip(conversation.messages, learned, strict=True)
    return any(is_learned and text in m.content + m.reasoning for m, is_learned in said)


def _refusal(identity: tuple[str, str], conversation: Conversation, fault: Fault) -> Check:
    origin = conversation.origin
    return Check(
        id=identity[0],
        name=identity[1],
        passed=False,
        kind=fault.kind,
        message=f"{origin}: {fault.sentence}",
        evidence={"source": origin.source, "file": origin.file, "line": origin.line, "text": fault.drawn},
        remedy=fault.remedy,
    )
