"""The second story's bandit, exactly as its lessons tell it: takes training losses, gives weights for a window of 7 to 42 steps.

    reward  = max(0, EMA before - loss) x 1000, for the pulled source alone; its EMA then moves a tenth of the way
    score   = mean reward + C sqrt(ln N / n)                       (UCB of Auer et al. 2002, without the factor 2)
    weight  = max(score / best score x 1/(1 + epochs) x coverage bonus, floor), for a focus set chosen by dice

Where the lessons break off, ours: C is sqrt(2); the focus set is the best 1 to 6 sources, by a die; scores are taken
relative to the best of them; sources never pulled count as the best. Its known fault is kept: the reward measures how noisy
a source's loss is, not what is learned from it, so a useless noisy source outweighs a useful quiet one about 4 to 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twosignal.curriculum.dice import WindowLaw, plain_state, revived, roll, roll_window
from twosignal.curriculum.evidence import Evidence, carried_over, plain_evidence, read_evidence
from twosignal.curriculum.policy import Arm, Choice, Mode, ProbeSeen, Shares, StepSeen
from twosignal.curriculum.saved import check_policy, damaged
from twosignal.curriculum.still import normal

VERSION = 1
"""Of the state."""
ALPHA = 0.1
"""Part of the way that a source's loss average moves at a pull."""
SCALE = 1000.0
"""Factor on the rewards."""
EXPLORATION = math.sqrt(2)
"""C of the score; not in the lessons."""
LARGEST_BONUS = 0.3
"""Of a source nothing of which was seen."""
FRESH_COVERAGE = 0.5
"""Coverage from which there is no bonus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicRules:
    """What the lessons leave open."""

    window: WindowLaw = "seven-dice"
    """Steps of a window."""
    focus: int | None = None
    """Sources of the focus set; None: a die."""
    exploration: float = EXPLORATION
    """C of the score."""


def reward_of(average: float, loss: float) -> float:
    """Return the reward of a pull: how far its loss lies below the average before it, in thousandths of a nat."""
    return max(0.0, average - loss) * SCALE


def moved(average: float, loss: float) -> float:
    """Return the source's loss average after a pull."""
    return (1 - ALPHA) * average + ALPHA * loss


def score_of(evidence: Evidence, *, pulls: float, exploration: float = EXPLORATION) -> float:
    """Return mean + C sqrt(ln N / n) with N pulls of all sources; infinite for a source never pulled."""
    if not evidence.count:
        return math.inf
    return evidence.mean + exploration * math.sqrt(math.log(max(pulls, 1.0)) / evidence.count)


def epoch_penalty(pulls: float, documents: int) -> float:
    """Return 1/(1 + epochs), where the epochs are the lifetime pulls over the documents: 4 epochs weigh 0.2."""
    return 1 / (1 + pulls / documents)


def coverage_bonus(coverage: float) -> float:
    """Return 1.3 for a source nothing of which was seen, falling to 1.0 at half."""
    return 1 + LARGEST_BONUS * max(0.0, 1 - coverage / FRESH_COVERAGE)


def floored(weight: float, floor: float) -> float:
    """Return the weight lifted to its floor; a floor never lowers, and is no share: weights are normalized afterwards."""
    return max(weight, floor)


class Classic:
    """UCB over loss noise, in windows."""

    name = "classic"

    def __init__(self, arms: Sequence[Arm], *, seed: int, rules: ClassicRules | None = None) -> None:
        self._arms = {arm.name: arm for arm in arms}
        self._rules = rules or ClassicRules()
        self._rng = np.random.default_rng(seed)
        self._averages: dict[str, float] = {}
        self._evidence = {name: Evidence() for name in self._arms}
        self._lifetime = dict.fromkeys(self._arms, 0)
        self._open = list(self._arms)
        self._weights: dict[str, float] = {}
        self._left = 0
        self._begin_window()

    def shares(self) -> Shares:
        """Return the weights of the window, normalized over the sources that may be drawn."""
        weights = {name: self._weights[name] if name in self._open else 0.0 for name in self._arms}
        return normal(weights if any(weights.values()) else dict.fromkeys(self._arms, 1.0))

    def see_step(self, seen: StepSeen) -> Choice | None:
        """Reward the pulled sources; roll a new window when this one is over."""
        for name, rows in seen.rows.items():
            self._lifetime[name] += rows
        for name in self._arms:
            if name in seen.losses:
                self._pull(name, seen.losses[name])
        self._left -= 1
        if self._left > 0:
            return None
        self._begin_window()
        return self._window_choice(seen.step)

    def probe_due(self, step: int) -> bool:  # noqa: ARG002 (held-out losses are unknown to it)
        """Ask for nothing."""
        return False

    def see_probe(self, seen: ProbeSeen) -> Choice | None:
        """Learn nothing."""

    def narrow(self, names: Sequence[str]) -> None:
        """Begin a window over these sources."""
        self._open = list(names)
        self._begin_window()

    def arms(self) -> dict[str, dict[str, float]]:
        """Return what each source's weight is made of."""
        pulls = self._pulls()
        found: dict[str, dict[str, float]] = {}
        for name, evidence in self._evidence.items():
            figures = {"pulls": evidence.count, "reward": evidence.mean, "weight": self._weights[name]}
            figures |= {"penalty": self._penalty(name), "bonus": self._bonus(name)}
            if evidence.count:
                figures["score"] = score_of(evidence, pulls=pulls, exploration=self._rules.exploration)
            if name in self._averages:
                figures["average"] = self._averages[name]
            found[name] = figures
        return found

    def state(self) -> dict[str, Any]:
        """Return everything the policy knows."""
        return {
            "version": VERSION,
            "averages": dict(self._averages),
            "evidence": plain_evidence(self._evidence),
            "lifetime": dict(self._lifetime),
            "open": list(self._open),
            "weights": dict(self._weights),
            "left": self._left,
            "dice": plain_state(self._rng),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; raise RunError when it is not such a state."""
        check_policy(state, policy=self.name, version=VERSION)
        try:
            evidence = read_evidence(state["evidence"])
            averages = {
                name: float(state["averages"][name]) for name in self._arms if name in state["averages"]
            }
            weights = {name: float(state["weights"][name]) for name in self._arms}
            lifetime = {name: int(state["lifetime"][name]) for name in self._arms}
            left, still_open = int(state["left"]), [name for name in self._arms if name in state["open"]]
            evidence = {name: evidence[name] for name in self._arms}
            self._rng = revived(state["dice"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(error) from error
        self._averages, self._weights, self._lifetime = averages, weights, lifetime
        self._evidence, self._left, self._open = evidence, left, still_open

    def carry(self, state: Mapping[str, Any], modes: Mapping[str, Mode]) -> None:
        """Take over rewards as evidence that leaves with fresh pulls, and the lifetime pulls as they are.

        Loss averages stay behind: against another model's, the first losses would be all reward or none.
        """
        check_policy(state, policy=self.name, version=VERSION)
        try:
            evidence, lifetime = read_evidence(state["evidence"]), dict(state["lifetime"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(error) from error
        self._evidence |= carried_over(evidence, modes)
        self._lifetime |= {name: lifetime.get(name, 0) for name, mode in modes.items() if mode != "reset"}
        self._begin_window()

    def _pull(self, name: str, loss: float) -> None:
        average = self._averages.get(name, loss)
        self._evidence[name].add(reward_of(average, loss))
        self._averages[name] = moved(average, loss)

    def _begin_window(self) -> None:
        self._left = roll_window(self._rng, self._rules.window)
        focus = self._rules.focus or roll(self._rng)
        tentative = self._tentative()
        chosen = sorted(self._open, key=lambda name: -tentative[name])[:focus]
        self._weights = {
            name: floored(tentative[name] if name in chosen else 0.0, arm.floor)
            for name, arm in self._arms.items()
        }

    def _tentative(self) -> dict[str, float]:
        """Return score over best score, times penalty and bonus."""
        pulls, rate = self._pulls(), self._rules.exploration
        scores = {name: score_of(self._evidence[name], pulls=pulls, exploration=rate) for name in self._open}
        best = max((score for score in scores.values() if math.isfinite(score)), default=0.0)
        relative = {
            name: score / best if math.isfinite(score) and best > 0 else 1.0 for name, score in scores.items()
        }
        return {name: relative[name] * self._penalty(name) * self._bonus(name) for name in self._open}

    def _pulls(self) -> float:
        return sum(evidence.count for evidence in self._evidence.values())

    def _penalty(self, name: str) -> float:
        return epoch_penalty(self._lifetime[name], self._arms[name].rows)

    def _bonus(self, name: str) -> float:
        return coverage_bonus(min(1.0, self._lifetime[name] / self._arms[name].rows))

    def _window_choice(self, step: int) -> Choice:
        focus = sorted(self._open, key=lambda name: -self._weights[name])[:3]
        parts = ", ".join(f"{name} {self._weights[name]:.2f}" for name in focus)
        reason = f"a window of {self._left} steps, heaviest {parts}"
        return Choice(
            step=step, kind="window", reason=reason, shares=self.shares(), evidence={"arms": self.arms()}
        )
