"""How each source's held-out loss moved: takes probes, gives a `SourceProgress` per source and findings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twosignal.audits.finding import Finding
from twosignal.audits.recorded import Probe

RISE_NATS = 0.1
RISE_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceProgress:
    """First, lowest and last held-out loss of one source."""

    source: str
    """Name of the source."""
    first_step: int
    """Step of its first probe."""
    first: float
    """Nats per target there; nan where it was not finite."""
    lowest_step: int
    """Step of its lowest finite loss; the first step when there is none."""
    lowest: float
    """Nats per target there."""
    last_step: int
    """Step of its newest probe."""
    last: float
    """Nats per target there; nan where it was not finite."""
    bits_per_byte: float | None
    """The newest loss in bits per byte of text; None without bytes."""


def source_progress(probes: Sequence[Probe]) -> tuple[SourceProgress, ...]:
    """Return the progress of every source that was ever probed, in order of appearance."""
    names = dict.fromkeys(name for probe in probes for name in probe.by_source)
    return tuple(_progress_of(name, [probe for probe in probes if name in probe.by_source]) for name in names)


def progress_findings(progress: Sequence[SourceProgress]) -> tuple[Finding, ...]:
    """Return a warning per source whose loss rose by a tenth, and by 0.1 nats, from its lowest."""
    return tuple(
        _rise_finding(one)
        for one in progress
        if not one.last <= one.lowest + max(RISE_NATS, RISE_SHARE * one.lowest)
    )


def _rise_finding(one: SourceProgress) -> Finding:
    return Finding(
        id="source-rising",
        severity="warning",
        message=f"the held-out loss of {one.source} went from {one.lowest:.3f} at step {one.lowest_step:,} "
        f"to {one.last:.3f} at step {one.last_step:,}",
        evidence={"source": one.source, "lowest": f"{one.lowest:.4f}", "last": f"{one.last:.4f}"},
        steps=(one.lowest_step, one.last_step),
        remedy="Either its rows are learned by heart (fewer passes over them) or forgotten (a floor under it).",
    )


def _progress_of(name: str, probes: Sequence[Probe]) -> SourceProgress:
    first, last = probes[0], probes[-1]
    lowest = min(
        (probe for probe in probes if math.isfinite(probe.by_source[name].loss)),
        key=lambda probe: probe.by_source[name].loss,
        default=first,
    )
    return SourceProgress(
        source=name,
        first_step=first.step,
        first=first.by_source[name].loss,
        lowest_step=lowest.step,
        lowest=lowest.by_source[name].loss,
        last_step=last.step,
        last=last.by_source[name].loss,
        bits_per_byte=last.by_source[name].bits_per_byte,
    )
