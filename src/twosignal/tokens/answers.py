"""One answer as the model writes it: takes a conversation as its template writes it, gives where the answer begins and ends.

It begins where the prompt for it ends. Some templates take something out of the history only once the answer
follows, reasoning before a tool was called for example, so that no prompt begins their rendering of
it; then the answer is put behind its prompt, where the model will write it.
"""

from twosignal.tokens.difference import first_difference
from twosignal.tokens.template import LayoutError, Rendering
from twosignal.tokens.written import Answer, Written


def find_answer(written: Written, index: int) -> Answer:
    """Return the conversation up to message `index`, an assistant turn, and where the prompt for it ends.

    Raises LayoutError when no prompt leads to the answer, and what the template raises.
    """
    key, known = written.messages[: index + 1], written.known.answers
    if key not in known:
        known[key] = _answer(written, index)
    return known[key]


def turn_end(written: Written, text: str, start: int, *, index: int) -> int:
    """Return the place behind the first token from `start` that ends a turn."""
    tokenizer = written.tokenizer
    stops = [control.text for control in tokenizer.controls.values() if control.id in tokenizer.stop_ids]
    ends = [text.index(stop, start) + len(stop) for stop in stops if stop in text[start:]]
    if ends:
        return min(ends)
    if written.messages[index].tool_calls:
        # A call may end with a token of its own, which no plain answer shows.
        last = [found for found in tokenizer.controls if text.rstrip().endswith(found)]
        if last:
            return len(text.rstrip())
    if tokenizer.end_of_turn:
        reason = f"it writes no {tokenizer.end_of_turn} after message {index + 1}, an assistant turn"
        raise LayoutError(reason)
    return len(text)


def with_stop(written: Written, text: str, end: int) -> int:
    """Return the end of a turn, behind the token that stops the model where that begins the next turn."""
    tokenizer = written.tokenizer
    stops = [control.text for control in tokenizer.controls.values() if control.id in tokenizer.stop_ids]
    if any(text.endswith(stop, 0, end) for stop in stops):
        return end
    return end + next((len(stop) for stop in stops if text.startswith(stop, end)), 0)


def _answer(written: Written, index: int) -> Answer:
    rendering = written.rendering(index + 1)
    prompts: list[Rendering] = []
    for prompt in written.prompts(index, reasons=bool(written.messages[index].reasoning)):
        prompts.append(prompt)
        if prompt.text and rendering.text.startswith(prompt.text):
            marked = _marked_start(written, index) if written.template.has_markers else 0
            return Answer(rendering, max(marked, len(prompt.text)), None)
    for prompt in prompts:
        if grafted := _graft(written, index, prompt):
            return grafted
    if written.template.has_markers and not prompts:
        return Answer(rendering, _marked_start(written, index), None)
    if index == 0:
        return Answer(rendering, written.first_place(1, 0), None)
    if not prompts:
        # The template's own words say why.
        written.template.render_values(written.values.before(index), generation_prompt=True)
    reason = (
        f"the prompt it makes for message {index + 1} does not begin its rendering of the answer: "
        f"{_parting(written, prompts[0].text, rendering.text)}"
    )
    remedy = "Use a template whose answers begin as add_generation_prompt does: the model would not go on as it learns."
    raise LayoutError(reason, remedy=remedy)


def _graft(written: Written, index: int, prompt: Rendering) -> Answer | None:
    """Return the answer behind its prompt, where the header of the prompt stands once in front of it; else None."""
    before, answered = written.rendering(index).text, written.rendering(index + 1)
    header = prompt.text[len(before) :]
    places, earlier = written.places(index + 1), written.prompt_places(index, prompt)
    if not prompt.text.startswith(before) or not header or places is None or earlier is None:
        return None
    own = [place.start for place in places if place.is_said_in(index)]
    others = [place.end for place in places if place.leaf.message < index]
    if not own or answered.text.count(header, max(others, default=0), min(own)) != 1:
        return None
    cut = answered.text.index(header, max(others, default=0)) + len(header)
    by = len(prompt.text) - cut
    moved = [p._replace(start=p.start + by, end=p.end + by) for p in places if p.start >= cut]
    blocks = [(max(start, cut) + by, end + by) for start, end in answered.generated if end > cut]
    rendering = Rendering(prompt.text + answered.text[cut:], (*prompt.generated, *blocks))
    return Answer(rendering, len(prompt.text), [*earlier, *moved])


def _marked_start(written: Written, index: int) -> int:
    """Return where the marked block around the first text of an answer starts."""
    rendering = written.rendering(index + 1)
    first = written.first_place(index + 1, index)
    around = [start for start, end in rendering.generated if start <= first < end]
    if not around:
        reason = f"its generation markers leave out message {index + 1}, an assistant turn"
        raise LayoutError(reason)
    return around[0]


def _parting(written: Written, prompt: str, text: str) -> str:
    """Return the first token at which the prompt and the rendering part."""
    tokenizer = written.tokenizer
    ids, other = tokenizer.encode_rendered(prompt), tokenizer.encode_rendered(text)[: len(prompt)]
    found = first_difference(tokenizer, (ids, [False] * len(ids)), (other, [False] * len(other)))
    return "" if found is None else str(found)
