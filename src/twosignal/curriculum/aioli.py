"""Aioli (Chen et al. 2025): takes held-out losses around short tilted phases, gives shares by what each source lowers.

A round begins with phases of a few steps, each tilted to one source (5/8 of the rows, the rest shared equally), every source
in turn, several times over in new order. The targets are measured after each. With the linear mixing law, a phase of mix q
lowers target i by sum_j A_ij q_j, so the mean drops of the K phases give A by one linear system; then

    p_j  is multiplied by  exp(eta x sum_i A_ij)        with A shifted to be nonnegative and scaled to a sum of 1

and the rest of the round is drawn by p. No reference run is needed. Our own implementation, held to the authors' arithmetic
by a worked example; their smoothing of A over rounds is left out, as they recommend to begin with.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twosignal.curriculum.dice import plain_state, revived
from twosignal.curriculum.policy import Arm, Choice, ProbeSeen, Shares, StepSeen
from twosignal.curriculum.saved import check_policy, damaged
from twosignal.curriculum.still import normal

VERSION = 1
"""Of the state."""
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AioliRules:
    """The authors' recommended settings."""

    phase_steps: int = 4
    """Steps of a tilted phase."""
    sweeps: int = 4
    """Phases of each source in a round."""
    round_steps: int = 250
    """Steps of a round, phases included; at least as many are drawn by the new mix as by the phases."""
    tilt: float = 0.625
    """Share of the source that a phase is tilted to."""
    rate: float = 0.2
    """eta: step of the exponentiated gradient."""


def tilted(names: Sequence[str], chosen: str, tilt: float) -> Shares:
    """Return the mix of a phase: `tilt` for the chosen source, the rest shared equally."""
    rest = (1 - tilt) / (len(names) - 1)
    return {name: tilt if name == chosen else rest for name in names}


def solved(drops: Matrix, tilt: float) -> Matrix:
    """Return A (targets x sources) from the mean drop of each target in the phases of each source (targets x sources)."""
    sources = drops.shape[1]
    mixes = np.full((sources, sources), (1 - tilt) / (sources - 1))
    np.fill_diagonal(mixes, tilt)
    return np.linalg.solve(mixes, drops.T).T


def gains(matrix: Matrix) -> NDArray[np.float64]:
    """Return the sum over targets for each source, after A was shifted to be nonnegative and scaled to a sum of 1."""
    shifted = matrix - min(0.0, float(matrix.min()))
    whole = float(shifted.sum())
    return np.asarray(shifted.sum(axis=0) / whole if whole else np.zeros(matrix.shape[1]))


class Aioli:
    """Shares by a linear mixing law, measured within the run."""

    name = "aioli"

    def __init__(self, arms: Sequence[Arm], *, seed: int, rules: AioliRules | None = None) -> None:
        """Begin with equal weights; with one source nothing is measured."""
        self._rules = rules or AioliRules()
        self._rng = np.random.default_rng(seed)
        self._weights = dict.fromkeys((arm.name for arm in arms), 1 / len(arms))
        self._open = [arm.name for arm in arms]
        self._phases: list[str] = []
        self._before: dict[str, float] = {}
        self._drops: dict[str, dict[str, float]] = {}
        self._gains: dict[str, float] = {}
        self._left, self._is_waiting = 0, False
        self._begin_round()

    def shares(self) -> Shares:
        """Return the mix of the phase, or the learned one between rounds."""
        if self._phases and self._before:
            return dict.fromkeys(self._weights, 0.0) | tilted(self._open, self._phases[0], self._rules.tilt)
        return dict(self._weights)

    def see_step(self, seen: StepSeen) -> Choice | None:  # noqa: ARG002 (training losses are unknown to it)
        """Count the steps of the phase, or of the rest of the round."""
        if self._is_waiting:
            return None
        self._left -= 1
        if self._left <= 0 and self._phases:
            self._is_waiting = True
        elif self._left <= 0:
            self._begin_round()
        return None

    def probe_due(self, step: int) -> bool:  # noqa: ARG002 (it counts its own)
        """Return whether a round begins or a phase has ended."""
        return self._is_waiting

    def see_probe(self, seen: ProbeSeen) -> Choice | None:
        """Begin the first phase, or note what the last one lowered; after the last phase learn the mix."""
        if not self._is_waiting or not seen.losses or not set(self._before) <= set(seen.losses):
            return None
        if self._before:
            drops = self._drops.setdefault(self._phases.pop(0), dict.fromkeys(self._before, 0.0))
            for target, before in self._before.items():
                drops[target] += (before - seen.losses[target]) / self._rules.sweeps
        self._before = {target: seen.losses[target] for target in self._before or seen.losses}
        self._is_waiting = False
        return self._phase_choice(seen.step) if self._phases else self._learn(seen.step)

    def narrow(self, names: Sequence[str]) -> None:
        """Begin a round over these sources; the others keep their weight among themselves until they return."""
        self._open = list(names)
        self._begin_round()

    def arms(self) -> dict[str, dict[str, float]]:
        """Return each source's weight and its newest gain."""
        return {
            name: {"weight": weight} | ({"gain": self._gains[name]} if name in self._gains else {})
            for name, weight in self._weights.items()
        }

    def state(self) -> dict[str, Any]:
        """Return everything the policy knows."""
        return {
            "version": VERSION,
            "weights": dict(self._weights),
            "open": list(self._open),
            "phases": list(self._phases),
            "before": dict(self._before),
            "drops": {name: dict(drops) for name, drops in self._drops.items()},
            "gains": dict(self._gains),
            "left": self._left,
            "waiting": self._is_waiting,
            "dice": plain_state(self._rng),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; raise RunError when it is not such a state."""
        check_policy(state, policy=self.name, version=VERSION)
        try:
            weights = {name: float(state["weights"][name]) for name in self._weights}
            drops = {str(name): dict(drops) for name, drops in state["drops"].items()}
            still_open, phases, before = list(state["open"]), list(state["phases"]), dict(state["before"])
            found, left, waiting = dict(state["gains"]), int(state["left"]), bool(state["waiting"])
            self._rng = revived(state["dice"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(error) from error
        self._weights, self._drops, self._open, self._phases = weights, drops, still_open, phases
        self._before, self._gains, self._left, self._is_waiting = before, found, left, waiting

    def _begin_round(self) -> None:
        self._phases = []
        if len(self._open) > 1:
            sweeps = [self._rng.permutation(len(self._open)) for _ in range(self._rules.sweeps)]
            self._phases = [self._open[number] for sweep in sweeps for number in sweep]
        self._drops, self._before = {}, {}
        self._is_waiting = bool(self._phases)
        self._left = self._rules.phase_steps if self._phases else self._rules.round_steps

    def _phase_choice(self, step: int) -> Choice:
        self._left = self._rules.phase_steps
        chosen, to_come = self._phases[0], len(self._phases) - 1
        reason = (
            f"{self._left} steps tilted to {chosen} to measure what it lowers; {to_come} such phases to come"
        )
        return Choice(
            step=step, kind="window", reason=reason, shares=self.shares(), evidence={"losses": self._before}
        )

    def _learn(self, step: int) -> Choice:
        """Multiply the open sources' weights by exp(eta x gain), keeping their sum."""
        rules, measured = self._rules, len(self._open) * self._rules.sweeps * self._rules.phase_steps
        drops = np.array(
            [[self._drops[name][target] for name in self._open] for target in sorted(self._before)]
        )
        found = gains(solved(drops, rules.tilt))
        self._gains = {name: float(gain) for name, gain in zip(self._open, found, strict=True)}
        held = sum(self._weights[name] for name in self._open)
        moved = normal(
            {name: self._weights[name] * math.exp(rules.rate * self._gains[name]) for name in self._open}
        )
        self._weights |= {name: held * share for name, share in moved.items()}
        self._left = max(rules.round_steps - measured, measured)
        best = max(self._gains, key=lambda name: self._gains[name])
        reason = f"{best} lowers the targets most, a part of {self._gains[best]:.2f} of all gains"
        evidence = {
            "drops": {name: dict(drops) for name, drops in self._drops.items()},
            "gains": dict(self._gains),
        }
        return Choice(step=step, kind="credit", reason=reason, shares=self.shares(), evidence=evidence)
