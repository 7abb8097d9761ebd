"""A run's two signals over its steps, for pictures: takes a recording, gives a `History` of at most 300 samplings."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from twosignal.audits.copying.findings import is_copied
from twosignal.audits.degeneration import score_texts
from twosignal.audits.recorded import Probe, Sample
from twosignal.audits.sampling import judge_sampling

MOST_SAMPLINGS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPoint:
    """What the texts of one sampling come to."""

    step: int
    """Step of the sampling."""
    total: float | None
    """Coherence total that the gate judges by, 0 to 100; None where there was too little text."""
    loss: float | None
    """Median loss of its texts in nats per token; None where none was recorded."""
    num_texts: int
    """Its texts."""
    num_broken: int
    """Those with something wrong in them."""
    num_copied: int
    """Those copied from the training text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Held-out losses and samplings up to a step."""

    probes: tuple[tuple[int, float], ...]
    """Step and held-out loss in nats per target; nan where it was not finite."""
    samplings: tuple[SamplingPoint, ...]
    """Samplings, evenly spread when there are more than 300."""
    num_samplings: int
    """Samplings there are."""


def history_of(samples: Sequence[Sample], probes: Sequence[Probe], *, until: int) -> History:
    """Return both signals up to a step, it included; samples and probes in step order."""
    told = (sample for sample in samples if sample.step <= until)
    panels = [list(group) for _, group in groupby(told, key=lambda sample: sample.step)]
    shown = min(len(panels), MOST_SAMPLINGS)
    chosen = [panels[(2 * number + 1) * len(panels) // (2 * shown)] for number in range(shown)]
    return History(
        probes=tuple((probe.step, probe.loss) for probe in probes if probe.step <= until),
        samplings=tuple(_point(panel) for panel in chosen),
        num_samplings=len(panels),
    )


def _point(panel: Sequence[Sample]) -> SamplingPoint:
    texts = [sample.text for sample in panel]
    losses = [sample.loss for sample in panel if sample.loss is not None]
    scores = score_texts(texts, [sample.prompt for sample in panel])
    return SamplingPoint(
        step=panel[0].step,
        total=judge_sampling(texts).total,
        loss=median(losses) if losses else None,
        num_texts=len(panel),
        num_broken=sum(bool(score.degenerate) for score in scores),
        num_copied=sum(map(is_copied, panel)),
    )
