"""The training loss as if the mix had never changed: takes the steps of a run, gives a loss for each of them.

A curriculum that turns to a harder source raises the loss of its steps, and nothing has diverged. So every source is told
apart, keeps its newest loss at steps that did not draw it (its first one before that), and weighs what it weighs in all steps
together.
"""

import numpy as np
from numpy.typing import NDArray

from twosignal.records.columns import Rows, source_column, sources_of


def fixed_mix_losses(rows: Rows) -> NDArray[np.float64]:
    """Return nats per target at every step, shape [steps]; nan where a step has no targets or a loss that is not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        plain: NDArray[np.float64] = rows["loss_sum"] / rows["targets"]
        names = [
            name for name in sources_of(rows.dtype.names or ()) if rows[source_column("targets", name)].any()
        ]
        if len(names) < 2:
            return plain
        targets = np.stack([rows[source_column("targets", name)] for name in names], axis=1)
        losses = np.stack([rows[source_column("loss_sum", name)] for name in names], axis=1) / targets
    has_loss = np.isfinite(losses).any(axis=0)
    targets, losses = targets[:, has_loss], losses[:, has_loss]
    if not has_loss.any():
        return plain
    weights = targets.sum(axis=0) / targets.sum()
    mixed: NDArray[np.float64] = _newest(losses) @ weights
    return np.where(np.isfinite(plain), mixed, np.nan)


def _newest(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column with its newest finite value in place of what is not finite, its first one before that."""
    is_known = np.isfinite(losses)
    place = np.where(is_known, np.arange(len(losses))[:, None], 0)
    place = np.maximum(np.maximum.accumulate(place, axis=0), is_known.argmax(axis=0))
    return np.take_along_axis(losses, place, axis=0)
