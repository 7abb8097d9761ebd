"""How each grader graded: takes grades and the key, gives a `GraderCard` each, and whose grades count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from twosignal.audits.grading.bundle import Secret
from twosignal.audits.grading.grades import Grades, Rater

ATTENTIVE = 0.85
"""Share of (sound, broken) pairs of controls that a grader must put in the right order; a tie counts half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderCard:
    """How one grader graded."""

    grader: str
    rater: Rater
    num_grades: int
    num_missing: int
    """Items left out."""
    mean: float
    """Mean grade of the samples; nan without any."""
    attention: float | None
    """Share of pairs of controls in the right order, 0 to 1; None without both kinds."""
    consistency: float | None
    """Mean distance between the two grades of items shown twice; None without any."""
    seconds: float
    """Median time per item."""
    counts: bool
    """Whether the grades go into the results: the controls are in order, and a judge only where no person's count."""


def cards_of(everyone: Sequence[Grades], secrets: Mapping[str, Secret]) -> tuple[GraderCard, ...]:
    """Return a card for each grader; `secrets` says what each item is."""
    cards = [_card(one, secrets, counts=_is_attentive(one, secrets)) for one in everyone]
    if any(card.counts and card.rater == "person" for card in cards):
        return tuple(
            _card(one, secrets, counts=card.counts and card.rater == "person")
            for one, card in zip(everyone, cards, strict=True)
        )
    return tuple(cards)


def _card(grades: Grades, secrets: Mapping[str, Secret], *, counts: bool) -> GraderCard:
    scores = {one.item: one.score for one in grades.grades}
    samples = [score for item, score in scores.items() if _is_first_sample(secrets[item])]
    again = [
        abs(score - scores[first])
        for item, score in scores.items()
        if (first := secrets[item].repeats) and first in scores
    ]
    return GraderCard(
        grader=grades.grader,
        rater=grades.rater,
        num_grades=len(scores),
        num_missing=len(secrets) - len(scores),
        mean=fmean(samples) if samples else math.nan,
        attention=_attention(grades, secrets),
        consistency=fmean(again) if again else None,
        seconds=median(one.seconds for one in grades.grades),
        counts=counts,
    )


def _is_attentive(grades: Grades, secrets: Mapping[str, Secret]) -> bool:
    attention = _attention(grades, secrets)
    return attention is None or attention >= ATTENTIVE


def _attention(grades: Grades, secrets: Mapping[str, Secret]) -> float | None:
    """Return the share of (sound, broken) pairs graded in the right order, a tie counting half."""
    sound, broken = (
        [one.score for one in grades.grades if secrets[one.item].sort == sort] for sort in ("sound", "broken")
    )
    if not sound or not broken:
        return None
    return fmean((good > bad) + (good == bad) / 2 for good in sound for bad in broken)


def _is_first_sample(secret: Secret) -> bool:
    return secret.sort == "sample" and not secret.repeats
