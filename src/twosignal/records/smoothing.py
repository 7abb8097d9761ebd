"""The words a loss is told in: takes nats, gives SMMA, perplexity, bits per byte, and random chance.

SMMA, the smoothed moving average: S0 = x0, St = (St-1 (N - 1) + xt) / N, over N = 100 steps by default.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]

PERIODS: Final = (10, 100, 1000)
"""The averages that are shown: quick, usual and slow."""
_BLOCK: Final = 256


@dataclass(slots=True, kw_only=True)
class Smma:
    """A smoothed moving average that grows with every value.

    A value that is not finite leaves the average as it is: one broken step would otherwise
    hide every later one.
    """

    periods: int = 100
    """N of the formula; 1 follows every value."""
    value: float | None = None
    """The average; None before the first finite value."""

    def __post_init__(self) -> None:
        if self.periods < 1:
            message = f"an average over {self.periods} periods"
            raise ValueError(message)

    def update(self, x: float) -> float | None:
        """Take in the next value and return the average."""
        if math.isfinite(x):
            last = self.value
            self.value = float(x) if last is None else (last * (self.periods - 1) + x) / self.periods
        return self.value

    def extend(self, values: npt.ArrayLike) -> Series:
        """Take in values and return the average after each, shape [values], bit for bit as `update` would.

        nan before the first finite value.
        """
        given: list[float] = np.asarray(values, dtype=np.float64).tolist()
        averages = [self.update(value) for value in given]
        return np.array([math.nan if average is None else average for average in averages])

    def state(self) -> dict[str, float | None]:
        """Return everything the average needs to go on, as plain data."""
        return {"periods": self.periods, "value": self.value}

    @classmethod
    def from_state(cls, state: Mapping[str, float | None]) -> Self:
        """Go on from a `state()`."""
        periods = state["periods"]
        if not isinstance(periods, int):
            message = f"the state of an average has {periods!r} periods"
            raise TypeError(message)
        return cls(periods=periods, value=state["value"])


def smma(values: npt.ArrayLike, *, periods: int = 100) -> Series:
    """Return the average after every value, shape [values]; nan before the first finite one.

    The same as feeding an `Smma` one by one, to within rounding. Values further on never change the
    averages before them.
    """
    series = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(series)
    averages: Series = np.concatenate([[math.nan], _finite_smma(series[finite], periods)])
    return averages.take(np.cumsum(finite))


def _finite_smma(series: Series, periods: int) -> Series:
    """Average finite values in blocks: each as if nothing came before, then with what came before added."""
    if not len(series):
        return series
    num_blocks = -(-len(series) // _BLOCK)
    blocks: Series = np.zeros((num_blocks, _BLOCK))
    blocks.reshape(-1)[: len(series)] = series
    averages: Series = np.empty_like(blocks)
    alone: Series = np.zeros(num_blocks)
    for column in range(_BLOCK):
        alone = (alone * (periods - 1) + blocks[:, column]) / periods
        averages[:, column] = alone
    fading = (1 - 1 / periods) ** np.arange(1, _BLOCK + 1)
    before = float(series[0])
    for row in range(num_blocks):
        averages[row] += before * fading
        before = float(averages[row, -1])
    averages[0, 0] = series[0]
    return averages.reshape(-1)[: len(series)]


def perplexity(loss: float) -> float:
    """Return exp(loss) of a mean loss in nats per target; infinite where that overflows."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def bits_per_byte(nats: float, num_bytes: int) -> float:
    """Return a loss sum in nats as bits for each of the bytes it was taken over; comparable between tokenizers.

    Raises ValueError without bytes: there is no loss of nothing.
    """
    if num_bytes < 1:
        message = f"bits per byte of {num_bytes} bytes"
        raise ValueError(message)
    return nats / (num_bytes * math.log(2))


def random_chance(vocab: int) -> float:
    """Return the loss in nats per target of guessing evenly among `vocab` tokens."""
    return math.log(vocab)
