"""What rows carry before they become a batch: takes a host's collator, gives one that takes note of every batch it makes."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from twosignal.packs.pack import NO_TARGET

MASKS = ("assistant_masks", "completion_mask")
"""Columns of 0 and 1 in which TRL's datasets say what is learned."""
MOST_BATCHES = 4_096
"""Batches remembered at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the rows of one batch say of themselves."""

    targets: int | None
    """Targets behind the shift; None where a row has neither labels nor a mask."""
    shape: tuple[int, ...]
    """Shape of the batch's token ids."""
    labels: Tensor | None
    """The batch's labels, on the CPU."""


class RowTap:
    """A collator that does what the host's does, and remembers."""

    def __init__(self, collate: Callable[[Any], Any], *, is_shifted: bool = True) -> None:
        self.collate = collate
        self._is_shifted = is_shifted
        self._batches: deque[Carried] = deque(maxlen=MOST_BATCHES)

    def __call__(self, rows: Sequence[Any]) -> Any:  # noqa: ANN401 (the host's batch)
        """Collate, unchanged; the rows are read first, for collators that empty them."""
        targets = carried_targets(rows, is_shifted=self._is_shifted)
        batch = self.collate(rows)
        if isinstance(batch, Mapping) and isinstance(batch.get("input_ids"), Tensor):
            labels = batch.get("labels")
            self._batches.append(
                Carried(
                    targets=targets,
                    shape=tuple(batch["input_ids"].shape),
                    labels=labels if isinstance(labels, Tensor) else None,
                )
            )
        return batch

    def forget(self) -> None:
        """Begin anew, as a host does at every epoch."""
        self._batches.clear()

    def next_for(self, ids: Tensor | None) -> Carried | None:
        """Return the oldest batch if it has the shape of `ids`; None where the two are not in step."""
        if ids is None or not self._batches or self._batches[0].shape != tuple(ids.shape):
            return None
        return self._batches.popleft()


def carried_targets(rows: Sequence[Any], *, is_shifted: bool = True) -> int | None:
    """Return the targets of rows by their own labels or masks; None where one has neither.

    `is_shifted`: the first token of every text is no target, as nothing predicts it.
    """
    total = 0
    for row in rows:
        if not isinstance(row, Mapping) or "input_ids" not in row:
            return None
        size = len(row["input_ids"])
        parts = [np.asarray(row[name]) == 1 for name in MASKS if row.get(name) is not None]
        if row.get("labels") is not None:
            parts = [np.asarray(row["labels"]) != NO_TARGET]
        if not parts or any(part.shape != (size,) for part in parts):
            return None
        is_target = np.logical_and.reduce(parts)
        total += int(is_target.sum())
        if not is_shifted:
            continue
        lengths = row.get("seq_lengths")
        starts = np.cumsum([0, *lengths[:-1]]) if lengths is not None else np.zeros(1, int)
        total -= int(is_target[starts[starts < size]].sum())
    return total
