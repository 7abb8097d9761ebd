"""A second way of making the mask: takes a lesson, gives the spans that follow from where the template put the texts.

The first way (lessons.py) says that a turn begins where its prompt ends. This one asks neither for prompts nor for
markers: it reads the places of the texts off a marked rendering and learns from the first text of a turn to the
token that ends it. Between a question's last text and an answer's first stands the template's own text,
about which places say nothing; everywhere else both must agree.
"""

import json
from collections.abc import Sequence

from twosignal.tokens.answers import find_answer, turn_end, with_stop
from twosignal.tokens.lessons import Lesson
from twosignal.tokens.marks import Place
from twosignal.tokens.template import LayoutError
from twosignal.tokens.template_values import Leaf
from twosignal.tokens.written import Written, left_out

_CALLED = {
    "content": "text",
    "reasoning": "reasoning",
    "call": "tool calls",
    "argument": "tool calls",
    "tool": "tools",
}


def second_spans(written: Written, lesson: Lesson) -> tuple[tuple[int, int], ...]:
    """Return where the turns of a lesson are learned by the places of their texts, in the order of its turns.

    Raises LayoutError when a text is left out or cannot be located, when the template writes control
    tokens into one, or when its markers stand around other texts.
    """
    places = lesson.places
    if places is None:
        places = _places_by_search(written, lesson)
    _check_presence(written, lesson, places)
    _check_markers(written, lesson, places)
    _check_controls(written, lesson, places)
    return tuple(
        _span(written, lesson, places, turn=turn, span=span)
        for turn, span in zip(lesson.turns, lesson.spans, strict=True)
    )


def _span(
    written: Written, lesson: Lesson, places: Sequence[Place], *, turn: int, span: tuple[int, int]
) -> tuple[int, int]:
    own = [place for place in places if place.is_said_in(turn) and place.start >= span[0]]
    own = [place for place in own if place.start < span[1] or place.end <= span[1]]
    if not own or written.messages[turn].role != "assistant":
        return span
    first, last = min(place.start for place in own), max(place.end for place in own)
    earlier = max((p.end for p in places if p.end <= first and p.leaf.message != turn), default=0)
    start = span[0] if earlier <= span[0] <= first else first
    end = turn_end(written, find_answer(written, turn).rendering.text, last, index=turn)
    return start, with_stop(written, lesson.rendering.text, end)


def _check_presence(written: Written, lesson: Lesson, places: Sequence[Place]) -> None:
    """Raise where the template leaves out what must be learned, or what the answers depend on."""
    spans = dict(zip(lesson.turns, lesson.spans, strict=True))
    within: set[Leaf] = set()
    for place in places:
        span = spans.get(place.leaf.message)
        if span is None or (span[0] <= place.start and place.end <= span[1]):
            within.add(place.leaf)
    for leaf, _ in written.marks().texts:
        index, text = leaf.message, leaf.field
        if index >= lesson.length or text == "name" or leaf in within:
            continue
        # History without its reasoning is what the model is given when it answers.
        if text != "reasoning" or index in spans:
            raise left_out(written.messages[index].role, index=index, text=_CALLED[text])


def _check_markers(written: Written, lesson: Lesson, places: Sequence[Place]) -> None:
    """Raise where `{% generation %}` leaves out a text that is learned, or takes in one that is not the model's."""
    if not written.template.has_markers:
        return
    blocks = lesson.rendering.generated
    for turn, span in zip(lesson.turns, lesson.spans, strict=True):
        if written.messages[turn].role != "assistant":
            continue
        own = [p for p in places if p.leaf.message == turn and span[0] <= p.start <= p.end <= span[1]]
        if any(p.leaf.field != "name" and not _is_within(p, blocks) for p in own):
            reason = f"its generation markers leave out message {turn + 1}, an assistant turn"
            raise LayoutError(reason)
    for place in places:
        index = place.leaf.message
        role = "" if index < 0 else written.messages[index].role
        if role != "assistant" and place.start < place.end and _is_within(place, blocks):
            reason = f"its generation markers take in message {index + 1}, which is no assistant turn"
            raise LayoutError(reason if index >= 0 else "its generation markers take in the tools")


def _is_within(place: Place, blocks: Sequence[tuple[int, int]]) -> bool:
    return any(start <= place.start and place.end <= end for start, end in blocks)


def _check_controls(written: Written, lesson: Lesson, places: Sequence[Place]) -> None:
    """Raise where a control token stands in a text: nothing in it spells one, so the template put it there."""
    tokenizer = written.tokenizer
    text = lesson.rendering.text
    for place in places:
        if place.start < place.end and tokenizer.has_control_text(text[place.start : place.end]):
            where = "the tools" if place.leaf.message < 0 else f"message {place.leaf.message + 1}"
            reason = f"it writes control tokens into the text of {where}"
            raise LayoutError(reason, remedy="Remove what the template looks for from the text.")


def _places_by_search(written: Written, lesson: Lesson) -> list[Place]:
    """Return places of a conversation whose texts the template looks at: learned texts by search in their own turns only.

    A text that stands nowhere is left out of the result.
    """
    text = lesson.rendering.text
    spans = dict(zip(lesson.turns, lesson.spans, strict=True))
    found: list[Place] = []
    for leaf, core in written.marks().texts:
        start, end = spans.get(leaf.message, (0, len(text)))
        taken = [span for index, span in spans.items() if index != leaf.message]
        for form in dict.fromkeys((core, json.dumps(core, ensure_ascii=False)[1:-1], json.dumps(core)[1:-1])):
            at = _find(text, form, start=start, end=end, taken=taken)
            if at >= 0:
                found.append(Place(leaf, at, at + len(form), is_whole=True))
                break
    return found


def _find(text: str, form: str, *, start: int, end: int, taken: Sequence[tuple[int, int]]) -> int:
    """Return the first place of a text between two places and outside the taken stretches; -1 if there is none."""
    at = text.find(form, start, end)
    while at >= 0 and any(a < at + len(form) and at < b for a, b in taken):
        at = text.find(form, at + 1, end)
    return at
