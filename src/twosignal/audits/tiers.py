"""What the loss of one sample means: takes nats per token, gives its `Tier` and the action it asks for.

Anchors are those of the ANDREA sample audit; the bounds between them are ours, near the geometric midpoints of the
anchors (0.13, 0.30, 0.74, 1.05, 1.94, 3, 5). `[tiers]` of the run file moves them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from twosignal.config import TiersTable
from twosignal.errors import RunError

Action = Literal["ACCEPT", "ACCEPT_WITH_NOTE", "INVESTIGATE"]


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
    is_fluent: bool = False
    """Whether so low a loss promises text that makes sense."""


Tiers = tuple[Tier, ...]
"""From the lowest loss to the highest; the first is the alert, the last has no bound."""


_BANDS: tuple[tuple[str, Action, str, bool], ...] = (
    ("ALERT", "INVESTIGATE", "possible copy", True),
    ("factual", "ACCEPT", "facts, mostly memorised", True),
    ("textbook", "ACCEPT", "textbook lines", True),
    ("constraint", "ACCEPT_WITH_NOTE", "follows a constraint", True),
    ("imprecise", "ACCEPT_WITH_NOTE", "right idea, imprecise", True),
    ("vocabulary", "ACCEPT_WITH_NOTE", "words without meaning", False),
    ("structure", "ACCEPT_WITH_NOTE", "basic structure", False),
    ("random", "ACCEPT_WITH_NOTE", "near random chance", False),
)


def tiers_of(bounds: TiersTable) -> Tiers:
    """Return the tiers with these bounds."""
    below = [*bounds.model_dump().values(), math.inf]
    return tuple(
        Tier(name=name, below=bound, action=action, reading=reading, is_fluent=is_fluent)
        for (name, action, reading, is_fluent), bound in zip(_BANDS, below, strict=True)
    )


TIERS = tiers_of(TiersTable())
"""Those of a run file that says nothing of them."""
ALERT_LOSS = TIERS[0].below
"""Nats per token below which a sample may be copied, unless the run file says otherwise."""
WORSE_THAN_RANDOM = Tier(
    name="worse than random", below=math.inf, action="INVESTIGATE", reading="above random chance"
)
NON_FINITE = Tier(name="non-finite", below=math.inf, action="INVESTIGATE", reading="not a number")


def tier_of(loss: float, *, tiers: Tiers = TIERS, random_chance: float | None = None) -> Tier:
    """Return the tier of a sample's `loss` in nats per token; `random_chance` is ln(vocabulary), if known.

    A bound belongs to the tier above it: 0.20 is factual, 0.50 is textbook.
    """
    if not math.isfinite(loss):
        return NON_FINITE
    if random_chance is not None and loss > random_chance:
        return WORSE_THAN_RANDOM
    return next(tier for tier in tiers if loss < tier.below)


def stored_tiers(config: Mapping[str, object], *, where: str) -> Tiers:
    """Return the tiers of a run file as it was stored; raise RunError, naming `where`, when its bounds do not rise."""
    try:
        return tiers_of(TiersTable.model_validate(config.get("tiers", {})))
    except ValidationError as error:
        raise RunError(
            "the tiers of the run cannot be read",
            where=where,
            found=str(error.errors()[0]["msg"]),
            expected="[tiers] with bounds that rise",
        ) from error
