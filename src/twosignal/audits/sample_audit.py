"""Tiers and texts of a window: takes samples, gives a count per tier and a `TextCheck` per text, with findings.

Two of the five checks of a sample audit; outliers and breadth have modules of their own, and grading needs
people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from twosignal.audits.coherence import CoherenceScore, classic_score
from twosignal.audits.copying.findings import is_copied, place_of
from twosignal.audits.finding import Finding
from twosignal.audits.outliers import explain_low_loss
from twosignal.audits.recorded import Sample
from twosignal.audits.sampling import judge_text, opening
from twosignal.audits.tiers import (
    ALERT_LOSS,
    NON_FINITE,
    TIERS,
    WORSE_THAN_RANDOM,
    Action,
    Tier,
    tier_of,
)
from twosignal.records.smoothing import perplexity

ALL_FOUR_PART = 30.0
"""Bigram and trigram part, each of 35, below which rule all-four flags a text."""
MIN_JUDGED = 3
"""Judged texts below which the window says nothing about repetition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierCount:
    """How many samples of the window fell into one tier."""

    tier: str
    """Name of the tier."""
    action: Action
    """What the tier asks for."""
    reading: str
    """What its samples usually are."""
    num_samples: int
    """Samples of the window in it."""
    lowest: float
    """Smallest loss among them, nats per token."""
    highest: float
    """Largest loss among them, nats per token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCheck:
    """One text with everything that is known about it."""

    step: int
    """Step of the sampling."""
    prompt: str
    """What the model was given."""
    text: str
    """What it wrote."""
    loss: float | None
    """Nats per token; None where not recorded."""
    perplexity: float | None
    """exp(loss); None where not recorded."""
    tier: str
    """Name of the tier; empty without a loss."""
    action: str
    """What to do with the sample; empty without a loss."""
    source: str
    """Source of the prompt."""
    domain: str
    """What the prompt is about."""
    score: CoherenceScore
    """The classic score, whether or not the text is long enough to be judged by it."""
    judged_total: float | None
    """The total the gate judges by; None when the text is too short to judge alone."""
    flags: tuple[str, ...]
    """Among empty, too short to judge alone, low total, loop, repetitive, and copied from FILE:LINE."""


def count_tiers(samples: Sequence[Sample], *, random_chance: float | None = None) -> tuple[TierCount, ...]:
    """Return the tiers that hold a sample, lowest loss first; samples without a loss are left out."""
    by_tier: dict[str, tuple[Tier, list[float]]] = {}
    for sample in samples:
        if sample.loss is not None:
            tier = tier_of(sample.loss, random_chance=random_chance)
            by_tier.setdefault(tier.name, (tier, []))[1].append(sample.loss)
    order = [tier.name for tier in TIERS]
    return tuple(
        TierCount(
            tier=name,
            action=tier.action,
            reading=tier.reading,
            num_samples=len(losses),
            lowest=min(losses),
            highest=max(losses),
        )
        for name, (tier, losses) in sorted(
            by_tier.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)
        )
    )


def check_text(sample: Sample, *, threshold: float = 30.0, random_chance: float | None = None) -> TextCheck:
    """Return one sample with its scores and flags; `threshold` is the gate's."""
    judged = judge_text(sample.text)
    flags = []
    if not sample.text.strip():
        flags.append("empty")
    elif judged is None:
        flags.append("too short to judge alone")
    else:
        flags += ["low total"] if judged.score.total < threshold else []
        flags += ["loop"] if judged.is_loop else []
        flags += ["repetitive"] if is_repetitive(judged.score) and not judged.is_loop else []
    flags += [f"copied from {place_of(sample)}"] if is_copied(sample) else []
    tier = None if sample.loss is None else tier_of(sample.loss, random_chance=random_chance)
    action = "" if tier is None else tier.action
    return TextCheck(
        step=sample.step,
        prompt=sample.prompt,
        text=sample.text,
        loss=sample.loss,
        perplexity=None if sample.loss is None else perplexity(sample.loss),
        tier="" if tier is None else tier.name,
        action=_action(sample, action),
        source=sample.source,
        domain=sample.domain,
        score=classic_score(sample.text),
        judged_total=None if judged is None else judged.score.total,
        flags=tuple(flags),
    )


def _action(sample: Sample, tier_action: str) -> str:
    """Return what to do with a sample: its tier says, unless its loss is very low, or it was copied."""
    if sample.loss is not None and sample.loss < ALERT_LOSS:
        return explain_low_loss(sample).action
    return "INVESTIGATE" if is_copied(sample) else tier_action


def is_repetitive(score: CoherenceScore) -> bool:
    """Return whether rule all-four flags the text: bigram and trigram part both under 30 of 35."""
    return score.bigram < ALL_FOUR_PART and score.trigram < ALL_FOUR_PART


def tier_findings(samples: Sequence[Sample], *, random_chance: float | None = None) -> tuple[Finding, ...]:
    """Return a warning when samples have a loss above random chance or none at all."""
    bad = [
        (sample.step, tier.name)
        for sample in samples
        if sample.loss is not None
        for tier in [tier_of(sample.loss, random_chance=random_chance)]
        if tier in (WORSE_THAN_RANDOM, NON_FINITE)
    ]
    if not bad:
        return ()
    finding = Finding(
        id="sample-loss",
        severity="warning",
        message=f"INVESTIGATE: {len(bad)} of {len(samples)} samples have a loss that is {bad[0][1]}, "
        f"first at step {bad[0][0]:,}",
        evidence={"samples": len(bad), "random_chance": random_chance},
        steps=tuple(sorted({step for step, _ in bad})),
        remedy="A model is surest of its own words; check that samples are scored with the weights that wrote them.",
    )
    return (finding,)


def text_findings(texts: Sequence[TextCheck], *, threshold: float = 30.0) -> tuple[Finding, ...]:
    """Return what the texts say together: low totals are a warning, mostly repetitive ones an alarm."""
    findings = []
    judged = [text for text in texts if text.judged_total is not None]
    low = [text for text in judged if "low total" in text.flags]
    if low:
        worst = min(low, key=lambda text: text.judged_total or 0.0)
        findings.append(
            Finding(
                id="low-coherence",
                severity="warning",
                message=f"{len(low)} of {len(judged)} judged texts have a coherence total below {threshold:g}; "
                f'the lowest, {worst.judged_total:.1f} at step {worst.step:,}, opens "{opening(worst.text)}"',
                evidence={"low": len(low), "judged": len(judged), "lowest": worst.judged_total},
                steps=tuple(sorted({text.step for text in low})),
                remedy="Read them; if they go on, lower the learning rate and look at the last switch of sources.",
            )
        )
    repetitive = [text for text in judged if {"loop", "repetitive"} & set(text.flags)]
    if len(judged) >= MIN_JUDGED and 2 * len(repetitive) > len(judged):
        findings.append(
            Finding(
                id="repetitive-texts",
                severity="alarm",
                message=f"{len(repetitive)} of {len(judged)} judged texts repeat themselves "
                f"(word pairs and triples both below {ALL_FOUR_PART:g} of 35)",
                evidence={"repetitive": len(repetitive), "judged": len(judged)},
                steps=tuple(sorted({text.step for text in repetitive})),
                remedy="Keep this checkpoint, read the samples, and cut the sources whose text is lists or loops.",
            )
        )
    return tuple(findings)
