"""What copied samples say about a run: takes the samples of a window, gives a `Finding` for every source copied from."""

from collections.abc import Mapping, Sequence

from twosignal.audits.finding import Finding
from twosignal.audits.recorded import Sample
from twosignal.audits.sampling import opening
from twosignal.audits.tiers import TIERS, Tiers

MANY_COPIES = 2
MANY_COPIES_SHARE = 0.25
"""At least so many copied samples, and this share of the window, are an alarm."""
MOST_STEPS = 20


def is_copied(sample: Sample) -> bool:
    """Return whether a sample was found to hold a passage of the training text."""
    return sample.copied is not None and sample.copied.get("verdict") == "memorized"


def copy_findings(
    samples: Sequence[Sample], *, tiers: Tiers = TIERS, shares: Mapping[str, float] | None = None
) -> tuple[Finding, ...]:
    """Return a finding for every source that samples were copied from, and a note on passages too short to say.

    A copy is a copy whatever its loss: those whose loss is not under the alert of `tiers` are counted apart, for a rule
    that looks only at the loss would miss them. `shares` are the sources' shares of the rows, where known.
    """
    alert, known = tiers[0].below, shares or {}
    copied: dict[str, list[Sample]] = {}
    for sample in samples:
        if is_copied(sample):
            copied.setdefault(str(_longest(sample).get("source", "")), []).append(sample)
    found = [
        _copied(source, group, num_samples=len(samples), alert=alert, share=known.get(source))
        for source, group in copied.items()
    ]
    suspects = [one for one in samples if one.copied is not None and one.copied.get("verdict") == "suspect"]
    return (*found, *([_suspects(suspects, num_samples=len(samples))] if suspects else []))


def place_of(sample: Sample) -> str:
    """Return file and line that the longest match of a copied sample begins at."""
    match = _longest(sample)
    return f"{match.get('file', '?')}:{match.get('line', '?')}"


def _copied(
    source: str, group: Sequence[Sample], *, num_samples: int, alert: float, share: float | None
) -> Finding:
    worst = max(group, key=_tokens)
    normal = [one for one in group if one.loss is None or not one.loss < alert]
    times = _longest(worst).get("occurrences", 1)
    message = (
        f"INVESTIGATE: {len(group)} of {num_samples} samples are copied from source {source}; the longest run, "
        f"{_tokens(worst)} tokens at step {worst.step:,}, stands at {place_of(worst)}"
    )
    if isinstance(times, int) and times > 1:
        message += f", and {times:,} times in all"
    if normal:
        message += f"; the loss of {len(normal)} of them looks normal"
    if share is not None:
        message += f"; {source} has {share:.1%} of the rows"
    return Finding(
        id="copied-text",
        severity="alarm"
        if len(group) >= MANY_COPIES and len(group) >= MANY_COPIES_SHARE * num_samples
        else "warning",
        message=message,
        evidence={
            "source": source,
            "copied": len(group),
            "samples": num_samples,
            "normal_loss": len(normal),
            "longest_tokens": _tokens(worst),
            "place": place_of(worst),
            "occurrences": times,
            "share": share,
            "text": opening(worst.text),
        },
        steps=tuple(sorted({one.step for one in group}))[:MOST_STEPS],
        remedy=f"Remove duplicates from {source} and lower its weight; do not count these samples as quality.",
    )


def _suspects(suspects: Sequence[Sample], *, num_samples: int) -> Finding:
    sources = [str(_longest(one).get("source", "")) for one in suspects]
    by_source = {source: sources.count(source) for source in dict.fromkeys(sources)}
    return Finding(
        id="shared-passages",
        severity="note",
        message=f"{len(suspects)} of {num_samples} samples share 20 to 49 tokens in a row with the training text: "
        + ", ".join(f"{source} {count}" for source, count in by_source.items()),
        evidence={"by_source": by_source, "samples": num_samples},
        steps=tuple(sorted({one.step for one in suspects}))[:MOST_STEPS],
        remedy="Keep watching; growing runs from one source mean that it is learned by heart.",
    )


def _longest(sample: Sample) -> Mapping[str, object]:
    matches = (sample.copied or {}).get("matches")
    usable = [one for one in matches if isinstance(one, Mapping)] if isinstance(matches, list) else []
    telling = [one for one in usable if not one.get("repetitive")] or usable
    return telling[0] if telling else {}


def _tokens(sample: Sample) -> int:
    tokens = (sample.copied or {}).get("longest_tokens")
    return tokens if isinstance(tokens, int) else 0
