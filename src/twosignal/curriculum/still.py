"""Policies that never change their mind: proportional, uniform, fixed; they take the arms, give one mix for the whole run."""

from collections.abc import Mapping, Sequence
from typing import Any

from twosignal.curriculum.policy import Arm, Choice, ProbeSeen, Shares, StepSeen
from twosignal.errors import ConfigError, RunError


class Still:
    """One mix from the first step to the last."""

    def __init__(self, name: str, weights: Mapping[str, float]) -> None:
        self.name = name
        self._shares = normal(weights)

    def shares(self) -> Shares:
        """Return the mix."""
        return dict(self._shares)

    def see_step(self, seen: StepSeen) -> Choice | None:
        """Learn nothing."""

    def probe_due(self, step: int) -> bool:  # noqa: ARG002 (no step is worth a probe)
        """Ask for nothing."""
        return False

    def see_probe(self, seen: ProbeSeen) -> Choice | None:
        """Learn nothing."""

    def arms(self) -> dict[str, dict[str, float]]:
        """Return each source's weight."""
        return {name: {"weight": share} for name, share in self._shares.items()}

    def state(self) -> dict[str, Any]:
        """Return the name alone: the mix comes from the run file and the data."""
        return {"version": 1, "name": self.name}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Check that the state is this policy's."""
        if dict(state) != self.state():
            message = f'the saved state is not one of policy "{self.name}"'
            raise RunError(message, found=str(dict(state))[:80])


def proportional(arms: Sequence[Arm]) -> Still:
    """Every source by its rows, so that all come round together."""
    return Still("proportional", row_shares(arms))


def uniform(arms: Sequence[Arm]) -> Still:
    """Every source alike, whatever its size."""
    return Still("uniform", {arm.name: 1.0 for arm in arms})


def fixed(arms: Sequence[Arm]) -> Still:
    """Every source by the user's weight; one without a weight gets nothing.

    Raises ConfigError when no source has a weight above 0.
    """
    weights = {arm.name: arm.weight or 0.0 for arm in arms}
    if not any(weights.values()):
        message = 'policy "fixed" needs a weight above 0 for at least one source'
        raise ConfigError(message, where="[curriculum]", remedy="Add weight = ... to [sources.NAME].")
    return Still("fixed", weights)


def row_shares(arms: Sequence[Arm]) -> Shares:
    """Return each source's part of all rows."""
    return normal({arm.name: float(arm.rows) for arm in arms})


def normal(weights: Mapping[str, float]) -> Shares:
    """Return the weights divided by their sum, which must be above 0."""
    whole = sum(weights.values())
    return {name: weight / whole for name, weight in weights.items()}
