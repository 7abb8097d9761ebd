"""What the loss alone says of a run: takes the loss of every step and the held-out losses, gives `Finding`s; it never halts.

The curve is averaged over stretches of steps that grow by a twentieth each (20,000 to 21,000), because learning goes
with the logarithm of the steps. Nothing is said unless it stands out of the noise of the steps by three standard errors.

    loss-spike         single steps far above the steps before them (7 robust sigmas, as in the OLMo 2 report)
    plateau            the loss stops falling: less than half of what its own pace over the last doubling promised
    divergence         the loss stays a twentieth, and 0.1 nats, above its lowest level
    above-chance       the loss stays above that of guessing at random
    memorization-drop  the loss falls by a quarter within a quarter more steps, three times its pace, and the held-out
                       loss does not: error that falls faster than it should
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twosignal.audits.finding import Finding
from twosignal.audits.recorded import Probe

GROWTH = 1.05
"""Last step of a stretch by its first."""
ERRORS = 3.0
"""Standard errors by which a difference must stand out."""
NOISY = 30
"""Values from which the steps' own noise can be told from the curve; fewer are taken as levels."""
BLOCK = 128
"""Steps whose median and spread a spike is measured against."""
SPIKE_SIGMAS = 7.0
SPIKE_NATS = 0.1
PLATEAU_RATIO = 1.2
"""Last step of a plateau by its first."""
PACE_SHARE = 0.5
LEAST_FALL = 0.005
"""Share of the loss that counts as falling."""
LOUDEST = 0.02
"""Three standard errors, as a share of the loss, above which a level is too uncertain to call the curve flat."""
RISE_SHARE, RISE_NATS, RISE_RATIO = 0.05, 0.1, 1.1
CHANCE_NATS = 0.5
DROP_SHARE, DROP_RATIO, DROP_PACES = 0.25, 1.25, 3.0
MAX_STEPS = 20
OF_THE_CURVE = frozenset({"loss-spike", "plateau", "divergence", "above-chance", "memorization-drop"})
"""Everything `diagnose` finds."""
STRETCHES = frozenset(
    {
        "plateau",
        "divergence",
        "above-chance",
        "memorization-drop",
        "data-starvation",
        "mix-not-learning",
        "source-rising",
    }
)
"""Findings whose steps are the first and last of a stretch."""

Floats = NDArray[np.float64]


class Level(NamedTuple):
    """The loss over one stretch of steps."""

    first: int
    """First step."""
    last: int
    """Last step."""
    loss: float
    """Mean, nats per target."""
    error: float
    """Its standard error; 0 where the values are too few to tell."""


def diagnose(
    steps: ArrayLike,
    losses: ArrayLike,
    *,
    probes: Sequence[Probe] = (),
    random_chance: float | None = None,
) -> tuple[Finding, ...]:
    """Return what the curve of `losses`, nats per target at ascending `steps`, shape [steps] each, says of the run.

    Values that are not finite are left out: the monitors tell of them. Nothing is said of 30 steps and fewer.
    """
    at, values = np.asarray(steps, dtype=np.int64), np.asarray(losses, dtype=np.float64)
    is_known = np.isfinite(values) & (at > 0)
    at, values = at[is_known], values[is_known]
    if not len(at) or at[-1] - at[0] < NOISY:
        return ()
    spiking = find_spikes(values)
    levels = levels_of(at[~spiking], values[~spiking])
    return (
        *_spike_findings(at[spiking], values[spiking]),
        *_divergence_findings(levels),
        *_chance_findings(levels, random_chance),
        *_drop_findings(levels, probes),
        *_plateau_findings(levels),
    )


def find_spikes(losses: Floats) -> NDArray[np.bool_]:
    """Return which values stand far above the block of steps before them and above their own block."""
    found = np.zeros(len(losses), dtype=bool)
    blocks = [losses[start : start + BLOCK] for start in range(0, len(losses), BLOCK)]
    for number, (before, block) in enumerate(pairwise(blocks), start=1):
        bar = max(_spike_bar(before), _spike_bar(block))
        found[number * BLOCK : number * BLOCK + len(block)] = block > bar
    return found


def _spike_bar(block: Floats) -> float:
    middle = float(np.median(block))
    sigma = 1.4826 * float(np.median(np.abs(block - middle)))
    return middle + max(SPIKE_SIGMAS * sigma, SPIKE_NATS)


def levels_of(steps: NDArray[np.int64], losses: Floats) -> list[Level]:
    """Return the curve as levels over stretches that grow with the steps."""
    if not len(steps):
        return []
    stretch = np.floor(np.log(steps) / math.log(GROWTH) + 1e-9).astype(np.int64)
    edges = [0, *(np.flatnonzero(np.diff(stretch)) + 1).tolist(), len(steps)]
    noise = _noise(losses)
    return [
        Level(
            first=int(steps[start]),
            last=int(steps[stop - 1]),
            loss=float(losses[start:stop].mean()),
            error=noise / math.sqrt(stop - start),
        )
        for start, stop in pairwise(edges)
    ]


def plateaus(levels: Sequence[Level]) -> list[tuple[Level, Level]]:
    """Return the first and last level of every stretch over which the loss did not fall as its pace promised."""
    found = []
    here = 0
    while here < len(levels):
        end = _flat_until(levels, here)
        if levels[end].last >= PLATEAU_RATIO * levels[here].first and end > here:
            found.append((levels[here], levels[end]))
            here = end
        here += 1
    return found


def risen(levels: Sequence[Level]) -> list[tuple[Level, Level, Level]]:
    """Return the lowest, first and last level of every stretch that stays above the lowest level before it."""
    found: list[tuple[Level, Level, Level]] = []
    start: Level | None = None
    lowest: Level | None = None
    last: Level | None = None
    for level in levels:
        if lowest is None or level.loss < lowest.loss:
            lowest = level
        bar = max(lowest.loss * (1 + RISE_SHARE), lowest.loss + RISE_NATS)
        if level.loss > bar + ERRORS * math.hypot(level.error, lowest.error):
            start, last = start or level, level
            continue
        found += _if_long(lowest, start, last)
        start = last = None
    return found + (_if_long(lowest, start, last) if lowest else [])


def _if_long(lowest: Level, start: Level | None, last: Level | None) -> list[tuple[Level, Level, Level]]:
    is_long = start is not None and last is not None and last.last >= RISE_RATIO * start.first
    return [(lowest, start, last)] if start and last and is_long else []


def _noise(losses: Floats) -> float:
    """Return the standard deviation of a value about the curve, from second differences; 0 where they are few."""
    if len(losses) < NOISY:
        return 0.0
    return 1.4826 * float(np.median(np.abs(np.diff(losses, n=2)))) / math.sqrt(6)


def _pace(levels: Sequence[Level], here: int) -> float | None:
    """Return how fast the loss surely fell over the last doubling before a level, nats per e-fold of steps.

    None where the record does not reach back so far.
    """
    level = levels[here]
    before = next((one for one in reversed(levels[:here]) if 2 * one.last <= level.first), None)
    if before is None:
        return None
    return _surely(before, level) / math.log(level.first / before.last)


def _surely(before: Level, after: Level) -> float:
    """Return by how many nats the loss fell at least, between two levels, three standard errors taken off."""
    return before.loss - after.loss - ERRORS * math.hypot(before.error, after.error)


def _flat_until(levels: Sequence[Level], here: int) -> int:
    """Return the number of the last level of the flat stretch that begins at `here`; `here` itself if there is none."""
    level, pace = levels[here], _pace(levels, here)
    if pace is None or pace <= 0 or ERRORS * level.error > LOUDEST * level.loss:
        return here
    end = here
    for number in range(here + 1, len(levels)):
        other = levels[number]
        error = ERRORS * math.hypot(level.error, other.error)
        fall = level.loss - other.loss
        has_risen = -fall - error > max(RISE_NATS, RISE_SHARE * level.loss)
        if has_risen or _surely(level, other) > LEAST_FALL * level.loss:
            break
        promised = PACE_SHARE * pace * math.log(other.last / level.first)
        if fall + error < promised:
            end = number
    return end


def _spike_findings(steps: NDArray[np.int64], losses: Floats) -> tuple[Finding, ...]:
    if not len(steps):
        return ()
    worst = int(np.argmax(losses))
    finding = Finding(
        id="loss-spike",
        severity="note",
        message=f"{len(steps):,} single steps have a loss far above the steps before them; the highest is "
        f"{losses[worst]:.2f} at step {steps[worst]:,}",
        evidence={"spikes": len(steps), "highest": round(float(losses[worst]), 4)},
        steps=tuple(steps[:MAX_STEPS].tolist()),
        remedy="Look at the rows of these steps; if they come oftener, lower the learning rate or clip gradients.",
    )
    return (finding,)


def _divergence_findings(levels: Sequence[Level]) -> tuple[Finding, ...]:
    return tuple(
        _divergence(lowest, start, last, lasts=last is levels[-1]) for lowest, start, last in risen(levels)
    )


def _divergence(lowest: Level, start: Level, last: Level, *, lasts: bool) -> Finding:
    rise = f"the loss rose from {lowest.loss:.2f} at steps {lowest.first:,} to {lowest.last:,}"
    now = f"to {last.loss:.2f} at steps {last.first:,} to {last.last:,}"
    since = f"a twentieth above since step {start.first:,}" if lasts else f"and came back after {last.last:,}"
    return Finding(
        id="divergence",
        severity="alarm" if lasts else "note",
        message=f"{rise} {now}, {since}",
        evidence={
            "lowest": round(lowest.loss, 4),
            "lowest_step": lowest.last,
            "loss": round(last.loss, 4),
            "since": start.first,
        },
        steps=(start.first, last.last),
        remedy="Go back to the checkpoint at the lowest level, with a lower learning rate; see which source came new.",
    )


def _chance_findings(levels: Sequence[Level], chance: float | None) -> tuple[Finding, ...]:
    if chance is None:
        return ()
    above = [one for one in levels if one.first > 1 and one.loss > chance + CHANCE_NATS + ERRORS * one.error]
    if not above or above[-1].last < RISE_RATIO * above[0].first:
        return ()
    finding = Finding(
        id="above-chance",
        severity="alarm",
        message=f"the loss was {above[-1].loss:.2f} at steps {above[-1].first:,} to {above[-1].last:,}, "
        f"and guessing at random gives {chance:.2f}",
        evidence={"loss": round(above[-1].loss, 4), "random_chance": round(chance, 4)},
        steps=(above[0].first, above[-1].last),
        remedy="Lower the learning rate; a wrong tokenizer or targets shifted by one do this from the start.",
    )
    return (finding,)


def _drop_findings(levels: Sequence[Level], probes: Sequence[Probe]) -> tuple[Finding, ...]:
    for here, level in enumerate(levels):
        pace = _pace(levels, here)
        after = [one for one in levels[here + 1 :] if one.last <= DROP_RATIO * level.first]
        if pace is None or not after:
            continue
        low = after[-1]
        fall = level.loss - low.loss
        error = ERRORS * math.hypot(level.error, low.error)
        is_steep = fall > DROP_PACES * max(pace, 0.0) * math.log(low.last / level.first)
        if (
            is_steep
            and fall > DROP_SHARE * level.loss + error
            and not _shared(fall, level, low=low, probes=probes)
        ):
            return (_drop(level, low, is_probed=bool(probes)),)
    return ()


def _shared(fall: float, level: Level, *, low: Level, probes: Sequence[Probe]) -> bool:
    """Return whether the held-out loss fell by at least half as much."""
    before = [probe.loss for probe in probes if probe.step <= level.last]
    after = [probe.loss for probe in probes if probe.step >= low.first]
    return bool(before and after) and before[-1] - after[0] >= fall / 2


def _drop(level: Level, low: Level, *, is_probed: bool) -> Finding:
    unshared = ", and the held-out loss did not follow" if is_probed else ""
    return Finding(
        id="memorization-drop",
        severity="warning",
        message=f"the loss fell from {level.loss:.2f} at step {level.first:,} to {low.loss:.2f} at step "
        f"{low.last:,}, faster than learning goes{unshared}",
        evidence={"before": round(level.loss, 4), "after": round(low.loss, 4)},
        steps=(level.first, low.last),
        remedy="Look for text that comes again and again, and for copies in the samples (`twosignal trace`).",
    )


def _plateau_findings(levels: Sequence[Level]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            id="plateau",
            severity="note",
            message=f"the loss stopped falling from step {first.first:,} to step {last.last:,}: "
            f"{first.loss:.2f}, then {last.loss:.2f}",
            evidence={"first": round(first.loss, 4), "last": round(last.loss, 4)},
            steps=(first.first, last.last),
            remedy="Either the data is used up (add sources, or make room for the rarer ones) "
            "or the learning rate holds it.",
        )
        for first, last in plateaus(levels)
    )
