"""What graders said of a bundle: takes bundle, key and grades, gives `Results`: agreement, every item, and the reading."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median

import numpy as np

from twosignal.audits.grading.agreement import (
    Floats,
    Interval,
    alpha,
    alpha_interval,
    mean_interval,
    rank_correlation,
)
from twosignal.audits.grading.bundle import Secret, Sort
from twosignal.audits.grading.cards import GraderCard, cards_of
from twosignal.audits.grading.folder import Graded
from twosignal.audits.grading.grades import FAULTS, Grades
from twosignal.audits.grading.reading import Reading, Signals, read_signals


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """One item with its key and its grades; items shown again are not among them."""

    item: str
    sort: Sort
    step: int
    loss: float | None
    coherence: float | None
    degenerate: bool | None
    source: str
    domain: str
    prompt: str
    text: str
    grade: float
    """Mean of the grades that count."""
    grades: Mapping[str, int]
    """Every grade that counts, by grader."""
    faults: Mapping[str, int]
    """Faults ticked, with how many ticked them."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the graders that count agree; nan where it cannot be said."""

    samples: float
    """Krippendorff's alpha, ordinal, over the model's samples."""
    samples_interval: Interval
    """Of the same, in 95 of 100 draws of the items."""
    all_items: float
    """The same with controls, which no two readers should confuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything graders said of one bundle."""

    run: str
    bundle: str
    population: int
    """Samples the graded ones were drawn from."""
    graders: tuple[GraderCard, ...]
    items: tuple[ItemResult, ...]
    """Graded items, by step; controls first."""
    agreement: Agreement
    means: Mapping[str, float]
    """Mean grade by sort of item."""
    interval: Interval
    """Where the mean of the samples lies in 95 of 100 draws of the items."""
    correlations: Mapping[str, float]
    """Rank correlation of the samples' grades with coherence and with loss; nan where it cannot be said."""
    faults: Mapping[str, int]
    """Faults ticked for samples."""
    signals: Signals
    reading: Reading

    @property
    def samples(self) -> list[ItemResult]:
        """The items the model wrote."""
        return [item for item in self.items if item.sort == "sample"]

    @property
    def line(self) -> str:
        """The results as one line."""
        parts: list[str] = [self.reading.kind]
        if "sample" in self.means:
            num = sum(one.counts for one in self.graders)
            parts.append(f"{self.means['sample']:.1f} of 10 for {len(self.samples)} samples by {num} graders")
        if math.isfinite(self.agreement.all_items):
            parts.append(f"alpha {self.agreement.all_items:.2f}")
        return ", ".join(parts)

    def as_dict(self) -> dict[str, object]:
        """Return the results as plain JSON values; what cannot be said is nan."""
        values = asdict(self) | {"reading": self.reading.kind, "reason": self.reading.reason}
        values["leaning"] = self.reading.leaning
        values["signals"] |= {
            "loss_is_fine": self.signals.loss_is_fine,
            "texts_are_fine": self.signals.texts_are_fine,
        }
        return values


def results_of(
    graded: Graded,
    *,
    loss: float | None = None,
    random_chance: float | None = None,
    steps: tuple[int, int] | None = None,
) -> Results:
    """Return the results of a bundle; `steps` keeps only samples between two steps, both included.

    `loss` is the run's, nats per token: held out where it was measured, else of training.
    """
    secrets = {one.item: one for one in graded.key.items}
    cards = cards_of(graded.grades, secrets)
    counting = [one for one, card in zip(graded.grades, cards, strict=True) if card.counts]
    shown = [
        one
        for one in graded.key.items
        if not one.repeats and (one.sort != "sample" or steps is None or steps[0] <= one.step <= steps[1])
    ]
    items = _items(graded, shown, counting)
    signals = _signals(items, counting, shown=shown, loss=loss, random_chance=random_chance)
    written = [one for one in items if one.sort == "sample"]
    return Results(
        run=graded.key.run,
        bundle=graded.bundle.bundle,
        population=graded.key.population,
        graders=cards,
        items=items,
        agreement=_agreement(counting, shown),
        means={
            sort: fmean(one.grade for one in items if one.sort == sort)
            for sort in dict.fromkeys(one.sort for one in items)
        },
        interval=mean_interval(np.array([one.grade for one in written])),
        correlations={
            "coherence": _correlation([(one.coherence, one.grade) for one in written]),
            "loss": _correlation([(one.loss, one.grade) for one in written]),
        },
        faults=_faults([one.faults for one in written]),
        signals=signals,
        reading=read_signals(signals),
    )


def _items(graded: Graded, shown: Sequence[Secret], counting: Sequence[Grades]) -> tuple[ItemResult, ...]:
    texts = {one.item: one for one in graded.bundle.items}
    by_item: dict[str, dict[str, int]] = {}
    faults: dict[str, Counter[str]] = {}
    notes: dict[str, list[str]] = {}
    for grades in counting:
        for one in grades.grades:
            by_item.setdefault(one.item, {})[grades.grader] = one.score
            faults.setdefault(one.item, Counter()).update(one.faults)
            notes.setdefault(one.item, []).extend([one.note] if one.note.strip() else [])
    ordered = sorted(shown, key=lambda one: (one.sort == "sample", one.step, one.item))
    return tuple(
        ItemResult(
            item=one.item,
            sort=one.sort,
            step=one.step,
            loss=one.loss,
            coherence=one.coherence,
            degenerate=one.degenerate,
            source=one.source,
            domain=one.domain,
            prompt=texts[one.item].prompt,
            text=texts[one.item].text,
            grade=fmean(by_item[one.item].values()),
            grades=by_item[one.item],
            faults=dict(faults[one.item]),
            notes=tuple(notes[one.item]),
        )
        for one in ordered
        if one.item in by_item
    )


def _signals(
    items: Sequence[ItemResult],
    counting: Sequence[Grades],
    *,
    shown: Sequence[Secret],
    loss: float | None,
    random_chance: float | None,
) -> Signals:
    samples = [one for one in items if one.sort == "sample"]
    totals = [one.coherence for one in samples if one.coherence is not None]
    judged = [one.degenerate for one in samples if one.degenerate is not None]
    grades = np.array([one.grade for one in samples])
    return Signals(
        loss=loss,
        random_chance=random_chance,
        coherence=median(totals) if totals else None,
        degenerate=fmean(judged) if judged else None,
        grade=float(grades.mean()) if samples else None,
        grade_interval=mean_interval(grades) if samples else None,
        num_graders=len(counting),
        alpha=alpha(_ratings(counting, shown)),
    )


def _agreement(counting: Sequence[Grades], shown: Sequence[Secret]) -> Agreement:
    samples = _ratings(counting, [one for one in shown if one.sort == "sample"])
    return Agreement(
        samples=alpha(samples),
        samples_interval=alpha_interval(samples),
        all_items=alpha(_ratings(counting, shown)),
    )


def _ratings(everyone: Sequence[Grades], items: Sequence[Secret]) -> Floats:
    """Return scores, shape [graders, items], nan where a grader left an item out."""
    ratings = np.full((len(everyone), len(items)), np.nan)
    columns = {one.item: column for column, one in enumerate(items)}
    for row, grades in enumerate(everyone):
        for one in grades.grades:
            if one.item in columns:
                ratings[row, columns[one.item]] = one.score
    return ratings


def _correlation(pairs: Sequence[tuple[float | None, float]]) -> float:
    known = np.array([(x, y) for x, y in pairs if x is not None and math.isfinite(x)])
    return rank_correlation(known[:, 0], known[:, 1]) if len(known) else math.nan


def _faults(ticked: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {fault: count for fault in FAULTS if (count := sum(one.get(fault, 0) for one in ticked))}
