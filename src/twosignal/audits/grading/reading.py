"""What two signals and the readers say together: takes `Signals`, gives a `Reading` with one of five kinds.

                      readers: good       readers: poor
    inside: fine      healthy             metric gaming
    inside: not fine  metric blind        poor

and undecided, where readers are too few, do not agree, or their mean lies too near the line. The table is that of
the ANDREA lessons; the lines are ours: their exercises call (loss 2.5, diversity 70, grade 3) gaming, (2.0, 85, 9)
healthy, and a coherence of 45 a loop.
"""

import math
from dataclasses import dataclass
from typing import Literal

from twosignal.audits.finding import Finding, Severity

GOOD_GRADE = 6.0
"""Mean grade of 10 from which readers are content; on the page 6 reads "useful, with faults"."""
FINE_COHERENCE = 60.0
"""Median classic total of 100 from which texts count as varied."""
MOST_DEGENERATE = 0.25
"""Share of degenerate texts above which the texts are not fine."""
FINE_LOSS = 4.0
"""Nats per token, where random chance is not known."""
FINE_SHARE_OF_CHANCE = 0.5
LEAST_GRADERS = 2
WANTED_GRADERS = 3
LEAST_ALPHA = 0.667
"""Krippendorff's own line below which no conclusions should be drawn."""

Kind = Literal["healthy", "metric gaming", "metric blind", "poor", "undecided"]

MEANINGS: dict[Kind, str] = {
    "healthy": "loss, texts and readers agree that the model is good",
    "metric gaming": "loss and texts look fine and readers disagree: fluent, but wrong or beside the point",
    "metric blind": "readers are content and loss or texts look bad: the measure misses what people value",
    "poor": "loss or texts look bad and readers agree: the model is not there yet, or has decayed",
    "undecided": "the readers cannot settle it yet",
}
REMEDIES: dict[Kind, str] = {
    "healthy": "",
    "metric gaming": "Read the lowest-graded samples with their prompts, and look at what the sources reward.",
    "metric blind": "Look at the samples readers liked, and at the thresholds and probes that call them bad.",
    "poor": "Train on if the run is young; else go back to the last checkpoint whose samples were good.",
    "undecided": "Ask for more graders, or grade more samples.",
}
SEVERITIES: dict[Kind, Severity] = {
    "healthy": "note",
    "metric gaming": "alarm",
    "metric blind": "warning",
    "poor": "warning",
    "undecided": "note",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is known from inside and from outside."""

    loss: float | None = None
    """Held-out loss, else training loss, nats per token; None where not recorded."""
    random_chance: float | None = None
    """ln(vocabulary); None where not known."""
    coherence: float | None = None
    """Median classic total of the graded samples, 0 to 100; None where all are too short to judge."""
    degenerate: float | None = None
    """Share of degenerate texts among those that could be judged; None where none could."""
    grade: float | None = None
    """Mean grade of 10; None without grades."""
    grade_interval: tuple[float, float] | None = None
    """Where the mean lies in 95 of 100 draws of the items; None counts as exact."""
    num_graders: int = WANTED_GRADERS
    """Graders whose grades count."""
    alpha: float | None = None
    """Agreement over all items, controls included; None where not asked."""

    @property
    def loss_is_fine(self) -> bool | None:
        """Whether the loss is low enough to mean something; None without one. A loss that is nan is not fine."""
        if self.loss is None:
            return None
        chance = self.random_chance
        return self.loss < (FINE_LOSS if chance is None else FINE_SHARE_OF_CHANCE * chance)

    @property
    def texts_are_fine(self) -> bool | None:
        """Whether the texts are varied and whole; None where none could be judged."""
        if self.coherence is None and self.degenerate is None:
            return None
        is_varied = self.coherence is None or self.coherence >= FINE_COHERENCE
        return is_varied and (self.degenerate is None or self.degenerate <= MOST_DEGENERATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Which of the four it is."""

    kind: Kind
    reason: str
    """One sentence with the figures."""
    leaning: Kind
    """What it would be if the readers' mean were taken at its word; equals `kind` unless undecided."""

    def finding(self, steps: tuple[int, ...]) -> Finding:
        """Return the reading as a finding of an audit; `steps` are those of the graded samples."""
        return Finding(
            id="grading",
            severity=SEVERITIES[self.kind],
            message=f"{self.kind}: {self.reason}",
            evidence={"reading": self.kind, "leaning": self.leaning},
            steps=steps[:20],
            remedy=REMEDIES[self.kind],
        )


def read_signals(signals: Signals) -> Reading:
    """Return the four-way reading; an inner signal that is not known does not count against the model."""
    figures = _figures(signals)
    if signals.grade is None:
        return Reading(kind="undecided", leaning="undecided", reason="there are no grades that count")
    is_fine = signals.loss_is_fine is not False and signals.texts_are_fine is not False
    if signals.grade >= GOOD_GRADE:
        leaning: Kind = "healthy" if is_fine else "metric blind"
    else:
        leaning = "metric gaming" if is_fine else "poor"
    doubts = _doubts(signals)
    if signals.loss_is_fine is None and signals.texts_are_fine is None:
        doubts.append("nothing is known from inside")
    if doubts:
        reason = f"it leans to {leaning}, but {'; '.join(doubts)} ({figures})"
        return Reading(kind="undecided", leaning=leaning, reason=reason)
    return Reading(kind=leaning, leaning=leaning, reason=f"{MEANINGS[leaning]} ({figures})")


def _doubts(signals: Signals) -> list[str]:
    doubts = []
    if signals.num_graders < LEAST_GRADERS:
        doubts.append("one reader is an anecdote")
    elif signals.alpha is not None and not signals.alpha >= LEAST_ALPHA:
        doubts.append(
            "their agreement cannot be measured"
            if math.isnan(signals.alpha)
            else f"they agree too little (alpha {signals.alpha:.2f}, wanted {LEAST_ALPHA:g})"
        )
    low, high = signals.grade_interval or (signals.grade or 0.0, signals.grade or 0.0)
    if low < GOOD_GRADE <= high and low != high:
        doubts.append(f"the mean may lie on either side of {GOOD_GRADE:g} ({low:.1f} to {high:.1f})")
    return doubts


def _figures(signals: Signals) -> str:
    """Return what is known, in words; what is not known is left out."""
    parts = []
    if signals.loss is not None:
        parts.append(f"loss {signals.loss:.2f}" + ("" if signals.loss_is_fine else ", too high"))
    if signals.coherence is not None:
        low = "" if signals.coherence >= FINE_COHERENCE else ", too low"
        parts.append(f"coherence {signals.coherence:.0f}{low}")
    if signals.degenerate is not None:
        many = "" if signals.degenerate <= MOST_DEGENERATE else ", too many"
        parts.append(f"{signals.degenerate:.0%} degenerate{many}")
    if signals.grade is not None:
        few = f", {WANTED_GRADERS} are wanted" if signals.num_graders < WANTED_GRADERS else ""
        graders = f"{signals.num_graders} grader{'' if signals.num_graders == 1 else 's'}{few}"
        parts.append(f"mean grade {signals.grade:.1f} of 10 from {graders}")
    return "; ".join(parts)
