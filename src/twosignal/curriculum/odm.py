"""Online data mixing by EXP3 (Albalak et al. 2023): takes training losses, gives shares that prefer what is still hard.

    R_k   += (loss_k / 10) / p_k                          for every source with rows in the step
    eps_t  = min(1/K, sqrt(ln K / (K t)))
    p      = (1 - K eps_t) softmax(eps_{t-1} R) + eps_t    after the warmup steps

Our own implementation of the updater the authors call Exp3, in its form for mixed batches. Its known fault: noise is always
hard, so a source of incompressible noise wins.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from twosignal.curriculum.evidence import Evidence, carried_over, plain_evidence, read_evidence
from twosignal.curriculum.policy import Arm, Choice, Mode, ProbeSeen, Shares, StepSeen
from twosignal.curriculum.saved import check_policy, damaged
from twosignal.curriculum.still import normal, row_shares

VERSION = 1
"""Of the state."""
REWARD_SCALE = 0.1
"""Factor on a loss, so that the sums stay small."""
TOLD = 0.02
"""Total variation from the shares of the last recorded choice at which a new one is recorded; shares move at every step."""


class Odm:
    """EXP3 over the training loss."""

    name = "odm"

    def __init__(self, arms: Sequence[Arm], *, warmup: int = 0) -> None:
        """Start at the shares by rows, and keep them for `warmup` steps (the authors: 2,000 of 100,000)."""
        self._shares = row_shares(arms)
        self._told = dict(self._shares)
        self._warmup = warmup
        self._time = 0
        self._epsilon = 1 / len(self._shares)
        self._evidence = {name: Evidence() for name in self._shares}

    def shares(self) -> Shares:
        """Return the shares of the next step."""
        return dict(self._shares)

    def see_step(self, seen: StepSeen) -> Choice | None:
        """Reward every source that was drawn; after the warmup move the shares."""
        self._time += 1
        if self._time <= self._warmup or len(self._shares) < 2:
            return None
        before, self._epsilon = self._epsilon, exploration(self._time, len(self._shares))
        for name, evidence in self._evidence.items():
            loss = seen.losses.get(name, 0.0)
            evidence.add(REWARD_SCALE * loss / self._shares[name])
        self._shares = mixed(
            {name: one.sum for name, one in self._evidence.items()}, rate=before, floor=self._epsilon
        )
        return self._choice(seen.step)

    def probe_due(self, step: int) -> bool:  # noqa: ARG002 (held-out losses are unknown to it)
        """Ask for nothing."""
        return False

    def see_probe(self, seen: ProbeSeen) -> Choice | None:
        """Learn nothing."""

    def arms(self) -> dict[str, dict[str, float]]:
        """Return each source's probability and its sum of weighted losses."""
        return {
            name: {"probability": self._shares[name], "reward": one.sum}
            for name, one in self._evidence.items()
        }

    def state(self) -> dict[str, Any]:
        """Return everything the policy knows."""
        return {
            "version": VERSION,
            "time": self._time,
            "epsilon": self._epsilon,
            "shares": dict(self._shares),
            "told": dict(self._told),
            "evidence": plain_evidence(self._evidence),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; raise RunError when it is not such a state."""
        check_policy(state, policy=self.name, version=VERSION)
        try:
            evidence = read_evidence(state["evidence"])
            shares = {name: float(state["shares"][name]) for name in self._shares}
            told = {name: float(state["told"][name]) for name in self._shares}
            evidence = {name: evidence[name] for name in self._shares}
            time, epsilon = int(state["time"]), float(state["epsilon"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(error) from error
        self._shares, self._told, self._evidence = shares, told, evidence
        self._time, self._epsilon = time, epsilon

    def carry(self, state: Mapping[str, Any], modes: Mapping[str, Mode]) -> None:
        """Take over the sums, as those of at most 20 steps; the clock of the exploration starts anew."""
        check_policy(state, policy=self.name, version=VERSION)
        self._evidence |= carried_over(read_evidence(state.get("evidence")), modes)

    def _choice(self, step: int) -> Choice | None:
        moved = sum(abs(self._shares[name] - share) for name, share in self._told.items()) / 2
        if moved < TOLD:
            return None
        self._told = dict(self._shares)
        top = max(self._shares, key=lambda name: self._shares[name])
        reason = f"the weighted losses put {top} first, at {self._shares[top]:.1%}; exploration {self._epsilon:.3f}"
        return Choice(
            step=step, kind="credit", reason=reason, shares=self.shares(), evidence={"arms": self.arms()}
        )


def exploration(time: int, arms: int) -> float:
    """Return the least probability of each of `arms` arms at step `time`."""
    return min(1 / arms, math.sqrt(math.log(arms) / (arms * time)))


def mixed(rewards: Mapping[str, float], *, rate: float, floor: float) -> Shares:
    """Return (1 - K floor) softmax(rate x rewards) + floor."""
    top = max(rewards.values())
    raised = normal({name: math.exp(rate * (reward - top)) for name, reward in rewards.items()})
    return normal({name: (1 - len(rewards) * floor) * share + floor for name, share in raised.items()})
