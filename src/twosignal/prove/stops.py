"""Where the model learns to stop: takes prepared sources, tokenizer and model, gives S8.

Three things must agree on the token that ends a turn: the template that writes it, the mask
that learns it, and the generation configuration that stops at it. S8 is a name of the design's
list of checks.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from transformers import PreTrainedModel

from twosignal.packs.prepare import PreparedSource
from twosignal.prove.drawing import Made, draw
from twosignal.prove.receipt import Check, not_applicable
from twosignal.tokens.example import Mask
from twosignal.tokens.tokenizer import Tokenizer

NAME = "the end of every learned turn is learned, and generation stops at it"
TURNS_FROM = 500
"""Conversations of each source whose turns are looked at, evenly spread."""


def check_stops(sources: Mapping[str, PreparedSource], tokenizer: Tokenizer, model: PreTrainedModel) -> Check:
    """S8: every learned turn ends with the token that ends a turn, once, and a saved model stops there."""
    stops = generation_stops(model)
    check = check_end_of_turn(sources, tokenizer, stops=stops)
    if not check.passed:
        return check
    if tokenizer.end_of_turn_id in stops:
        return check
    shown = ", ".join(tokenizer.decode([stop], skip_special=False) for stop in stops) or "nothing"
    return Check(
        id="S8",
        name=NAME,
        passed=False,
        kind="wrong-targets",
        message=f"answers end with {tokenizer.end_of_turn}, and the model's generation stops at {shown}",
        evidence={"end_of_turn": tokenizer.end_of_turn_id, "generation_stops": list(stops)},
        remedy="Put the template's end of turn into eos_token_id of the model's generation_config.json.",
    )


def generation_stops(model: PreTrainedModel) -> tuple[int, ...]:
    """Return the tokens at which the model's own generation stops, by its generation configuration."""
    found = model.generation_config.eos_token_id if model.generation_config else None
    listed = found if isinstance(found, Sequence) else [found]
    return tuple(int(stop) for stop in listed if stop is not None)


def learned_ends(supervised: Mask) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the place of the last token of every learned stretch."""
    return np.flatnonzero(supervised & ~np.append(supervised[1:], False))


def check_end_of_turn(
    sources: Mapping[str, PreparedSource], tokenizer: Tokenizer, *, stops: Sequence[int] = ()
) -> Check:
    """S8 without the model: every learned turn ends with the token that ends a turn.

    `stops`: tokens at which generation stops; such a one may end a turn in its place, as a call of a tool is
    ended by another token than an answer in gpt-oss. The token that ends a text may not: cutting forges it.
    """
    end = tokenizer.end_of_turn_id
    if end is None:
        return _check_any_stop(sources, tokenizer, stops)
    turns = others = 0
    allowed = {end, *stops} - ({tokenizer.eos_id} - {end})
    for source in sources.values():
        chats = np.flatnonzero(source.store.index["is_conversation"])
        for number in chats[:: max(1, len(chats) // TURNS_FROM)]:
            example = source.store[int(number)]
            if example.supervised[1:].all():
                continue
            ends = learned_ends(example.supervised)
            turns += len(ends)
            wrong = [int(place) for place in ends if int(example.ids[place]) not in allowed]
            others += int((example.ids[ends] != end).sum())
            if wrong:
                drawn = draw(tokenizer, Made(example.ids, example.supervised))
                return Check(
                    id="S8",
                    name=NAME,
                    passed=False,
                    kind="wrong-targets",
                    message=f"a learned turn of {example.origin} ends with {drawn.texts[wrong[0]]!r}, "
                    "not with the end of turn",
                    evidence={
                        "source": source.name,
                        "file": example.origin.file,
                        "line": example.origin.line,
                        "text": drawn.marked(around=int(drawn.ends[wrong[0]])),
                    },
                    remedy="Check the chat template: the model would never learn to stop.",
                )
    if not turns:
        return not_applicable("S8", NAME, "no source has separately learned turns")
    is_padding = " (which also pads: padding is never told by its id here)" if end == tokenizer.pad_id else ""
    return Check(
        id="S8",
        name=NAME,
        passed=True,
        message=f"{turns:,} learned turns all end with {tokenizer.end_of_turn}{is_padding}"
        + (f", but {others:,} with another token at which generation stops" if others else ""),
        evidence={"turns": turns, "end_of_turn": end, "other_ends": others},
    )


def _check_any_stop(
    sources: Mapping[str, PreparedSource], tokenizer: Tokenizer, stops: Sequence[int]
) -> Check:
    """S8 where no token of its own ends a turn: GLM's answers are ended by the token that begins the next turn, if any."""
    conversations = learned_stops = 0
    for source in sources.values():
        chats = np.flatnonzero(source.store.index["is_conversation"])
        for number in chats[:: max(1, len(chats) // TURNS_FROM)]:
            example = source.store[int(number)]
            if not example.supervised[1:].all():
                conversations += 1
                learned_stops += int(np.isin(example.ids[example.supervised], stops).sum())
    if learned_stops or not conversations or not stops:
        return not_applicable("S8", NAME, "the tokenizer has no token that ends a turn")
    shown = ", ".join(tokenizer.decode([stop], skip_special=False) for stop in stops)
    return Check(
        id="S8",
        name=NAME,
        passed=False,
        kind="wrong-targets",
        message=f"answers of {conversations:,} conversations are learned, and not one token at which generation stops "
        f"({shown}) is among them",
        evidence={"conversations": conversations, "generation_stops": list(stops)},
        remedy="Use a chat template that ends every answer with such a token: the model would never learn to stop.",
    )
