"""How many domains and sources the samples cover: takes samples, gives a `Breadth`, with findings when it is too narrow.

The number of domains in effect is exp of the entropy of their counts (Hill number of order 1). What to expect depends
on where the prompts come from:

    panel  every sampling asks the same prompts: the expectation is the panel's own composition, and no domain can be
           stuck, since nobody chose it
    mix    prompts are drawn anew: n draws from shares p have E[H], the expected entropy, and exp(E[H]) is the number;
           E[H] = - sum over i and k of C(n, k) p_i^k (1 - p_i)^(n - k) (k/n) ln(k/n), which is exact
    ""     neither is known, and nothing is expected
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import numpy as np

from twosignal.audits.finding import Finding
from twosignal.audits.recorded import Sample

STUCK_SAMPLES = 7
"""Samples of one domain running that mean the run is stuck."""
NARROW_SHARE = 0.5
"""Share of the expected number below which drawn samples are too narrow."""
MIN_DRAWN = 8
"""Drawn samples below which nothing is said of their number of sources."""

Basis = Literal["panel", "mix", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How evenly samples are spread, and how evenly they should be."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Samples by name, most frequent first."""
    effective: float = 0.0
    """exp of the entropy of the counts: 6.0 for six equal ones, 1.0 for a single one, 0.0 for none."""
    expected: float | None = None
    """The same number as the panel or the mix predicts it; None where nothing is known."""
    basis: Basis = ""
    """What predicts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breadth:
    """How many domains and sources the samples cover."""

    counts: Mapping[str, int]
    """Samples of the window by domain, most frequent first."""
    effective: float
    """exp of the entropy of the counts: 6.0 for six equal domains, 1.0 for a single one."""
    expected: float | None
    """The same number as the panel or the mix predicts it; None where nothing is known."""
    basis: Basis
    """What predicts it."""
    longest_domain: str
    """Domain of the longest run of samples; empty without samples."""
    longest_run: int
    """Its length, in samples."""
    is_stuck: bool
    """Whether one domain came seven times running although the run has others and the prompts are no fixed panel."""
    sources: Spread
    """The same by the sources of the prompts."""


def measure_breadth(
    samples: Sequence[Sample],
    *,
    panel: Sequence[Sample] = (),
    shares: Mapping[str, float] | None = None,
    is_alone: bool = False,
) -> Breadth:
    """Return the breadth of `samples`, in the order drawn.

    `panel` is one sampling of a fixed panel, see `panel_of`; `shares` are the sources' shares of the rows; `is_alone`:
    the run has a single domain by design.
    """
    known = shares or {}
    domains = _spread([s.domain for s in samples], panel=[s.domain for s in panel], shares=known)
    runs = [(len(list(group)), domain) for domain, group in groupby(s.domain for s in samples if s.domain)]
    longest_run, longest_domain = max(runs, default=(0, ""), key=lambda run: run[0])
    return Breadth(
        counts=domains.counts,
        effective=domains.effective,
        expected=domains.expected,
        basis=domains.basis,
        longest_domain=longest_domain,
        longest_run=longest_run,
        is_stuck=longest_run >= STUCK_SAMPLES and not is_alone and not panel,
        sources=_spread([s.source for s in samples], panel=[s.source for s in panel], shares=known),
    )


def panel_of(samples: Sequence[Sample]) -> list[Sample]:
    """Return the first sampling when all of them ask the same prompts, several or at several steps; else nothing.

    Samples without a prompt are no panel: the model chose what it wrote about.
    """
    samplings = [list(group) for _, group in groupby(samples, key=lambda sample: sample.step)]
    if len(samples) < 2 or any(not sample.prompt for sample in samples):
        return []
    asked = [sorted((s.prompt, s.source, s.domain) for s in sampling) for sampling in samplings]
    return samplings[0] if all(prompts == asked[0] for prompts in asked) else []


def effective_number(counts: Mapping[str, float]) -> float:
    """Return exp of the entropy of counts or shares; 0 where they sum to nothing."""
    total = sum(counts.values())
    if not total > 0:
        return 0.0
    parts = [count / total for count in counts.values() if count > 0]
    return math.exp(-sum(part * math.log(part) for part in parts))


def expected_number(shares: Mapping[str, float], num_draws: int) -> float:
    """Return exp of the expected entropy of `num_draws` independent draws from `shares`; 0 without any."""
    whole = sum(share for share in shares.values() if share > 0)
    if num_draws < 1 or not whole > 0:
        return 0.0
    logs = np.cumsum(np.log(np.maximum(1, np.arange(num_draws + 1))))
    k = np.arange(1, num_draws + 1)
    ways = logs[num_draws] - logs[k] - logs[num_draws - k]
    parts = k / num_draws
    entropy = 0.0
    for share in shares.values():
        p = share / whole
        if 0 < p < 1:
            chances = np.exp(ways + k * math.log(p) + (num_draws - k) * math.log1p(-p))
            entropy -= float((chances * parts * np.log(parts)).sum())
    return math.exp(entropy)


def breadth_findings(breadth: Breadth, *, step: int) -> tuple[Finding, ...]:
    """Return an alarm when the run is stuck in one domain, else a warning on too few sources; `step` ends the window."""
    if breadth.is_stuck:
        return (_stuck(breadth, step),)
    sources = breadth.sources
    drawn = sum(sources.counts.values())
    is_drawn = sources.basis == "mix" and sources.expected is not None and drawn >= MIN_DRAWN
    if not is_drawn or sources.effective >= NARROW_SHARE * (sources.expected or 0.0):
        return ()
    finding = Finding(
        id="narrow-samples",
        severity="warning",
        message=f"{drawn} samples come from {sources.effective:.1f} sources in effect, and draws by the shares of the mix "
        f"would come from {sources.expected:.1f}",
        evidence={"effective": sources.effective, "expected": sources.expected, "samples": drawn},
        steps=(step,),
        remedy="Look at what chooses the prompts: it does not follow the mix.",
    )
    return (finding,)


def _stuck(breadth: Breadth, step: int) -> Finding:
    return Finding(
        id="stuck-domain",
        severity="alarm",
        message=f"{breadth.longest_run} samples running came from {breadth.longest_domain} alone",
        evidence={"domain": breadth.longest_domain, "samples": breadth.longest_run},
        steps=(step,),
        remedy="Look at the shares of the sources; a floor under the starved ones brings them back.",
    )


def _spread(names: Sequence[str], *, panel: Sequence[str], shares: Mapping[str, float]) -> Spread:
    """Return the spread of names, unknown ones left out."""
    counts = Counter(name for name in names if name)
    asked = Counter(name for name in panel if name)
    expected: float | None = None
    basis: Basis = ""
    if asked:
        expected, basis = effective_number(asked), "panel"
    elif counts and shares.keys() >= counts.keys():
        expected, basis = expected_number(shares, counts.total()), "mix"
    return Spread(
        counts=dict(counts.most_common()),
        effective=effective_number(counts),
        expected=expected,
        basis=basis,
    )
