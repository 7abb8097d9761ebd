"""The policies by their names in the run file: takes a name and the arms, gives the policy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from twosignal.curriculum.aioli import Aioli
from twosignal.curriculum.classic import Classic
from twosignal.curriculum.odm import Odm
from twosignal.curriculum.policy import Arm, Policy
from twosignal.curriculum.still import fixed, proportional, uniform
from twosignal.errors import ConfigError

POLICIES: Mapping[str, Callable[[Sequence[Arm], int], Policy]] = {
    "proportional": lambda arms, _: proportional(arms),
    "uniform": lambda arms, _: uniform(arms),
    "fixed": lambda arms, _: fixed(arms),
    "classic": lambda arms, seed: Classic(arms, seed=seed),
    "odm": lambda arms, _: Odm(arms),
    "aioli": lambda arms, seed: Aioli(arms, seed=seed),
}
"""How each policy is made of arms and a seed. The bandit is made by whoever knows its target, see `bandit.py`."""


def make_policy(name: str, arms: Sequence[Arm], *, seed: int) -> Policy:
    """Return a new policy; the same name, arms and seed give the same choices.

    Raises ConfigError on an unknown name, or on arms that the policy cannot work with.
    """
    if name not in POLICIES:
        message = f'there is no curriculum policy "{name}"'
        raise ConfigError(message, where="[curriculum]", expected=f"one of {', '.join(POLICIES)}")
    return POLICIES[name](arms, seed)


def floors_of(name: str) -> Literal["share", "weight"]:
    """Return what a floor is under a policy: its least share of the rows, or the classic's least weight before the norm."""
    return "weight" if name == "classic" else "share"
