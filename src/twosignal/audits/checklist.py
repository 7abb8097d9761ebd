"""The five checks as lines to read: takes a `Report`, gives a `CheckRow` each with what it found, and one for the losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from twosignal.audits.breadth import Spread
from twosignal.audits.finding import Finding
from twosignal.audits.mix import split_line
from twosignal.audits.report import NO_GRADES, Report

Status = Literal["fine", "warning", "alarm", "unknown"]
WORDS: dict[Status, str] = {
    "fine": "fine",
    "warning": "look",
    "alarm": "act",
    "unknown": "not known",
}
FINDINGS_OF = {
    "Tiers": ("sample-loss",),
    "Low losses and copies": (
        "possible-copy",
        "many-copies",
        "low-loss-repetition",
        "short-answer",
        "predictable-text",
        "copied-text",
        "shared-passages",
        "canary-exposure",
    ),
    "Texts": ("low-coherence", "repetitive-texts", "broken-texts", "strikes", "no-samples"),
    "Breadth": (
        "stuck-domain",
        "narrow-samples",
        "stuck-source",
        "starved-source",
        "source-starved",
        "source-left-out",
    ),
    "Readers outside": ("grading",),
}
TEXT_RULES = ("andrea", "loop", "all-four", "default")
"""Rules of the gate that speak of texts."""
MOST_NAMED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One check."""

    title: str
    """What was looked at."""
    status: Status
    """How it stands."""
    line: str
    """What was seen, as a sentence."""
    findings: tuple[Finding, ...]
    """What is to be said of it, gravest first."""


def check_rows(report: Report) -> list[CheckRow]:
    """Return the five checks, and the training and held-out loss."""
    lines = {
        "Tiers": tiers_line(report),
        "Low losses and copies": outliers_line(report),
        "Texts": texts_line(report),
        "Breadth": breadth_line(report),
        "Readers outside": report.checks.grading,
        "Training and held-out loss": progress_line(report),
    }
    taken = {name for names in FINDINGS_OF.values() for name in names}
    rows = []
    for title, line in lines.items():
        names = FINDINGS_OF.get(title)
        found = tuple(
            one for one in report.findings if (one.id not in taken if names is None else one.id in names)
        )
        rows.append(CheckRow(title=title, status=_status(report, title, found), line=line, findings=found))
    return rows


def status_of(finding: Finding) -> Status:
    """Return how a finding makes its check stand."""
    return "fine" if finding.severity == "note" else finding.severity


def tiers_line(report: Report) -> str:
    """Return how many samples fell into which tier."""
    tiers = report.checks.tiers
    if not tiers:
        return "no losses recorded"
    return "; ".join(f"{tier.num_samples} {tier.tier} ({tier.reading})" for tier in tiers)


def outliers_line(report: Report) -> str:
    """Return the samples with a suspiciously low loss, and the copies."""
    checks = report.checks
    known = [one for one in checks.texts if one.loss is not None]
    copied = [one for one in checks.texts if (one.copied or {}).get("verdict") == "memorized"]
    searched = sum(one.copied is not None for one in checks.texts)
    if not checks.outliers:
        low = "no sample has so low a loss that it needs a reason" if known else "no losses recorded"
    else:
        low = ", ".join(f"step {one.step:,} {one.kind}" for one in checks.outliers[:MOST_NAMED])
        more = len(checks.outliers) - MOST_NAMED
        low = f"suspiciously low: {low}" + (f" and {more} more" if more > 0 else "")
    where = (
        f"{len(copied)} of {searched} looked up are copied"
        if searched
        else "none was looked up in the training text"
    )
    return f"{low}; {where}"


def texts_line(report: Report) -> str:
    """Return how the texts are."""
    texts = report.checks.texts
    if not texts:
        return "no samples in this window"
    broken = sum(bool(one.degenerate) for one in texts)
    totals = [one.judged_total for one in texts if one.judged_total is not None]
    middle = f"median coherence {median(totals):.0f} of 100" if totals else "all too short to judge alone"
    short = len(texts) - len(totals)
    alone = f", {short} too short to judge alone" if short and totals else ""
    return f"{len(texts)} texts, {broken} broken, {middle}{alone}"


def breadth_line(report: Report) -> str:
    """Return the domains and sources in effect, of samples and of training rows, beside what was to be expected."""
    breadth, draws = report.checks.breadth, report.draws
    if not breadth.counts and draws is None:
        return "no domains recorded"
    said = []
    if breadth.counts:
        domains = Spread(
            counts=breadth.counts,
            effective=breadth.effective,
            expected=breadth.expected,
            basis=breadth.basis,
        )
        said.append(f"{spread_words(domains, 'domains')}: {named_counts(breadth.counts)}")
        if list(breadth.sources.counts.values()) not in ([], list(breadth.counts.values())):
            said.append(spread_words(breadth.sources, "sources"))
    if draws is not None:
        said.append(
            f"training {draws.unit} come from {draws.effective:.1f} sources in effect, and the mix promises "
            f"{draws.expected:.1f}"
        )
    return "; ".join(said)


def spread_words(spread: Spread, noun: str) -> str:
    """Return a spread and what was to be expected of it."""
    said = f"{spread.effective:.1f} {noun} in effect"
    if spread.expected is None:
        return said
    asks = "the panel asks for" if spread.basis == "panel" else "draws by the mix would give"
    is_met = f"{spread.effective:.1f}" == f"{spread.expected:.1f}"
    return f"{said}, as {asks}" if is_met else f"{said}, and {asks} {spread.expected:.1f}"


def named_counts(counts: Mapping[str, int]) -> str:
    """Return names with their counts, most frequent first, at most 12."""
    pairs = list(counts.items())
    more = len(pairs) - MOST_NAMED
    named = ", ".join(f"{name} {count}" for name, count in pairs[:MOST_NAMED])
    return named + (f" and {more} more" if more > 0 else "")


def progress_line(report: Report) -> str:
    """Return how the held-out loss of every source moved."""
    mix = "" if report.mix is None else f"; {split_line(report.mix)}"
    if not report.progress:
        return f"no held-out loss by source recorded{mix}"
    moved = ", ".join(
        f"{one.source} {one.first:.2f} to {one.last:.2f}" for one in report.progress[:MOST_NAMED]
    )
    return f"held-out loss, first to newest: {moved}{mix}"


def _status(report: Report, title: str, findings: Sequence[Finding]) -> Status:
    is_texts = report.verdict.rule in TEXT_RULES
    fired = report.verdict.kind == "halt" and (
        title == ("Texts" if is_texts else "Training and held-out loss")
    )
    if fired or any(one.severity == "alarm" for one in findings):
        return "alarm"
    if any(one.severity == "warning" for one in findings):
        return "warning"
    checks = report.checks
    known = {
        "Tiers": bool(checks.tiers),
        "Low losses and copies": bool(checks.tiers),
        "Texts": bool(checks.texts),
        "Breadth": bool(checks.breadth.counts) or report.draws is not None,
        "Readers outside": checks.grading != NO_GRADES,
        "Training and held-out loss": bool(report.progress),
    }
    return "fine" if known[title] else "unknown"
