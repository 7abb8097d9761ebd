"""Tiers and texts of a window: takes samples, gives a count per tier, a `TextCheck` and an action per text, with findings.

Two of the five checks of a sample audit; outliers and breadth have modules of their own, and grading needs
people.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from twosignal.audits.coherence import CoherenceScore, classic_score
from twosignal.audits.copying.findings import is_copied, place_of
from twosignal.audits.degeneration import Score, Signal, score_texts
from twosignal.audits.finding import Finding
from twosignal.audits.outliers import explain_low_loss
from twosignal.audits.recorded import Body, Sample
from twosignal.audits.sampling import MIN_WORDS, JudgedText, judge_text, opening
from twosignal.audits.tiers import (
    NON_FINITE,
    TIERS,
    WORSE_THAN_RANDOM,
    Action,
    Tier,
    Tiers,
    tier_of,
)
from twosignal.records.smoothing import perplexity

ALL_FOUR_PART = 30.0
"""Bigram and trigram part, each of 35, below which rule all-four flags a text."""
MIN_JUDGED = 3
"""Judged texts below which the window says nothing about repetition."""
MAX_STEPS = 20


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
    """What to do with the sample; empty where neither its loss nor its text asks for anything."""
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
    degenerate: bool | None
    """Whether something is wrong with the text itself; None where there is too little of it."""
    signals: tuple[Signal, ...]
    """What is wrong, and where."""
    copied: Body | None
    """What the copy index said of it, as recorded."""

    @property
    def faults(self) -> tuple[str, ...]:
        """Flags and names of the signals, each once."""
        return tuple(dict.fromkeys([*self.flags, *(signal.name for signal in self.signals)]))

    @property
    def is_suspect(self) -> bool:
        """Whether somebody should read this text before others."""
        return self.action == "INVESTIGATE" or bool(self.signals) or "low total" in self.flags


def count_tiers(
    samples: Sequence[Sample], *, tiers: Tiers = TIERS, random_chance: float | None = None
) -> tuple[TierCount, ...]:
    """Return the tiers that hold a sample, lowest loss first; samples without a loss are left out."""
    by_tier: dict[str, tuple[Tier, list[float]]] = {}
    for sample in samples:
        if sample.loss is not None:
            tier = tier_of(sample.loss, tiers=tiers, random_chance=random_chance)
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


def check_texts(
    samples: Sequence[Sample],
    *,
    threshold: float = 30.0,
    tiers: Tiers = TIERS,
    random_chance: float | None = None,
) -> tuple[TextCheck, ...]:
    """Return every sample with its scores and flags; `threshold` is the gate's."""
    scores = score_texts([sample.text for sample in samples], [sample.prompt for sample in samples])
    return tuple(
        _check(sample, score, threshold=threshold, tiers=tiers, random_chance=random_chance)
        for sample, score in zip(samples, scores, strict=True)
    )


def check_text(
    sample: Sample, *, threshold: float = 30.0, tiers: Tiers = TIERS, random_chance: float | None = None
) -> TextCheck:
    """Return one sample as `check_texts` does."""
    return check_texts([sample], threshold=threshold, tiers=tiers, random_chance=random_chance)[0]


def action_of(
    sample: Sample, score: Score, *, tiers: Tiers = TIERS, random_chance: float | None = None
) -> Action | None:
    """Return what to do with a sample: its tier says, but for copies, explained low losses, and signals that disagree.

    A text that was copied, or is broken though its loss promises sense, is to be investigated whatever its tier. None
    where no loss was recorded and nothing is wrong.
    """
    tier = _tier(sample, tiers, random_chance)
    if is_copied(sample) or (score.degenerate and (tier is None or tier.is_fluent)):
        return "INVESTIGATE"
    if tier is tiers[0]:
        return explain_low_loss(sample).action
    return None if tier is None else tier.action


def worth_reading(texts: Sequence[TextCheck], most: int) -> list[TextCheck]:
    """Return at most `most`, oldest first: half of the places to the newest suspects, the rest to the newest texts."""
    suspects = [index for index, text in enumerate(texts) if text.is_suspect]
    chosen = set(suspects[-(most // 2) :]) if most > 1 else set()
    newest = [index for index in range(len(texts) - 1, -1, -1) if index not in chosen]
    return [texts[index] for index in sorted([*chosen, *newest[: max(0, most - len(chosen))]])]


def _tier(sample: Sample, tiers: Tiers, random_chance: float | None) -> Tier | None:
    return None if sample.loss is None else tier_of(sample.loss, tiers=tiers, random_chance=random_chance)


def _check(
    sample: Sample, score: Score, *, threshold: float, tiers: Tiers, random_chance: float | None
) -> TextCheck:
    judged = judge_text(sample.text)
    is_classic = len(sample.text.split()) >= MIN_WORDS
    tier = _tier(sample, tiers, random_chance)
    return TextCheck(
        step=sample.step,
        prompt=sample.prompt,
        text=sample.text,
        loss=sample.loss,
        perplexity=None if sample.loss is None else perplexity(sample.loss),
        tier="" if tier is None else tier.name,
        action=action_of(sample, score, tiers=tiers, random_chance=random_chance) or "",
        source=sample.source,
        domain=sample.domain,
        score=judged.score if judged is not None and is_classic else classic_score(sample.text),
        judged_total=None if judged is None else judged.score.total,
        flags=tuple(_flags(sample, judged, threshold=threshold)),
        degenerate=score.degenerate,
        signals=score.signals,
        copied=sample.copied,
    )


def _flags(sample: Sample, judged: JudgedText | None, *, threshold: float) -> Iterator[str]:
    if not sample.text.strip():
        yield "empty"
    elif judged is None:
        yield "too short to judge alone"
    else:
        if judged.score.total < threshold:
            yield "low total"
        if judged.is_loop:
            yield "loop"
        elif is_repetitive(judged.score):
            yield "repetitive"
    if is_copied(sample):
        yield f"copied from {place_of(sample)}"


def is_repetitive(score: CoherenceScore) -> bool:
    """Return whether rule all-four flags the text: bigram and trigram part both under 30 of 35."""
    return score.bigram < ALL_FOUR_PART and score.trigram < ALL_FOUR_PART


def tier_findings(
    samples: Sequence[Sample], *, tiers: Tiers = TIERS, random_chance: float | None = None
) -> tuple[Finding, ...]:
    """Return a warning when samples have a loss above random chance or none at all."""
    bad = [
        (sample.step, tier.name)
        for sample in samples
        if sample.loss is not None
        for tier in [tier_of(sample.loss, tiers=tiers, random_chance=random_chance)]
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
    told = {"low total"}
    if any(finding.id == "repetitive-texts" for finding in findings):
        told |= {"loop", "repetitive"}
    return (*findings, *_broken_texts(texts, told))


def _broken_texts(texts: Sequence[TextCheck], told: set[str]) -> list[Finding]:
    """Return a warning on texts that are broken in other ways than the flags told of already."""
    broken = [text for text in texts if text.degenerate and not told & set(text.flags)]
    if not broken:
        return []
    kinds = Counter(name for text in broken for name in dict.fromkeys(one.name for one in text.signals))
    named = ", ".join(f"{name} {count}" for name, count in kinds.most_common())
    finding = Finding(
        id="broken-texts",
        severity="warning",
        message=f"{len(broken)} of {len(texts)} texts are broken in ways that the total does not see ({named}); "
        f"at step {broken[-1].step:,}, {broken[-1].signals[0].reason}",
        evidence={"broken": len(broken), "texts": len(texts), "kinds": dict(kinds)},
        steps=tuple(sorted({text.step for text in broken}))[:MAX_STEPS],
        remedy="Read them; a young model writes such texts, one that has learned to speak does not.",
    )
    return [finding]
