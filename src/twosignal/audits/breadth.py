"""How many domains the samples cover: takes samples, gives a `Breadth` and an alarm when one domain is all there is."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from twosignal.audits.finding import Finding
from twosignal.audits.recorded import Sample

STUCK_SAMPLES = 7
"""Samples of one domain running that mean the run is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breadth:
    """How many domains the samples cover."""

    counts: Mapping[str, int]
    """Samples of the window by domain, most frequent first."""
    effective: float
    """exp of the entropy of the counts: 6.0 for six equal domains, 1.0 for a single one."""
    longest_domain: str
    """Domain of the longest run of samples; empty without samples."""
    longest_run: int
    """Its length, in samples."""
    is_stuck: bool
    """Whether one domain came seven times running although the run has others."""


def measure_breadth(samples: Sequence[Sample], *, is_alone: bool = False) -> Breadth:
    """Return the breadth of `samples`, in the order drawn; `is_alone`: the run has a single domain by design."""
    domains = [sample.domain for sample in samples if sample.domain]
    counts = Counter(domains)
    total = len(domains)
    entropy = -sum(n / total * math.log(n / total) for n in counts.values())
    runs = [(len(list(group)), domain) for domain, group in groupby(domains)]
    longest_run, longest_domain = max(runs, default=(0, ""), key=lambda run: run[0])
    return Breadth(
        counts=dict(counts.most_common()),
        effective=math.exp(entropy) if counts else 0.0,
        longest_domain=longest_domain,
        longest_run=longest_run,
        is_stuck=longest_run >= STUCK_SAMPLES and not is_alone,
    )


def breadth_findings(breadth: Breadth, *, step: int) -> tuple[Finding, ...]:
    """Return an alarm when the run is stuck in one domain; `step` is the end of the window."""
    if not breadth.is_stuck:
        return ()
    finding = Finding(
        id="stuck-domain",
        severity="alarm",
        message=f"{breadth.longest_run} samples running came from {breadth.longest_domain} alone",
        evidence={"domain": breadth.longest_domain, "samples": breadth.longest_run},
        steps=(step,),
        remedy="Look at the shares of the sources; a floor under the starved ones brings them back.",
    )
    return (finding,)
