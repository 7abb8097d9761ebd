"""Chance that can be saved: takes a seed or saved state, gives a numpy generator; and the dice of the second story."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from twosignal.curriculum.saved import damaged

WindowLaw = Literal["seven-dice", "seven-times-one", "uniform"]
"""How many steps a window has, always 7 to 42. seven-dice: the sum of seven dice, 24.5 on average; seven-times-one: seven
times one die; uniform: every length alike. Which of them the second story rolled is not known."""


def roll_window(rng: np.random.Generator, law: WindowLaw) -> int:
    """Return the steps of a window."""
    if law == "seven-dice":
        return int(rng.integers(1, 7, size=7).sum())
    if law == "seven-times-one":
        return 7 * roll(rng)
    return int(rng.integers(7, 43))


def roll(rng: np.random.Generator) -> int:
    """Return the eyes of one six-sided die."""
    return int(rng.integers(1, 7))


def plain_state(rng: np.random.Generator) -> dict[str, Any]:
    """Return the generator's state as JSON values; its 128-bit integers as hexadecimal text, which any reader keeps whole."""
    state: Mapping[str, Any] = rng.bit_generator.state
    inner = {name: hex(number) for name, number in state["state"].items()}
    return {"kind": state["bit_generator"], "state": inner, "rest": [state["has_uint32"], state["uinteger"]]}


def revived(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator that goes on where `plain_state` was read; raise RunError when it is no such state."""
    rng = np.random.default_rng(0)
    try:
        rng.bit_generator.state = {
            "bit_generator": state["kind"],
            "state": {name: int(number, 16) for name, number in state["state"].items()},
            "has_uint32": state["rest"][0],
            "uinteger": state["rest"][1],
        }
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise damaged(error) from error
    return rng
