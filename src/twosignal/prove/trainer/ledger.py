"""What is lost, doubled and cut: takes the pieces of an epoch and the conversations as given, gives S4, S5 and S6.

With the conversations the comparison is exact: the trainer itself prepares them once more,
uncut and unpacked, and every one must be found exactly once. Without them only what shows in
the pieces can be told: ends that are missing, rows without targets, rows that occur twice.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from twosignal.prove.receipt import Check, Kind
from twosignal.prove.trainer.batches import Piece
from twosignal.prove.trainer.question import CENSUS, LOSSES, ORDER
from twosignal.prove.trainer.sample import Sample

_BEGINNING = 8 * 12
"""Bytes of a conversation's first tokens, by which the one that was cut is found."""
MOST_SEARCHED = 2_000
"""Conversations that are searched for a piece from their middle."""
MOST_LOST = 0.02
"""Share of targets, or of conversations where targets cannot be counted, that may be lost to cutting."""
_MASK_REMEDY = "Keep labels or mask beside the ids through every step of the preparation, packing included."
WINDOW_REMEDY = "Raise max_length, shorten the conversations, or split them at whole turns before training."


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A conversation as the trainer prepares it, neither cut nor packed."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    """For every token whether it is a target; empty where that is not known."""


@dataclass(slots=True, kw_only=True)
class Fate:
    """What became of the conversations."""

    whole: int = 0
    cut: int = 0
    """Their beginning is there."""
    missing: int = 0
    doubled: int = 0
    fragments: int = 0
    """Pieces that begin in the middle of one."""
    closed: int = 0
    """Cut pieces that were given another last token, which the conversation does not have there."""
    strange: int = 0
    """Pieces of no conversation that was given."""
    unasked: int = 0
    """Targets that the data given leave unlearned."""
    targets: int = 0
    targets_lost: Counter[str] = field(default_factory=Counter)
    """By cause."""


def follow(wholes: Sequence[Whole], pieces: Sequence[Piece]) -> Fate:
    """Find every conversation among the pieces by its tokens."""
    fate = Fate(targets=sum(sum(one.learned[1:]) for one in wholes))
    there = Counter(_digest(piece.ids) for piece in pieces)
    targets_of = {_digest(piece.ids): piece.num_targets for piece in pieces}
    open_wholes = []
    for one in wholes:
        key = _digest(np.array(one.ids, np.int64))
        if there[key]:
            there[key] -= 1
            fate.whole += 1
            if one.learned:
                more = targets_of[key] - sum(one.learned[1:])
                fate.targets_lost["no longer learned"] += max(0, -more)
                fate.unasked += max(0, more)
        else:
            open_wholes.append(one)
    left = [piece for piece in pieces if _take(there, _digest(piece.ids))]
    known = {_digest(np.array(one.ids, np.int64)) for one in wholes}
    strangers = [piece for piece in left if _digest(piece.ids) not in known]
    fate.doubled = len(left) - len(strangers)
    _follow_cut(fate, open_wholes, strangers)
    fate.targets_lost = +fate.targets_lost
    return fate


def _take(there: Counter[bytes], key: bytes) -> bool:
    there[key] -= 1
    return there[key] >= 0


def _digest(ids: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(ids, dtype=np.int64).tobytes(), digest_size=16).digest()


def _follow_cut(fate: Fate, wholes: Sequence[Whole], pieces: Sequence[Piece]) -> None:
    """Assign pieces that are no whole conversation to the ones whose beginning or middle they are."""
    texts = [np.array(one.ids, np.int64).tobytes() for one in wholes]
    beginnings: dict[bytes, list[int]] = {}
    for number, text in enumerate(texts):
        beginnings.setdefault(text[:_BEGINNING], []).append(number)
    everywhere = list(range(min(len(texts), MOST_SEARCHED)))
    found: list[list[tuple[int, Piece]]] = [[] for _ in wholes]
    for piece in pieces:
        wanted = np.ascontiguousarray(piece.ids, dtype=np.int64).tobytes()
        candidates = [*beginnings.get(wanted[:_BEGINNING], []), *everywhere]
        for number in candidates:
            place = _aligned(texts[number], wanted)
            if place >= 0 and not any(start == place for start, _ in found[number]):
                found[number].append((place, piece))
                fate.fragments += place > 0
                break
        else:
            if _begins_with(texts, candidates, wanted[:-8]):
                fate.closed += 1
                continue
            doubled = any(_aligned(texts[number], wanted) >= 0 for number in candidates)
            fate.doubled += doubled
            fate.strange += not doubled
    for one, parts in zip(wholes, found, strict=True):
        lost = sum(one.learned[1:]) - sum(piece.num_targets for _, piece in parts)
        fate.cut += bool(parts)
        fate.missing += not parts
        cause = "the window ends before them" if parts else "their conversation is left out"
        fate.targets_lost[cause] += max(0, lost)


def _begins_with(texts: Sequence[bytes], candidates: Sequence[int], wanted: bytes) -> bool:
    """Return whether one of the candidates begins with these tokens."""
    return bool(wanted) and any(texts[number].startswith(wanted) for number in candidates)


def _aligned(text: bytes, wanted: bytes) -> int:
    """Return at which token of a text the wanted tokens begin, -1 if nowhere."""
    place = text.find(wanted)
    while place >= 0 and place % 8:
        place = text.find(wanted, place + 1)
    return place // 8 if place >= 0 else -1


def check_fate(fate: Fate, wholes: Sequence[Whole], sample: Sample) -> list[Check]:
    """S4 and S5 of conversations that are known."""
    evidence = {
        "conversations": len(wholes),
        "whole": fate.whole,
        "cut": fate.cut,
        "missing": fate.missing,
        "doubled": fate.doubled,
        "fragments": fate.fragments,
        "closed": fate.closed,
        "strange": fate.strange,
    }
    lost = sum(fate.targets_lost.values())
    share = lost / fate.targets if fate.targets else 0.0
    figures = {"targets": fate.targets, "lost": dict(fate.targets_lost)}
    said = f"{lost:,} of {fate.targets:,} targets ({share:.1%}) are lost"
    if not any(one.learned for one in wholes):
        losses = LOSSES.not_asked("what is to be learned of the data given is not known")
    elif fate.unasked > MOST_LOST * max(1, fate.targets):
        losses = LOSSES.failed(
            f"{fate.unasked:,} tokens are learned that the data given leave unlearned, beside {fate.targets:,} that they "
            "do not",
            kind="wrong-targets",
            evidence=figures | {"unasked": fate.unasked},
            remedy=_MASK_REMEDY,
        )
    elif share > MOST_LOST or not fate.targets:
        cause = max(fate.targets_lost, key=lambda c: fate.targets_lost[c], default="there are none")
        kind: Kind = "lost-data" if fate.targets else "no-targets"
        losses = LOSSES.failed(f"{said}: {cause}", kind=kind, evidence=figures, remedy=WINDOW_REMEDY)
    else:
        losses = LOSSES.passed(said, figures)
    return [losses, _order(fate, evidence, sample)]


def _order(fate: Fate, evidence: dict[str, int], sample: Sample) -> Check:
    total = evidence["conversations"]
    spare = f"{total:,} conversations: {fate.whole:,} whole, {fate.cut:,} cut, {fate.missing:,} missing"
    kind: Kind = "lost-data"
    if fate.doubled:
        kind, spare = "duplicated-data", f"{fate.doubled:,} pieces occur twice; {spare}"
    elif fate.closed:
        kind = "wrong-targets"
        spare = f"{fate.closed:,} pieces were cut and closed by a token that is not there: the model learns to stop; {spare}"
    elif fate.fragments:
        spare = f"{fate.fragments:,} pieces begin in the middle of a conversation, without what was asked; {spare}"
    elif fate.strange:
        spare = f"{fate.strange:,} pieces are of no conversation that was given; {spare}"
    elif fate.missing <= MOST_LOST * total or not sample.is_whole:
        return ORDER.passed(spare, evidence)
    return ORDER.failed(spare, kind=kind, evidence=evidence, remedy=WINDOW_REMEDY)


def check_census(sample: Sample) -> Check:
    """S6: pieces without targets are the exception, and there are some with."""
    pieces = [piece for piece in sample.pieces if len(piece.ids) > 1]
    empty = sum(not piece.num_targets for piece in pieces)
    total = len(pieces)
    evidence = {"pieces": total, "without_targets": empty, "targets": sample.targets}
    message = f"{sample.targets:,} targets in {total:,} pieces; {empty:,} pieces have none"
    if not total:
        message = "not one row is left to train on"
    elif not sample.targets:
        message = f"not one of {total:,} conversations in the rows has a target: the loss would be 0 or nan"
    elif empty > MOST_LOST * total:
        message = f"{empty:,} of {total:,} conversations in the rows have no target"
    else:
        return CENSUS.passed(message, evidence)
    return CENSUS.failed(message, kind="no-targets", evidence=evidence, remedy=_EMPTY_REMEDY)


_EMPTY_REMEDY = (
    "Raise max_length so that the answers fit behind their prompts, remove conversations without an answer, "
    "and check the chat template's {% generation %} markers."
)
