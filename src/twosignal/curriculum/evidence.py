"""What an arm's pulls showed: takes rewards, gives their mean; what an earlier run saw leaves as fresh pulls come in.

Evidence that outlives its run is how an arm becomes a zombie: with 1,000 carried pulls a stationary bandit spends the next
500 on an arm that has long been worthless. Carried evidence therefore counts as 20 pulls at most, and every fresh pull of
the arm pushes one of them out; after 20 nothing of the earlier run is left.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from twosignal.curriculum.policy import Mode
from twosignal.curriculum.saved import damaged

CARRIED_PULLS = 20
"""Pulls that carried evidence counts as at most."""


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Rewards of one arm."""

    pulls: int = 0
    """Pulls in this run."""
    total: float = 0.0
    """Sum of their rewards."""
    carried: float = 0.0
    """Pulls that the evidence of an earlier run started as."""
    carried_mean: float = 0.0
    """Mean reward of those."""

    def add(self, reward: float) -> None:
        """Take in one pull."""
        self.pulls += 1
        self.total += reward

    @property
    def left(self) -> float:
        """Carried pulls that fresh ones have not pushed out."""
        return max(0.0, self.carried - self.pulls)

    @property
    def count(self) -> float:
        """Pulls that the mean is over."""
        return self.pulls + self.left

    @property
    def sum(self) -> float:
        """Sum of the rewards, carried ones included."""
        return self.total + self.left * self.carried_mean

    @property
    def mean(self) -> float:
        """Mean reward; 0 without a pull."""
        return self.sum / self.count if self.count else 0.0


def carried_over(evidence: Mapping[str, Evidence], modes: Mapping[str, Mode]) -> dict[str, Evidence]:
    """Return what a new run starts from, for every arm in `modes`: see `Mode`. An arm without evidence has none to give."""
    known = {name: evidence[name] for name in modes if name in evidence and evidence[name].count}
    middle = sum(one.mean for one in known.values()) / len(known) if known else 0.0
    fresh = {}
    for name, mode in modes.items():
        fresh[name] = Evidence()
        if name in known and mode != "reset":
            pulls, mean = min(float(CARRIED_PULLS), known[name].count), known[name].mean
            decays = mode == "decay"
            fresh[name] = Evidence(
                carried=pulls / 2 if decays else pulls, carried_mean=(mean + middle) / 2 if decays else mean
            )
    return fresh


def plain_evidence(evidence: Mapping[str, Evidence]) -> dict[str, Any]:
    """Return evidence by source as plain JSON values."""
    return {name: asdict(one) for name, one in evidence.items()}


def read_evidence(state: Any) -> dict[str, Evidence]:  # noqa: ANN401 (whatever a file held)
    """Return what `plain_evidence` wrote; raise RunError when it is no such thing."""
    try:
        return {str(name): Evidence(**fields) for name, fields in state.items()}
    except (TypeError, AttributeError) as error:
        raise damaged(error) from error
