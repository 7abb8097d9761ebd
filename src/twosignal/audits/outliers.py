"""Why a sample's loss is under the alert, usually 0.20: takes samples, gives an `Outlier` with the likeliest reason for each.

Low loss alone cannot tell copying from repetition from an easy answer. A text that compresses well repeats
itself; a text of few tokens cannot hold a run worth the name of a copy. Where the sample was looked for in the
training text, that decides the rest; without an index anything else may be a copy.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from twosignal.audits.finding import Finding
from twosignal.audits.recorded import Sample
from twosignal.audits.sampling import opening
from twosignal.audits.tiers import TIERS, Action, Tiers
from twosignal.records.smoothing import perplexity

REPETITION_RATIO = 4.0
"""Bytes per compressed byte from which a text is repetitive; prose has 1.6."""
SHORT_TOKENS = 20
"""A text below this cannot hold a run long enough to be called a copy."""
MANY_COPIES_SHARE = 0.25

OutlierKind = Literal["copy", "possible copy", "repetition", "short answer", "predictable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier:
    """A sample under the alert, and the likeliest reason."""

    step: int
    """Step of the sampling."""
    loss: float
    """Nats per token."""
    kind: OutlierKind
    """The likeliest reason."""
    action: Action
    """INVESTIGATE, or ACCEPT_WITH_NOTE for a short answer and a text that was found nowhere."""
    zlib_ratio: float
    """Bytes per compressed byte of the text."""
    text: str
    """The text itself."""


def find_outliers(samples: Sequence[Sample], *, tiers: Tiers = TIERS) -> tuple[Outlier, ...]:
    """Return the samples under the alert of `tiers` with the likeliest reason, without looking at any corpus."""
    alert = tiers[0].below
    return tuple(
        explain_low_loss(sample) for sample in samples if sample.loss is not None and sample.loss < alert
    )


def explain_low_loss(sample: Sample) -> Outlier:
    """Return the likeliest reason for the low loss of `sample`."""
    encoded = sample.text.encode("utf-8", "surrogatepass")
    ratio = len(encoded) / len(zlib.compress(encoded))
    length = sample.tokens or len(sample.text.split())
    known = (sample.copied or {}).get("verdict")
    kind: OutlierKind = "possible copy"
    if ratio >= REPETITION_RATIO:
        kind = "repetition"
    elif length < SHORT_TOKENS:
        kind = "short answer"
    elif known == "memorized":
        kind = "copy"
    elif known == "predictable":
        kind = "predictable"
    return Outlier(
        step=sample.step,
        loss=0.0 if sample.loss is None else sample.loss,
        kind=kind,
        action="ACCEPT_WITH_NOTE" if kind in ("short answer", "predictable") else "INVESTIGATE",
        zlib_ratio=ratio,
        text=sample.text,
    )


def outlier_findings(outliers: Sequence[Outlier], *, num_samples: int) -> tuple[Finding, ...]:
    """Return one finding per outlier, and an alarm when possible copies are a quarter of `num_samples`.

    Copies found in the training text are told by `copying.findings`, with their places.
    """
    findings = [_outlier_finding(outlier) for outlier in outliers if outlier.kind != "copy"]
    copies = [outlier for outlier in outliers if outlier.kind == "possible copy"]
    if len(copies) >= 2 and len(copies) >= MANY_COPIES_SHARE * num_samples:
        findings.append(
            Finding(
                id="many-copies",
                severity="alarm",
                message=f"{len(copies)} of {num_samples} samples may be copied from the training text",
                evidence={"copies": len(copies), "samples": num_samples},
                steps=tuple(outlier.step for outlier in copies),
                remedy="Find the sources of these texts, remove duplicates there, and lower their weight.",
            )
        )
    return tuple(findings)


def _outlier_finding(outlier: Outlier) -> Finding:
    figures = (
        f"loss {outlier.loss:.2f} (ppl {perplexity(outlier.loss):.2f}), zlib ratio {outlier.zlib_ratio:.1f}"
    )
    where = f'the sample at step {outlier.step:,}, "{opening(outlier.text)}"'
    evidence = {
        "loss": round(outlier.loss, 4),
        "zlib_ratio": round(outlier.zlib_ratio, 2),
        "kind": outlier.kind,
    }
    if outlier.kind == "short answer":
        return Finding(
            id="short-answer",
            severity="note",
            message=f"{where}, is too short for its low loss to mean anything: {figures}",
            evidence=evidence,
            steps=(outlier.step,),
        )
    if outlier.kind == "predictable":
        return Finding(
            id="predictable-text",
            severity="note",
            message=f"{where}, is not copied: no 20 tokens of it stand in the training text; {figures}",
            evidence=evidence,
            steps=(outlier.step,),
        )
    if outlier.kind == "repetition":
        return Finding(
            id="low-loss-repetition",
            severity="warning",
            message=f"{where}, has a low loss because it repeats itself: {figures}",
            evidence=evidence,
            steps=(outlier.step,),
            remedy="Take it as a loop, not as a fact learned by heart.",
        )
    return Finding(
        id="possible-copy",
        severity="warning",
        message=f"INVESTIGATE: {where}, may be copied from the training text: {figures}",
        evidence=evidence,
        steps=(outlier.step,),
        remedy="Search the sources for it before counting it as quality; if it is there, remove duplicates "
        "and lower the weight of its source.",
    )
