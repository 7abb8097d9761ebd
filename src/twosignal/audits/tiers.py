"""What the loss of one sample means: takes nats per token, gives its `Tier` and the action it asks for.

Anchors are those of the ANDREA sample audit; the cut points between them are ours, near the geometric
midpoints of the anchors (0.13, 0.30, 0.74, 1.05, 1.94, 3, 5).
"""

import math
from dataclasses import dataclass
from typing import Literal

Action = Literal["ACCEPT", "ACCEPT_WITH_NOTE", "INVESTIGATE"]

ALERT_LOSS = 0.20
"""Nats per token below which a sample may be copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A band of sample losses."""

    name: str
    """One word, or a few."""
    below: float
    """Nats per token; the band reaches from the previous tier's bound up to here, here excluded."""
    action: Action
    """What to do with a sample of this band."""
    reading: str
    """What a sample of this band usually is."""


TIERS = (
    Tier(name="ALERT", below=ALERT_LOSS, action="INVESTIGATE", reading="possible copy"),
    Tier(name="factual", below=0.50, action="ACCEPT", reading="facts, mostly memorised"),
    Tier(name="textbook", below=0.90, action="ACCEPT", reading="textbook lines"),
    Tier(name="constraint", below=1.45, action="ACCEPT_WITH_NOTE", reading="follows a constraint"),
    Tier(name="imprecise", below=2.45, action="ACCEPT_WITH_NOTE", reading="right idea, imprecise"),
    Tier(name="vocabulary", below=4.0, action="ACCEPT_WITH_NOTE", reading="words without meaning"),
    Tier(name="structure", below=7.0, action="ACCEPT_WITH_NOTE", reading="basic structure"),
    Tier(name="random", below=math.inf, action="ACCEPT_WITH_NOTE", reading="near random chance"),
)
WORSE_THAN_RANDOM = Tier(
    name="worse than random", below=math.inf, action="INVESTIGATE", reading="above random chance"
)
NON_FINITE = Tier(name="non-finite", below=math.inf, action="INVESTIGATE", reading="not a number")


def tier_of(loss: float, *, random_chance: float | None = None) -> Tier:
    """Return the tier of a sample's `loss` in nats per token; `random_chance` is ln(vocabulary), if known.

    A bound belongs to the tier above it: 0.20 is factual, 0.50 is textbook.
    """
    if not math.isfinite(loss):
        return NON_FINITE
    if random_chance is not None and loss > random_chance:
        return WORSE_THAN_RANDOM
    return next(tier for tier in TIERS if loss < tier.below)
