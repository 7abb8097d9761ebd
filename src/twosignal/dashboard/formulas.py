"""What can be drawn of every step: takes the columns of a run, gives formulas that turn rows into values."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from twosignal.dashboard.buckets import Series, Values
from twosignal.records.columns import KEY_COLUMNS, Column, Rows, source_column, sources_of
from twosignal.records.smoothing import PERIODS, smma

Compute = Callable[[Rows], Values]
Group = Literal["loss", "sources", "probes", "samples", "shares", "optimizer", "speed", "system", "columns"]

_NATS: Final = "nats per target"
_KNOWN: Final[dict[str, tuple[str, Group]]] = {
    "gradient_norm": ("gradient norm", "optimizer"),
    "learning_rate": ("learning rate", "optimizer"),
    "targets": ("targets", "optimizer"),
    "tokens": ("tokens", "optimizer"),
    "rows": ("rows", "optimizer"),
    "tokens_per_second": ("tokens per second", "speed"),
    "targets_per_second": ("targets per second", "speed"),
    "seconds": ("seconds per step", "speed"),
    "memory_bytes": ("memory", "system"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """One number of every step."""

    name: str
    """How it is asked for."""
    title: str
    """How it is called on the page."""
    unit: str
    """What it is counted in; empty without one."""
    group: Group
    """The chart it belongs to."""
    compute: Compute
    """Rows to values."""
    is_clock: bool = False
    """Whether it is computed from clock.bin."""
    periods: int | None = None
    """N of its moving average; None where it has none."""

    def values(self, rows: Rows, *, before: float) -> Values:
        """Return the values of consecutive rows; `before` is the average behind the row before them, nan without one."""
        values = self.compute(rows)
        if self.periods is None:
            return values
        led: Series = np.concatenate([[before], values.values])
        return Values(values=smma(led, periods=self.periods)[1:])


def step_formulas(learning: Sequence[Column], clock: Sequence[Column]) -> dict[str, Formula]:
    """Return every formula of a run by name, from the columns of its two files."""
    names = [column.name for column in learning]
    found = [*_losses(""), *(one for source in sources_of(names) for one in _losses(source))]
    found += _plain(learning, is_clock=False)
    found += _plain(clock, is_clock=True)
    return {formula.name: formula for formula in found}


def _losses(source: str) -> list[Formula]:
    """Return the formulas of the whole step's loss, or of one source's."""
    of = f" of {source}" if source else ""
    group: Group = "sources" if source else "loss"

    def named(name: str) -> str:
        return source_column(name, source) if source else name

    loss = _ratio(named("loss_sum"), named("targets"))
    bits = _ratio(named("loss_sum"), named("bytes"), scale=1 / np.log(2))
    periods = (100,) if source else PERIODS
    averages = [
        Formula(
            name=named(f"smma{n}"),
            title=f"average{of} over {n:,} steps",
            unit=_NATS,
            group=group,
            compute=loss,
            periods=n,
        )
        for n in periods
    ]
    ppl = Formula(name="ppl", title="perplexity", unit="", group=group, compute=_exponential(loss))
    return [
        Formula(name=named("loss"), title=f"loss{of}", unit=_NATS, group=group, compute=loss),
        *averages,
        *([] if source else [ppl]),
        Formula(
            name=named("bits_per_byte"),
            title=f"bits per byte{of}",
            unit="bits per byte",
            group=group,
            compute=bits,
        ),
    ]


def _ratio(above: str, below: str, *, scale: float = 1.0) -> Compute:
    def compute(rows: Rows) -> Values:
        whole = rows[below] > 0
        values: Series = np.full(len(rows), np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            np.divide(rows[above], rows[below], out=values, where=whole)
            return Values(values=values * scale, present=whole)

    return compute


def _exponential(inner: Compute) -> Compute:
    def compute(rows: Rows) -> Values:
        values = inner(rows)
        with np.errstate(over="ignore"):
            return Values(values=np.exp(values.values), present=values.present)

    return compute


def _plain(columns: Iterable[Column], *, is_clock: bool) -> list[Formula]:
    """Return a formula for every column that stands for itself."""
    keys = {column.name for column in KEY_COLUMNS}
    return [
        Formula(
            name=column.name,
            title=_KNOWN.get(column.name, (column.name, ""))[0],
            unit=column.unit,
            group=_KNOWN[column.name][1] if column.name in _KNOWN else "columns",
            compute=_column(column.name),
            is_clock=is_clock,
        )
        for column in columns
        if column.name not in keys
    ]


def _column(name: str) -> Compute:
    def compute(rows: Rows) -> Values:
        values: Series = rows[name].astype(np.float64)
        return Values(values=values, present=np.ones(len(values), dtype=np.bool_))

    return compute
