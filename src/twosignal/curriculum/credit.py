"""What each source does to the target: takes pairs of windows with opposite mixes, gives credit and its doubt.

Two windows that follow each other draw by opposite tilts of the mix (`signs`). Their difference of improvement, target by
target, cancels the trend that all training has; ridge regression on the difference of what was drawn says whose rows made
it. Old evidence is discounted, so that credit follows the run; each target is counted in units of its own noise, so that a
loud one does not drown the others.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FORGET = 0.96
"""What a pair counts for after the next one."""
SPREAD = 5.0
"""Standard deviation that credit is expected to have, in units of noise per whole share (the ridge)."""

PRIOR_PAIRS = 4
"""Pairs of pure noise that the estimate of the noise begins with."""


class Credit:
    """Discounted ridge regression of held-out improvement on the mix that was drawn."""

    def __init__(self, names: Sequence[str], targets: Mapping[str, float]) -> None:
        self.names = tuple(names)
        self.targets = dict(targets)
        size = len(self.names) + 1
        self.gram = np.zeros((size, size))
        """Of the differences drawn, and of a constant that takes what is left of the trend."""
        self.moment = np.zeros(size)
        self.power = dict.fromkeys(self.targets, 0.0)
        """Discounted sum of squares of each target's differences."""
        self.square = 0.0
        """Discounted sum of squares of the outcomes, each the targets' mean in units of their noise."""
        self.seen = 0.0
        """Discounted number of pairs."""

    def learn(self, drawn: Mapping[str, float], improved: Mapping[str, float]) -> None:
        """Take in one pair: differences of the shares drawn, and of each target's relative improvement."""
        self.seen = FORGET * self.seen + 1
        outcome = 0.0
        for target, weight in self.targets.items():
            self.power[target] = FORGET * self.power[target] + improved[target] ** 2
            noise = math.sqrt(self.power[target] / self.seen)
            outcome += weight * improved[target] / noise if noise else 0.0
        row = np.array([*(drawn[name] for name in self.names), 1.0])
        self.gram = FORGET * self.gram + np.outer(row, row)
        self.moment = FORGET * self.moment + outcome * row
        self.square = FORGET * self.square + outcome**2

    def contrast(self, better: Mapping[str, float], than: Mapping[str, float]) -> tuple[float, float]:
        """Return how much more one mix does for the target than another, and its standard error, in units of noise."""
        difference = np.array([*(better[name] - than[name] for name in self.names), 0.0])
        credit, doubt = self._fit()
        return float(difference @ credit), math.sqrt(float(difference @ doubt @ difference))

    def advantages(self, mix: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        """Return every source's credit over that of the mix, and its standard error, in units of noise per whole share."""
        shares = np.array([mix[name] for name in self.names])
        centre = np.hstack([np.eye(len(shares)) - shares, np.zeros((len(shares), 1))])
        credit, doubt = self._fit()
        error = np.sqrt(np.einsum("ij,jk,ik->i", centre, doubt, centre))
        return dict(
            zip(self.names, zip((centre @ credit).tolist(), error.tolist(), strict=True), strict=True)
        )

    def state(self) -> dict[str, Any]:
        """Return all evidence as plain values."""
        return {
            "gram": self.gram.tolist(),
            "moment": self.moment.tolist(),
            "power": dict(self.power),
            "square": self.square,
            "seen": self.seen,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; raise KeyError, TypeError or ValueError when it does not fit."""
        gram, moment = np.array(state["gram"], dtype=float), np.array(state["moment"], dtype=float)
        if gram.shape != self.gram.shape or moment.shape != self.moment.shape:
            message = f"evidence on {len(moment) - 1} sources, the run has {len(self.names)}"
            raise ValueError(message)
        self.power = {name: float(state["power"][name]) for name in self.targets}
        self.gram, self.moment = gram, moment
        self.square, self.seen = float(state["square"]), float(state["seen"])

    def _fit(self) -> tuple[Floats, Floats]:
        """Return every source's credit and the covariance of its error."""
        inverse = np.linalg.inv(self.gram + np.eye(len(self.gram)) / SPREAD**2)
        credit = inverse @ self.moment
        unexplained = max(0.0, self.square - float(credit @ self.moment))
        noise = (PRIOR_PAIRS + unexplained) / (PRIOR_PAIRS + self.seen)
        return credit, np.asarray(noise * inverse)


def signs(pair: int, count: int) -> list[int]:
    """Return which of `count` sources are raised (1) and which lowered (-1) in the first window of a pair.

    Rows of a Hadamard matrix (Sylvester 1867): over a full round of pairs no two sources move together.
    """
    size = 1 << count.bit_length()
    row = 1 + pair % (size - 1)
    return [-1 if (row & (column + 1)).bit_count() % 2 else 1 for column in range(count)]


def told(figures: Mapping[str, tuple[float, float]], *, doubt: float) -> str:
    """Return the sources whose credit is beyond `doubt` standard errors, most certain first, as the end of a sentence."""
    certain = {
        name: credit / error for name, (credit, error) in figures.items() if abs(credit) > doubt * error
    }
    if not certain:
        return "no source does more or less for the target than the mix, beyond doubt"
    sorted_by_certainty = sorted(certain.items(), key=lambda item: -abs(item[1]))
    return "for the target, " + ", ".join(
        f"{name} does {'more' if score > 0 else 'less'} than the mix ({score:+.1f} standard errors)"
        for name, score in sorted_by_certainty
    )
