"""Are the right tokens learned? Takes pieces of real rows and the conversations read in them, gives S2.

A turn of the assistant may be learned whole, with the token that ends it, or not at all, and
nothing else may be learned: a rule that every way of weighting turns keeps.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twosignal.prove.drawing import Made, draw
from twosignal.prove.receipt import Check
from twosignal.prove.trainer.batches import Ints, Piece
from twosignal.prove.trainer.question import TARGETS
from twosignal.prove.trainer.reading import Reading, Zone
from twosignal.prove.trainer.subject import Intent
from twosignal.tokens.tokenizer import Tokenizer

MOST_UNLEARNED = 0.02
"""Answers for each conversation that may go unlearned where all are to be learned."""


class Read(NamedTuple):
    """A piece of a row and the conversation in it."""

    piece: Piece
    reading: Reading


class Slip(NamedTuple):
    """What is wrong with the labels of one piece."""

    sentence: str
    remedy: str
    token: int
    """Where it shows."""


_MASK_REMEDY = (
    "Correct the {% generation %} markers of the chat template, or the code that makes the labels: they "
    "must cover each answer from the end of its prompt to the token that ends the turn, and nothing else."
)
_END_REMEDY = (
    "Include the token that ends a turn in the labels, or the model never learns to stop. Where padding is "
    "masked by its id, give padding a token of its own."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """How the answers of the pieces that could be read are learned."""

    learned: int
    """Answers learned whole."""
    unlearned: int
    """Answers not learned at all."""
    slips: Counter[str]
    """Pieces by what is wrong with them."""
    first: tuple[Read, Slip] | None
    behind: int
    """Learned tokens behind the end of an answer, of no consequence."""


def check_targets(reads: Sequence[Read], tokenizer: Tokenizer, intent: Intent) -> Check:
    """S2: compare the labels of real rows, token by token, with the answers that were read in them."""
    if intent == "all":
        return TARGETS.not_asked("every token is learned, as the trainer was told")
    if not reads:
        return TARGETS.not_asked("no conversation could be read in the rows")
    census = take_census(reads, intent)
    evidence = {
        "pieces": len(reads),
        "answers_learned": census.learned,
        "answers_not_learned": census.unlearned,
        "learned_behind_an_end": census.behind,
    }
    if census.first is None and intent == "assistant" and census.unlearned > MOST_UNLEARNED * len(reads):
        return TARGETS.failed(
            f"{census.unlearned:,} of {census.learned + census.unlearned:,} answers are not learned at all, and all are "
            "to be learned",
            kind="wrong-targets",
            evidence=evidence,
            remedy=_MASK_REMEDY,
        )
    if census.first is None:
        message = f"{len(reads):,} conversations read back: {census.learned:,} answers learned to their end"
        if census.unlearned:
            message += f", {census.unlearned:,} not at all"
        if census.behind:
            message += f"; {census.behind:,} harmless tokens behind an end are learned too"
        return TARGETS.passed(message, evidence)
    read, slip = census.first
    drawn = draw(tokenizer, Made(read.piece.ids.astype(np.int32), read.piece.is_learned))
    place = int(drawn.ends[slip.token - 1]) if slip.token else 0
    pieces = sum(census.slips.values())
    return TARGETS.failed(
        f"in {pieces:,} of {len(reads):,} conversations {slip.sentence}",
        kind="wrong-targets",
        evidence=evidence | {"slips": dict(census.slips), "text": drawn.marked(around=place)},
        remedy=slip.remedy,
    )


def take_census(reads: Sequence[Read], intent: Intent) -> Census:
    """Count answers learned, left out and learned wrongly."""
    learned = unlearned = behind = 0
    slips: Counter[str] = Counter()
    first = None
    for read in reads:
        mask = read.piece.is_learned
        slip = None if intent == "completion" and _is_completion(read) else slip_of(read)
        if slip:
            slips[slip.sentence] += 1
            first = first or (read, slip)
        whole = [bool(mask[read.reading.required(n)].any()) for n in read.reading.answers]
        learned, unlearned = learned + sum(whole), unlearned + len(whole) - sum(whole)
        behind += int(mask[_behind(read.reading)].sum()) if not slip else 0
    return Census(learned=learned, unlearned=unlearned, slips=slips, first=first, behind=behind)


def _behind(reading: Reading) -> Ints:
    """Return the tokens of no consequence behind the ends of answers."""
    parts = [
        reading.tokens(reading.turns[n].close, len(reading.text))[:1]
        for n in reading.answers
        if reading.turns[n].close < len(reading.text)
    ]
    found: Ints = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    loose: Ints = found[reading.zones[found] == Zone.EITHER]
    return loose


def _is_completion(read: Read) -> bool:
    """Return whether everything from the beginning of some answer on is learned, and nothing before it."""
    mask, reading = read.piece.is_learned, read.reading
    return any(
        mask[part[reading.zones[part] != Zone.EITHER]].all() and not mask[: part[0]].any()
        for number in reading.answers
        if len(part := reading.tokens(reading.turns[number].start, len(reading.text)))
    )


def slip_of(read: Read) -> Slip | None:
    """Return what is wrong with the labels of one piece, or None."""
    mask, reading = read.piece.is_learned, read.reading
    wrong = np.flatnonzero(mask & (reading.zones == Zone.PROMPT))
    if len(wrong) and mask[1:].all():
        sentence = "every token is learned, questions and headers too"
        return Slip(sentence, _MASK_REMEDY, int(wrong[0]))
    for number in reading.answers:
        if slip := _turn_slip(mask, reading, number):
            return slip
    whose = [_whose(reading, int(token)) for token in wrong]
    if any(whose):
        place = next(n for n, words in enumerate(whose) if words)
        return Slip(f"the text of the {whose[place]} is learned", _MASK_REMEDY, int(wrong[place]))
    if not len(wrong):
        return None
    if any(_is_prompt_end(reading, int(token)) for token in wrong):
        return Slip(
            "the end of the prompt, which the model is handed when it answers, is learned with the answer",
            "Let the learned part begin where the generation prompt ends: move {% generation %} behind the header.",
            int(wrong[0]),
        )
    return Slip("a role header is learned", _MASK_REMEDY, int(wrong[0]))


def _turn_slip(mask: np.ndarray, reading: Reading, number: int) -> Slip | None:
    """Return what is wrong with one answer that is learned in part, or with its beginning, or None."""
    turn = reading.turns[number]
    tokens = reading.required(number)
    tokens = tokens[tokens > 0]
    learned = mask[tokens]
    if learned.all() or not learned.any():
        return None
    missing = tokens[~learned]
    ends = reading.tokens(turn.end, turn.close)
    if set(missing.tolist()) <= set(ends.tolist()):
        return Slip(
            "the token that ends an answer is not learned while the answer is", _END_REMEDY, int(missing[0])
        )
    if len(missing) == 1 and missing[0] == tokens[0]:
        return Slip("the first token of an answer is not learned", _MASK_REMEDY, int(missing[0]))
    return Slip("an answer is learned only in part", _MASK_REMEDY, int(missing[0]))


def _is_prompt_end(reading: Reading, token: int) -> bool:
    """Return whether a token stands between a turn and the answer behind it."""
    place = int(reading.ends[token])
    before = [turn for turn in reading.turns if turn.start < place]
    following = reading.turns[len(before) : len(before) + 1]
    return any(turn.role == "assistant" and place <= turn.start for turn in following)


def _whose(reading: Reading, token: int) -> str:
    """Return the role of the turn, other than an answer, that a token is part of; empty for the template's text."""
    place = int(reading.ends[token]) - 1
    roles = [t.role for t in reading.turns if t.start <= place < t.end and t.role != "assistant"]
    return roles[0] if roles else ""
