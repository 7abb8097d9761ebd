"""Saved curriculum state: takes plain data and the run that wants it, says whether it is that run's, or names what haunts it.

The zombie of the second story: `repo-docstrings` kept weight 1.546 in the proxy's state from an earlier run, was drawn at
step 112,080, and the model gave back training text. State without a run, a version and a bound on its weights lets that
happen; here each is checked before anything is taken over.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twosignal.curriculum.policy import Arm
from twosignal.errors import RunError

VERSION = 1
"""Of the state that `Curriculum.state` returns."""
WHOLE = 1 + 1e-6
"""A share above this is none."""
START_COLD = "Carry it over arm by arm (keep, decay or reset), or start without it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a state comes from."""

    run: str = ""
    """Id of the run."""
    config: str = ""
    """Hash of the run file with its inputs."""

    def as_dict(self) -> dict[str, str]:
        """Return the origin as plain JSON values."""
        return {"run": self.run, "config": self.config}


@dataclass(frozen=True, slots=True, kw_only=True)
class Zombie:
    """A weight in a saved state that this run never gave."""

    arm: str
    """The source it is for; empty when it is the state as a whole."""
    weight: float
    """The weight it has there."""
    run: str
    """The run that the state says it is from."""
    fault: str
    """What is wrong with it, as the rest of a sentence."""

    def sentence(self) -> str:
        """Return the fault with arm, weight and run."""
        return f"{self.arm} has weight {self.weight:.4g} in the state of run {self.run or 'unknown'}: {self.fault}"


def zombies(state: Mapping[str, Any], arms: Sequence[Arm], origin: Origin) -> list[Zombie]:
    """Return every weight in `state` that a run of these arms and this origin did not give itself, heaviest first.

    Four signs: the source is absent from the run file; it is disabled there (cap 0); the weight is no share, or above 1;
    the state is of another run or of another run file. Raises RunError when the state is none at all.
    """
    run, weights = origin_of(state).run, _weights_of(state)
    caps = {arm.name: arm.cap for arm in arms}
    foreign = _foreign(origin_of(state), origin)
    found = []
    for name, weight in sorted(weights.items(), key=lambda item: (-item[1], item[0])):
        fault = _fault(name, weight, caps) or (foreign if weight else "")
        if fault:
            found.append(Zombie(arm=name, weight=weight, run=run, fault=fault))
    return found


def check_saved(state: Mapping[str, Any], arms: Sequence[Arm], *, origin: Origin, policy: str) -> None:
    """Raise RunError unless the state is what a run of these arms, this origin and this policy saved."""
    if found := zombies(state, arms, origin):
        others = f"; so have {len(found) - 1} more" if len(found) > 1 else ""
        message = f"the saved curriculum does not belong to this run: {found[0].sentence()}{others}"
        raise RunError(message, where="curriculum", remedy=START_COLD)
    if missing := [arm.name for arm in arms if arm.name not in _weights_of(state)]:
        message = f"the saved curriculum knows nothing of source {missing[0]}"
        raise RunError(message, where="curriculum", remedy=START_COLD)
    if (name := state["policy"].get("name")) != policy:
        message = "the saved curriculum is of another policy"
        raise RunError(message, where="curriculum", found=str(name), expected=policy, remedy=START_COLD)


def check_policy(state: Mapping[str, Any], *, policy: str, version: int) -> None:
    """Raise RunError unless a policy's own state says that it is of this policy's form."""
    if not isinstance(state, Mapping) or state.get("version") != version:
        found = f"version {state.get('version')!r}" if isinstance(state, Mapping) else type(state).__name__
        message = f"the saved state of policy {policy} has an unknown form"
        raise RunError(
            message, where="curriculum", found=found, expected=f"version {version}", remedy=START_COLD
        )


def damaged(error: Exception) -> RunError:
    """Return the error for a saved state that has the right form and the wrong contents."""
    message = "the saved curriculum is damaged"
    return RunError(message, where="curriculum", found=repr(error), remedy=START_COLD)


def _fault(name: str, weight: float, caps: Mapping[str, float]) -> str:
    if name not in caps:
        return "this run has no such source" if weight else ""
    if not caps[name] and weight:
        return "the source is disabled in this run (cap 0)"
    if not (math.isfinite(weight) and 0 <= weight <= WHOLE):
        return "a share of the rows lies between 0 and 1"
    return ""


def _foreign(saved: Origin, origin: Origin) -> str:
    if saved.run != origin.run:
        return f"this is run {origin.run or 'unknown'}"
    if saved.config != origin.config:
        return f"the run file or its inputs have changed since (hash {saved.config[:12]}, now {origin.config[:12]})"
    return ""


def origin_of(state: Mapping[str, Any]) -> Origin:
    """Return where a state says it is from; raise RunError when it is no curriculum's state, or does not say."""
    if not isinstance(state, Mapping) or state.get("version") != VERSION:
        message = "the saved curriculum has an unknown form"
        found = f"version {state.get('version')!r}" if isinstance(state, Mapping) else type(state).__name__
        raise RunError(message, where="curriculum", found=found, expected=f"version {VERSION}")
    origin = state.get("origin")
    if not isinstance(origin, Mapping):
        message = "the saved curriculum does not say which run it is from"
        raise RunError(message, where="curriculum", remedy=START_COLD)
    return Origin(run=str(origin.get("run", "")), config=str(origin.get("config", "")))


def _weights_of(state: Mapping[str, Any]) -> dict[str, float]:
    weights = state.get("shares")
    if not isinstance(weights, Mapping) or not isinstance(state.get("policy"), Mapping):
        message = "the saved curriculum has no shares or no policy"
        raise RunError(message, where="curriculum", remedy=START_COLD)
    try:
        return {str(name): float(weight) for name, weight in weights.items()}
    except (TypeError, ValueError) as error:
        message = "the saved curriculum has a share that is no number"
        raise RunError(message, where="curriculum", found=str(error)) from error
