"""When strikes have become too many: takes strikes and sound samples one by one, gives a test that knows when to fire.

    KOfN    k of the last n were strikes; 5 of 5 is the classic rule
    Cusum   the evidence, in nats, that the share of strikes is `p1` rather than `p0`, counted anew from 0 whenever
            it falls below: a strike adds ln(p1 / p0), a sound sample ln((1 - p1) / (1 - p0)). Fires at `bar`.
            Page 1954, for shares Reynolds and Stoumbos 1999; swapped shares make it wait for good news.

A sample that nothing can be said about (None) leaves a test as it is. Tests are plain frozen data: `after` returns the
next state. Delays and false alarms of each are simulated in `bench/gate_delay.py`.
"""

import math
from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class KOfN:
    """Fires when `k` of the last `n` samples were strikes."""

    k: int = 5
    """Strikes that fire it."""
    n: int = 5
    """Samples it looks back, at least `k`."""
    newest: tuple[bool, ...] = ()
    """The last samples, at most `n`, oldest first."""

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n:
            message = f"{self.k} strikes of {self.n} samples, expected from 1 to as many as there are"
            raise ValueError(message)

    @property
    def fires(self) -> bool:
        """Whether it has seen enough."""
        return sum(self.newest) >= self.k

    def after(self, strike: bool | None) -> Self:  # noqa: FBT001 (the one thing it is given)
        """Return the test one sample later."""
        return self if strike is None else replace(self, newest=(*self.newest, strike)[-self.n :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cusum:
    """Fires when the evidence for a share `p1` of strikes, against `p0`, reaches `bar`."""

    p0: float = 0.05
    """Share of strikes while nothing has changed, between 0 and 1."""
    p1: float = 0.3
    """Share of strikes to find."""
    bar: float = 8.0
    """Nats of evidence that fire it; on average it takes more than exp(bar) samples to fire at share `p0`."""
    evidence: float = 0.0
    """Nats so far, from 0 on."""

    def __post_init__(self) -> None:
        if not (0 < self.p0 < 1 and 0 < self.p1 < 1 and self.p0 != self.p1 and self.bar > 0):
            message = (
                f"shares {self.p0:g} and {self.p1:g} with bar {self.bar:g}, expected two different shares "
                "between 0 and 1 and a bar above 0"
            )
            raise ValueError(message)

    @property
    def fires(self) -> bool:
        """Whether it has seen enough."""
        return self.evidence >= self.bar

    def after(self, strike: bool | None) -> Self:  # noqa: FBT001 (the one thing it is given)
        """Return the test one sample later."""
        if strike is None:
            return self
        gain = math.log(self.p1 / self.p0) if strike else math.log((1 - self.p1) / (1 - self.p0))
        return replace(self, evidence=max(0.0, self.evidence + gain))


Test = KOfN | Cusum


def mean_wait(k: int, share: float) -> float:
    """Return after how many samples, on average, `k` strikes in a row have come, when a share of 0 to 1 are strikes."""
    if share <= 0:
        return math.inf
    return float(k) if share >= 1 else (1 - share**k) / (share**k * (1 - share))
