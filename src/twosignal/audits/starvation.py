"""Why a run stands still: takes held-out losses and how often the rows were seen, gives a `Finding` that names the cause.

The held-out loss is flat when it has not fallen by half of what its own pace over the last doubling of the steps promised
(`diagnosis.plateaus`). Then the data is used up when its rows, by their shares, were drawn more than four times on the
average: beyond that repetition teaches less and less (Muennighoff et al. 2023).
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from twosignal.audits.diagnosis import levels_of, plateaus
from twosignal.audits.finding import Finding

USED_UP_EPOCHS = 4.0
"""Passes from which repeated rows teach clearly less than new ones."""
MOST_NAMED = 3


def plateau_finding(
    probes: Sequence[tuple[int, float]], *, epochs: Mapping[str, float], shares: Mapping[str, float]
) -> Finding | None:
    """Return a warning when the held-out loss stands still at the newest probe; None while it falls.

    `probes`: (step, nats per target), ascending. `epochs`: passes over each source so far; `shares`: of the rows.
    """
    known = [(step, loss) for step, loss in probes if step > 0 and math.isfinite(loss)]
    steps, losses = np.array([s for s, _ in known], dtype=np.int64), np.array([x for _, x in known])
    found = plateaus(levels_of(steps, losses))
    if not found or found[-1][1].last != known[-1][0]:
        return None
    first, last = found[-1]
    passes = sum(share * epochs.get(name, 0.0) for name, share in shares.items())
    still = (
        f"the held-out loss stands still since step {first.first:,}: {first.loss:.3f} there, "
        f"{last.loss:.3f} at step {last.last:,}"
    )
    evidence = {
        "since": first.first,
        "first": round(first.loss, 4),
        "last": round(last.loss, 4),
        "epochs": {name: round(value, 2) for name, value in epochs.items()},
        "mean_epochs": round(passes, 2),
    }
    if passes <= USED_UP_EPOCHS:
        return Finding(
            id="plateau",
            severity="warning",
            message=f"{still}, and the rows were seen {passes:.1f} times on the average: it is not for want of data",
            evidence=evidence,
            steps=(first.first, last.last),
            remedy="The learning rate, or the size of the model, holds it: let the rate decay, or grow a larger one.",
        )
    worn = sorted((name for name in shares if shares[name] > 0), key=lambda name: -epochs.get(name, 0.0))
    named = ", ".join(f"{name} {epochs.get(name, 0.0):.1f} times" for name in worn[:MOST_NAMED])
    return Finding(
        id="data-starvation",
        severity="warning",
        message=f"{still}, and the rows were seen {passes:.1f} times on the average ({named}): the data is used up",
        evidence=evidence,
        steps=(first.first, last.last),
        remedy=f"Add data to {worn[0]}, or give rows to sources seen less often; more passes will not help.",
    )
