"""Which source the bad texts come from: takes the newest texts of a run, gives the `Blame`, or None where none stands out.

A text that shares a passage with the training text points at the source it stands in: a copy, or a loop that is in the data.
Any other points at the source of its prompt, which says less: every prompt of a rotten model is answered badly, so such a
source is blamed only where its prompts fare at least twice as badly as the others.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from twosignal.audits.copying.findings import is_copied
from twosignal.audits.recent import RecentText, origin_of, passage_source

LEAST_TEXTS = 2
"""Bad texts below which nothing is blamed."""
TIMES_WORSE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """The source that bad texts come from."""

    source: str
    reason: str
    """One sentence with the figures."""
    evidence: dict[str, object]
    """The figures by name; plain JSON values."""


def blame(texts: Sequence[RecentText], sources: Sequence[str]) -> Blame | None:
    """Return the one of `sources` that more than half of the looping and copied `texts` come from."""
    bad = [one for one in texts if one.is_degenerate or is_copied(one.as_sample())]
    pointing = Counter(origin for one in bad if (origin := origin_of(one)) in sources)
    if len(bad) < LEAST_TEXTS or not pointing:
        return None
    source, count = pointing.most_common(1)[0]
    standing = sum(passage_source(one) == source for one in bad)
    if 2 * count <= len(bad) or (2 * standing <= len(bad) and not _stands_out(source, bad, texts)):
        return None
    where = f"stand in {source}" if standing == count else f"come from {source} or its prompts"
    return Blame(
        source=source,
        reason=f"{count} of {len(bad)} looping or copied texts since step {bad[0].step:,} {where}",
        evidence={"source": source, "texts": count, "bad": len(bad), "standing_in_it": standing},
    )


def _stands_out(source: str, bad: Sequence[RecentText], texts: Sequence[RecentText]) -> bool:
    """Return whether the prompts of a source fare at least `TIMES_WORSE` times as badly as those of the others."""
    own = [one for one in texts if one.source == source]
    others = [one for one in texts if one.source != source]
    if not own or not others:
        return False
    share = sum(one in bad for one in own) / len(own)
    return share >= TIMES_WORSE * sum(one in bad for one in others) / len(others)
