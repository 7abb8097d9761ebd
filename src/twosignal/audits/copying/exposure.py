"""How much of a canary was learned by heart: takes losses of planted and of other codes, gives exposure in bits.

Exposure is log2 of the number of possible codes less log2 of the canary's rank among them by loss (Carlini et al. 2019,
arXiv:1802.08232). The rank among a sample of codes stands for that among all; the likeliest of n + 1 has log2(n + 1)
bits, and at least that many.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, cast

from twosignal.audits.finding import Finding, Severity

EXPOSURE: Final = "canary-exposure"


def exposure(loss: float, others: Sequence[float]) -> float:
    """Return the exposure in bits of a canary with `loss`, among codes that were never planted; nan if loss is.

    `loss` and `others` are summed nats of whole texts. Chance gives 1.4 bits in the mean; ties count against it.
    """
    if math.isnan(loss):
        return math.nan
    rank = 1 + sum(other <= loss for other in others)
    return math.log2(len(others) + 1) - math.log2(rank)


def exposure_finding(losses: Mapping[int, Sequence[float]], others: Sequence[float], *, step: int) -> Finding:
    """Return the exposure curve of a run: `losses` are those of the canaries, by how often each was planted."""
    curve = {
        repeats: sum(exposure(loss, others) for loss in group) / len(group)
        for repeats, group in sorted(losses.items())
    }
    most = math.log2(len(others) + 1)
    told = ", ".join(
        f"{'at least ' if bits >= most else ''}{bits:.1f} at {repeats} {'time' if repeats == 1 else 'times'}"
        for repeats, bits in curve.items()
    )
    return Finding(
        id=EXPOSURE,
        severity="note",
        message=f"exposure of planted codes in bits, by how often each stands in the data: {told}; "
        "chance gives 1.4",
        evidence={
            "bits": {str(repeats): bits for repeats, bits in curve.items()},
            "most": most,
            "canaries": {str(repeats): len(group) for repeats, group in sorted(losses.items())},
            "others": len(others),
        },
        steps=(step,),
        remedy="Text that stands as often as a code with many bits may be said by heart: remove duplicates.",
    )


def read_finding(body: Mapping[str, object]) -> Finding:
    """Return a finding as it was recorded."""
    evidence, steps = body.get("evidence"), body.get("steps")
    return Finding(
        id=str(body.get("id", "")),
        severity=cast("Severity", body.get("severity", "note")),
        message=str(body.get("message", "")),
        evidence=evidence if isinstance(evidence, Mapping) else {},
        steps=tuple(step for step in steps if isinstance(step, int)) if isinstance(steps, list) else (),
        remedy=str(body.get("remedy", "")),
    )
