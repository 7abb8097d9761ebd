"""The losses of a run as one curve: takes rows as they come, gives averages so far and at most 2,000 points.

What it gives follows from the rows alone, not from how they came: fed row by row or all at once, by one process or by
several after kills, the figures are the same to the last bit. Feeding costs by the new rows, not by all.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from twosignal.records.columns import Rows, source_column
from twosignal.records.smoothing import Series, Smma, bits_per_byte, perplexity

MAX_POINTS: Final = 2000
_MOST_STRETCHES: Final = MAX_POINTS // 2 - 1
_POINT: Final = np.dtype([("index", "<i8"), ("step", "<i8"), ("loss", "<f8"), ("smma", "<f8")])

Points = npt.NDArray[np.void]
"""Structured array of `index`, `step`, `loss` and `smma`, shape [points]."""


class LossCurve:
    """The losses of the steps so far, in nats per target, of all targets and of each source's."""

    def __init__(self, sources: Sequence[str]) -> None:
        self.step = 0
        """Last step."""
        self.bits_per_byte: float | None = None
        """Of the last step with targets; None before one, and where bytes are not counted."""
        self._whole = _Losses()
        self._sources = {name: _Losses() for name in sources}
        self._tokens = dict.fromkeys(sources, 0)
        self._points: Points = np.empty(0, dtype=_POINT)

    def feed(self, rows: Rows) -> None:
        """Take in the next rows of learning.bin, shape [rows]."""
        if not len(rows):
            return
        self.step = int(rows["step"][-1])
        told = rows[rows["targets"] > 0]
        if len(told):
            last = told[-1]
            has_bytes = last["bytes"] > 0
            self.bits_per_byte = (
                bits_per_byte(float(last["loss_sum"]), int(last["bytes"])) if has_bytes else None
            )
            self._extend(told)
        for name, losses in self._sources.items():
            targets = rows[source_column("targets", name)]
            some = targets > 0
            losses.feed(rows[source_column("loss_sum", name)][some] / targets[some])
            self._tokens[name] += int(rows[source_column("tokens", name)].sum())

    def report(self) -> dict[str, object]:
        """Return the part of loss.json that follows from the rows."""
        loss = self._whole.loss
        points = (self._points[name].tolist() for name in ("step", "loss", "smma"))
        return {
            "step": self.step,
            "loss": loss,
            "smma": self._whole.average.value,
            "ppl": None if loss is None else perplexity(loss),
            "bits_per_byte": self.bits_per_byte,
            "by_source": {
                name: {
                    "loss": losses.loss,
                    "smma": losses.average.value,
                    "steps": losses.count,
                    "tokens": self._tokens[name],
                }
                for name, losses in self._sources.items()
            },
            "points": [list(point) for point in zip(*points, strict=True)],
        }

    def _extend(self, told: Rows) -> None:
        first = self._whole.count
        losses = told["loss_sum"] / told["targets"]
        new: Points = np.empty(len(told), dtype=_POINT)
        new["index"] = np.arange(first, first + len(told))
        new["step"], new["loss"] = told["step"], losses
        new["smma"] = self._whole.feed(losses)
        self._points = thin(np.concatenate([self._points, new]))


def thin(points: Points) -> Points:
    """Return at most 2,000 of the points that show the same curve, in order.

    First and last are kept, and the lowest and highest of every stretch of 2, 4, 8, ... indexes, so a spike of one
    step survives; a value that is not finite counts as the highest. What was left out before changes nothing.
    (MinMax downsampling over stretches that double.)
    """
    num_seen = int(points["index"][-1]) + 1
    if num_seen <= MAX_POINTS:
        return points
    length = 2
    while -(-num_seen // length) > _MOST_STRETCHES:
        length *= 2
    stretch = points["index"] // length
    height = np.where(np.isfinite(points["loss"]), points["loss"], np.inf)
    kept = np.zeros(len(points), dtype=np.bool_)
    kept[[0, -1]] = True
    for key in (height, -height):
        # Ascending by stretch, then by height, then by index: the first of every stretch is its extreme.
        order = np.lexsort((points["index"], key, stretch))
        begins = np.flatnonzero(np.diff(stretch[order], prepend=-1))
        kept[order[begins]] = True
    return points[kept]


class _Losses:
    """Losses of one kind: how many, the last, and their average."""

    def __init__(self) -> None:
        self.count = 0
        self.loss: float | None = None
        self.average = Smma()

    def feed(self, losses: Series) -> Series:
        """Take in losses, return the average after each."""
        if not len(losses):
            return losses
        self.count += len(losses)
        self.loss = float(losses[-1])
        return self.average.extend(losses)
