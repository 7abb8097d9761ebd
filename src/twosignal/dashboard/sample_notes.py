"""A sample without its text: takes its record as it stands in the file, gives the figures that lists and curves need."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from twosignal.records.values import decode

HEAD: Final = 60
"""Characters of a sample that its line in a list shows."""
WORDS: Final = ("tier", "action", "source", "domain", "copied")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleNote:
    """One sample, without its text."""

    step: int
    """Step after which it was drawn."""
    loss: float | None
    """Nats per token; nan where not finite, None where not recorded."""
    coherence: float | None
    """Total of the classic score, 0 to 100; None where not recorded."""
    is_judged: bool
    """Whether the run recorded a verdict on the text."""
    is_degenerate: bool
    """That verdict: something is wrong with the text; a text too short to say is not."""
    words: Mapping[str, str | None]
    """Tier, action, source, domain, and the verdict of the copy index; None where not recorded."""
    head: str
    """How it begins."""


def read_note(step: int, body: Mapping[str, Any]) -> SampleNote:
    """Return the note on a sample from its record, whose numbers that are not finite are words."""
    scores = _table(body.get("scores"))
    total = scores.get("total")
    words = {name: body.get(name) for name in WORDS} | {"copied": _table(body.get("copied")).get("verdict")}
    loss = decode(body.get("loss"))
    return SampleNote(
        step=step,
        loss=float(loss) if isinstance(loss, (int, float)) else None,
        coherence=float(total) if isinstance(total, (int, float)) else None,
        is_judged=isinstance(scores.get("degenerate", ""), bool | None),
        is_degenerate=scores.get("degenerate") is True,
        words={name: value if isinstance(value, str) else None for name, value in words.items()},
        head=" ".join(str(body.get("text", ""))[: 4 * HEAD].split())[:HEAD],
    )


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
