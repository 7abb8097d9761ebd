"""The default policy: takes a prior mix and held-out losses, gives shares that follow what each source does to the target.

The mix begins at the prior (`prior.py`), keeps a small part of the proportional mix, and plans the whole run so that no
source is repeated past the epochs that pay. A trial against the proportional mix (`trial.py`) gives up a prior that does
harm. Windows of a few steps then draw by small opposite tilts of the mix, and the credit of each source (`credit.py`) moves
it by mirror descent, within a factor of where it began and no faster than the doubt allows. Where the proportional mix is
credited with more than the mix in force, beyond doubt, the mix moves to it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from twosignal.curriculum.bandit_plan import Plan
from twosignal.curriculum.credit import Credit, signs, told
from twosignal.curriculum.policy import Arm, Choice, Mode, ProbeSeen, Shares, StepSeen
from twosignal.curriculum.prior import Prior
from twosignal.curriculum.saved import check_policy, damaged
from twosignal.curriculum.still import normal, row_shares
from twosignal.curriculum.trial import Trial

VERSION = 2
"""Of the state and of what the figures in it mean."""
KEPT = 0.02
"""Part of every mix that is proportional: what shows that a source left out by the prior has become useful."""
RATE = 0.1
"""Step of the mirror descent, per pair of windows and per standard error beyond doubt."""
FADE = 0.95
"""What is left of a tilt after a pair that says nothing: chance does not add up."""
DOUBT = 1.0
"""Standard errors within which credit is no credit."""
MOST_SURE = 2.0
"""Standard errors beyond doubt that count."""
AGAINST_EVEN = 4
"""Every so manieth pair leans towards the proportional mix and away from it, to see which is better."""
REACH = math.log(4)
"""A source's share stays within a factor of four of its prior share, whatever the evidence."""
RETREAT = 0.5
"""Part of the way to the proportional mix that one pair of windows takes when it is better beyond doubt."""
RETREAT_DOUBT = 1.5
"""Standard errors by which the proportional mix must be better."""

BY_SOURCE = ("prior", "tilt", "drawn", "window", "mix")
"""Parts of the state that hold one number per source."""


class Bandit:
    """Rows by what sources do to the target.

    A prior that does harm is given up early: wrong on purpose, it ended within 0.021 nats of the proportional mix in 10 of 11
    runs of 500 steps, and 0.164 above it in one whose two rows of held-out text did not stand for the target. Without a
    trial (`trial_for`) the prior is trusted, and nothing bounds what a wrong one does.
    """

    name = "bandit"

    def __init__(self, arms: Sequence[Arm], *, prior: Prior | None, plan: Plan) -> None:
        """Start at the prior; without one at the proportional mix."""
        self.target = normal(plan.targets)
        """Weight of each target."""
        self.plan = plan
        self._arms = tuple(arms)
        self._even = row_shares(arms)
        opinion = {name: prior.shares.get(name, 0.0) for name in self._even} if prior else {}
        self._prior = normal(opinion) if any(opinion.values()) else dict(self._even)
        self._opening = (
            prior.reason() if prior else "the mix begins by size: there is no text to judge the sources by"
        )
        self._open = sorted(self._even)
        """Sources that may be drawn."""
        self._trial = Trial(self.target, plan.trial if prior else 0)
        self._credit = Credit([arm.name for arm in arms], self.target)
        self._tilt = dict.fromkeys(self._even, 0.0)
        self._retreat = 0.0
        self._pair = 0
        self._first: dict[str, dict[str, float]] = {}
        """What the first window of the pair showed; empty while it runs."""
        self._before: dict[str, float] = {}
        """The targets' losses when the window began."""
        self._drawn = dict.fromkeys(self._even, 0)
        self._window = dict.fromkeys(self._even, 0)
        """Rows drawn in the run, and since the window began."""
        self._began = 0
        """Rows of the run when the pair began."""
        self._mix = self._planned()

    def shares(self) -> Shares:
        """Return the shares of the window in force: of the trial, then of the mix tilted one way and the other."""
        if self._trial.is_open:
            return dict(self._even if self._trial.turn == "rows" else self._mix)
        turn = self.plan.swing(self._began) * (-1 if self._first else 1)
        lean = self._lean()
        return normal({name: share * (1 + turn * lean[name]) for name, share in self._mix.items()})

    def see_step(self, seen: StepSeen) -> Choice | None:
        """Count the rows; the first step brings the reason of the opening mix."""
        is_first = not any(self._drawn.values())
        for name, rows in seen.rows.items():
            self._drawn[name] += rows
            self._window[name] += rows
        self._trial.pass_step(seen.step)
        return self._choice(seen.step, "prior", self._opening) if is_first else None

    def probe_due(self, step: int) -> bool:
        """Return whether a window ends with `step`."""
        if self._trial.is_open:
            return step == self._trial.due
        beyond = step - self._trial.last_step
        return beyond > 0 and beyond % self.plan.window == 0 and self.plan.swing(self._began) > 0

    def see_probe(self, seen: ProbeSeen) -> Choice | None:
        """End a window; after the second of a pair, move the mix.

        A reading that lacks a target, or comes at another step, ends no window: the pair begins anew.
        """
        return self._try(seen) if self._trial.is_open else self._end_window(seen)

    def _end_window(self, seen: ProbeSeen) -> Choice | None:
        before, drawn, is_second = self._before, self._window, bool(self._first)
        is_whole = self.probe_due(seen.step) and all(seen.losses.get(name, 0.0) > 0 for name in self.target)
        self._before = {name: seen.losses[name] for name in self.target} if is_whole else {}
        self._window = dict.fromkeys(self._even, 0)
        if not (is_whole and before and any(drawn.values())):
            self._first = {}
            reason = f"pair {self._pair + 1} begins anew: a reading was not whole"
            return self._choice(seen.step, "window", reason) if is_second else None
        improved = {name: 1 - self._before[name] / loss for name, loss in before.items()}
        window = {"drawn": normal(drawn), "improved": improved}
        if not is_second:
            self._first = window
            return self._choice(seen.step, "window", f"pair {self._pair + 1}, the other way round")
        self._credit.learn(*(_differences(self._first[key], window[key]) for key in ("drawn", "improved")))
        self._first = {}
        self._pair += 1
        return self._move(seen.step)

    def arms(self) -> dict[str, dict[str, float]]:
        """Return each source's prior and mix, its credit over the mix and the standard error, and the tilt that came of it."""
        figures = self._credit.advantages(self._mix)
        return {
            name: {
                "prior": self._prior[name],
                "mix": self._mix[name],
                "credit": figures[name][0],
                "error": figures[name][1],
                "tilt": self._tilt[name],
            }
            for name in self._mix
        }

    def state(self) -> dict[str, Any]:
        """Return everything the policy knows as plain JSON values."""
        return {
            "version": VERSION,
            "credit": self._credit.state(),
            "open": list(self._open),
            "trial": self._trial.state(),
            "retreat": self._retreat,
            "pair": self._pair,
            "began": self._began,
            "first": self._first,
            "before": dict(self._before),
        } | {name: dict(getattr(self, f"_{name}")) for name in BY_SOURCE}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; raise RunError when it is not such a state."""
        check_policy(state, policy=self.name, version=VERSION)
        try:
            figures = {kind: {name: state[kind][name] for name in self._even} for kind in BY_SOURCE}
            self._credit.restore(state["credit"])
            self._trial.restore(state["trial"])
            self._open = sorted(state["open"])
            self._retreat = float(state["retreat"])
            self._pair, self._began = int(state["pair"]), int(state["began"])
            self._first, self._before = dict(state["first"]), dict(state["before"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(error) from error
        for kind, values in figures.items():
            setattr(self, f"_{kind}", values)

    def carry(self, state: Mapping[str, Any], modes: Mapping[str, Mode]) -> None:
        """Take over how far another run had moved each source: whole, by half, or not at all.

        Prior and evidence stay behind: they were of other data and another network. What comes along keeps a source within
        the same factor of this run's own prior, so that a stale one cannot take the mix.
        """
        check_policy(state, policy=self.name, version=VERSION)
        try:
            tilt = {name: float(state["tilt"].get(name, 0.0)) for name in self._even}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(error) from error
        parts = {"keep": 1.0, "decay": 0.5, "reset": 0.0}
        for name, carried in tilt.items():
            self._tilt[name] = _held(parts[modes.get(name, "reset")] * carried)
        self._mix = self._planned()

    def narrow(self, names: Sequence[str]) -> None:
        """Try the prior anew when sources become free to be drawn, as at the end of a warmup phase."""
        is_wider, self._open = bool(set(names) - set(self._open)), sorted(names)
        if is_wider and self._prior != self._even:
            self._trial.restart()
            self._first, self._before = {}, {}

    def _try(self, seen: ProbeSeen) -> Choice:
        """Take in a reading of the trial; after the last one, give up a prior that lost."""
        if not self._trial.read(seen.step, seen.losses):
            return self._choice(seen.step, "window", self._trial.told())
        is_lost = self._trial.better() == "rows"
        if is_lost:
            self._prior = dict(self._even)
        self._before, self._window = dict(self._trial.readings[-1]), dict.fromkeys(self._even, 0)
        self._began = sum(self._drawn.values())
        self._mix = self._planned()
        return self._choice(seen.step, "safety" if is_lost else "window", self._trial.told())

    def _lean(self) -> dict[str, float]:
        """Return how far each source is raised in the first window of the pair, in tilts; -1 to 1."""
        if self._pair % AGAINST_EVEN == 0:
            return {
                name: min(1.0, self._even[name] / share - 1) if share else 0.0
                for name, share in self._mix.items()
            }
        return dict(zip(self._mix, signs(self._pair, len(self._mix)), strict=True))

    def _move(self, step: int) -> Choice:
        figures = self._credit.advantages(self._mix)
        for name, (credit, error) in figures.items():
            beyond = min(MOST_SURE, max(0.0, abs(credit) / error - DOUBT)) if error else 0.0
            self._tilt[name] = _held(FADE * self._tilt[name] + RATE * math.copysign(beyond, credit))
        better, error = self._credit.contrast(self._even, self._mix)
        retreats = better > RETREAT_DOUBT * error
        self._retreat += RETREAT * ((1 if retreats else 0) - self._retreat) if retreats or better < 0 else 0.0
        self._began = sum(self._drawn.values())
        self._mix = self._planned()
        if not retreats:
            return self._choice(step, "credit", f"pair {self._pair}: {told(figures, doubt=DOUBT)}")
        reason = f"the mix by rows does more for the target than the mix in force ({better / error:.1f} standard errors)"
        return self._choice(step, "safety", f"{reason}: {self._retreat:.0%} of the way to it")

    def _choice(self, step: int, kind: str, reason: str) -> Choice:
        evidence = {"mix": dict(self._mix), "tilt": dict(self._tilt), "pair": self._pair, "arms": self.arms()}
        return Choice(step=step, kind=kind, reason=reason, shares=self.shares(), evidence=evidence)

    def _planned(self) -> Shares:
        moved = normal({name: share * math.exp(self._tilt[name]) for name, share in self._prior.items()})
        kept = KEPT + (1 - KEPT) * self._retreat
        wanted = {name: (1 - kept) * share + kept * self._even[name] for name, share in moved.items()}
        return self.plan.within_epochs(wanted, self._arms, self._drawn)


def _held(tilt: float) -> float:
    return min(REACH, max(-REACH, tilt)) if math.isfinite(tilt) else 0.0


def _differences(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one[name] - other[name] for name in one}
