"""An endless, resumable supply of rows from one source: takes its store, gives a `Pack` per draw, epoch after epoch."""

from typing import TypedDict

import numpy as np

from twosignal.packs.cut import Cutting
from twosignal.packs.pack import Pack, lay_row
from twosignal.packs.plan import Packing, RowPlan, plan_rows
from twosignal.packs.store import ExampleStore


class Cursor(TypedDict):
    """Where a stream stands; plain data for a checkpoint."""

    epoch: int
    row: int


class RowStream:
    """Rows of one source, packed anew in every epoch."""

    def __init__(
        self, store: ExampleStore, cutting: Cutting, *, row_tokens: int, seed: int, packing: Packing = True
    ) -> None:
        self.store = store
        self.pieces = cutting.pieces
        self._row_tokens = row_tokens
        self._seed = seed
        self._packing = packing
        self.cursor: Cursor = {"epoch": 0, "row": 0}
        self.plan = self.plan_of(epoch=0)

    @property
    def name(self) -> str:
        """The source's name."""
        return self.store.source

    @property
    def epochs(self) -> float:
        """Passes over the source so far."""
        return self.cursor["epoch"] + self.cursor["row"] / max(1, len(self.plan))

    def plan_of(self, *, epoch: int) -> RowPlan:
        """Return the rows of an epoch; the same for the same seed, whenever asked."""
        lengths = self.pieces["length"].astype(np.int64)
        seed = self._seed * 1_000_003 + epoch
        return plan_rows(lengths, self._row_tokens, seed=seed, packing=self._packing)

    def row(self, plan: RowPlan, number: int) -> Pack:
        """Return row `number` of a plan."""
        members = self.pieces[plan[number]].tolist()
        return lay_row(
            self.name,
            [(example, start, length, self.store[example]) for example, start, length in members],
        )

    def draw(self) -> Pack:
        """Return the next row and move on; after the last one a new epoch begins."""
        if self.cursor["row"] >= len(self.plan):
            self.restore({"epoch": self.cursor["epoch"] + 1, "row": 0})
        pack = self.row(self.plan, self.cursor["row"])
        self.cursor = {"epoch": self.cursor["epoch"], "row": self.cursor["row"] + 1}
        return pack

    def restore(self, cursor: Cursor) -> None:
        """Go to a place that `cursor` was read at."""
        if cursor["epoch"] != self.cursor["epoch"]:
            self.plan = self.plan_of(epoch=cursor["epoch"])
        self.cursor = cursor
