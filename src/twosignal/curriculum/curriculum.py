"""The curriculum of a run: takes a policy's wishes, gives the source of every row, within what the user allowed.

    policy's shares -> closed sources out (phase, epochs, retired) -> repetition discounted -> floors, caps, overrides -> rows

Every change is a `Choice` with its reason. Nothing here knows how a policy decides; everything is plain data.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from twosignal.curriculum.access import Access, News, View
from twosignal.curriculum.bounds import fit, relaxed
from twosignal.curriculum.limits import Limits
from twosignal.curriculum.mixture import Mixer
from twosignal.curriculum.override import By, Override
from twosignal.curriculum.policy import Arm, Choice, Narrows, Policy, ProbeSeen, Shares, StepSeen
from twosignal.curriculum.saved import VERSION, Origin, check_saved, damaged
from twosignal.curriculum.served import Served
from twosignal.curriculum.still import row_shares
from twosignal.errors import InputError

CHOICES_KEPT = 200
"""Newest choices in the report and in the state."""

ADRIFT = "asks for shares that are none: the rows are drawn by their size until it asks for some"
"""What is said of a policy whose shares are no numbers, negative, or not of the run's sources."""


class Curriculum:
    """Holds a policy to floors, caps, phases and epochs, and serves the rows by what comes out."""

    def __init__(
        self,
        arms: Sequence[Arm],
        policy: Policy,
        *,
        limits: Limits | None = None,
        origin: Origin | None = None,
    ) -> None:
        """Start a curriculum; raise ConfigError when the limits cannot all be kept."""
        self.limits = limits or Limits()
        self.limits.check(arms)
        self.arms = {arm.name: arm for arm in arms}
        self.policy = policy
        self.origin = origin or Origin()
        """Run and run file; a state is taken back by the same origin only."""
        self.base = row_shares(arms)
        """Shares by rows: what a run without any opinion draws."""
        self.step = 0
        """Last step done."""
        self.served = Served(arms)
        self.overrides: dict[str, Override] = {}
        self.choices: list[Choice] = []
        """Newest first, at most `CHOICES_KEPT`, without their evidence, which the record has."""
        self._unsaid: list[Choice] = []
        self._access = Access(arms, self.limits)
        self._view = View()
        self._mixer = Mixer(self.base)
        self._step_source: str | None = None
        self._is_adrift = False
        self._unsaid += self._settle(news=self._access.opening())

    @property
    def shares(self) -> Shares:
        """Shares in force for the next row; they sum to 1."""
        return dict(self._mixer.shares)

    def choose(self) -> str:
        """Return the source of the next row: after any number of rows each has had its share, to within a row or so."""
        name = self._step_source or self._mixer.choose()
        self.served.draw(name, self._mixer.shares)
        self._step_source = name if self.limits.pull == "step" else None
        if self._access.is_spent(name, self.served) and not self._view.is_starving:
            self._step_source = None
            self._unsaid += self._settle()
        return name

    def see_step(self, seen: StepSeen) -> list[Choice]:
        """Take in a step; return the choices made since the last call, to be recorded."""
        self.step, self._step_source = seen.step, None
        seen = replace(seen, losses=_finite(seen.losses))
        self.served.losses |= seen.losses
        if self.limits.pull == "step":
            self.served.pull_rows = max(self.served.pull_rows, sum(seen.rows.values()))
        self.served.counted |= {name: seen.epochs[name] for name in self.arms if name in seen.epochs}
        return self._said(self._settle(self.policy.see_step(seen)))

    def probe_due(self, step: int) -> bool:
        """Return whether the policy wants the targets' held-out losses after `step`."""
        return self.policy.probe_due(step)

    def see_probe(self, seen: ProbeSeen) -> list[Choice]:
        """Take in held-out losses; return the choices made since the last call, to be recorded."""
        seen = replace(seen, losses=_finite(seen.losses))
        self.served.probes |= seen.losses
        return self._said(self._settle(self.policy.see_probe(seen)))

    def cap(self, name: str, share: float, *, step: int, by: By, reason: str) -> Choice:
        """Let a source have at most `share` of the rows from here on; 0 retires it.

        An act that would leave no source to draw is not done, and its choice says so. Floors and caps of other sources
        give way where they have to. Raises InputError on an unknown source or a share outside 0 to 1.
        """
        return self._act(name, Override(kind="cap", share=share, by=by, step=step, reason=reason))

    def set_share(self, name: str, share: float, *, step: int, by: By, reason: str) -> Choice:
        """Give a source exactly `share` of the rows from here on, whatever the policy says; 0 retires it. Else as `cap`."""
        return self._act(name, Override(kind="share", share=share, by=by, step=step, reason=reason))

    def release(self, name: str, *, step: int, by: By, reason: str) -> Choice:
        """Take back what the operator and the gate set for a source: the run file's floor and cap hold again."""
        self._known(name)
        self.overrides.pop(name, None)
        return self._acted(Choice(step=step, kind=by, reason=f"{name} is released: {reason}", shares={}))

    def note(self, kind: str, reason: str, evidence: Mapping[str, Any]) -> Choice:
        """Put into force what was changed from outside, an earlier run's evidence for one; return the choice to be recorded."""
        return self._acted(Choice(step=self.step, kind=kind, reason=reason, shares={}, evidence=evidence))

    def report(self) -> dict[str, Any]:
        """Return the body of `bandit.json`, without run and step."""
        figures = self.policy.arms()
        return {
            "policy": self.policy.name,
            "shares": self.shares,
            "base": dict(self.base),
            "target": dict(getattr(self.policy, "target", {})),
            "arms": {name: figures.get(name, {}) | self._figures(name) for name in self.arms},
            "epoch_cap": self._access.epoch_cap,
            "pull_rows": self.served.pull_rows,
            "starving": self._view.is_starving,
            "choices": [_brief(choice) for choice in self.choices],
        }

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on, as plain JSON values."""
        return {
            "version": VERSION,
            "origin": self.origin.as_dict(),
            "step": self.step,
            "shares": self.shares,
            "credit": dict(self._mixer.credit),
            "step_source": self._step_source,
            "adrift": self._is_adrift,
            "policy": {"name": self.policy.name, "state": self.policy.state()},
            "served": self.served.state(),
            "overrides": {name: override.as_dict() for name, override in self.overrides.items()},
            "view": asdict(self._view),
            "choices": [asdict(choice) for choice in self.choices],
            "unsaid": [asdict(choice) for choice in self._unsaid],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on bit for bit from what `state` returned.

        Raises RunError, naming source, weight and run, when it is not this run's.
        """
        check_saved(state, list(self.arms.values()), origin=self.origin, policy=self.policy.name)
        try:
            served, mixer = Served(list(self.arms.values())), Mixer(self.base)
            served.restore(state["served"])
            mixer.turn(state["shares"])
            mixer.restore(state["credit"])
            overrides = {name: Override(**fields) for name, fields in state["overrides"].items()}
            view = View(**state["view"])
            choices = [Choice(**fields) for fields in state["choices"]]
            unsaid = [Choice(**fields) for fields in state["unsaid"]]
            step, step_source, adrift = int(state["step"]), state["step_source"], bool(state["adrift"])
            wishes = state["policy"]["state"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(error) from error
        self.policy.restore(wishes)
        self.step, self.served, self.overrides, self._mixer = step, served, overrides, mixer
        self.choices, self._unsaid = choices, unsaid
        self._view, self._step_source, self._is_adrift = view, step_source, adrift

    def _act(self, name: str, override: Override) -> Choice:
        self._known(name)
        if not 0 <= override.share <= 1:
            message = f"a share for source {name} must be a number from 0 to 1"
            raise InputError(message, found=f"{override.share:g}")
        override = override.after(self.overrides.get(name))
        wanted = self.overrides | {name: override}
        reason = f"{name} is {override.wish()}: {override.reason}"
        if self._leaves_nobody(wanted):
            reason = f"not done, no source would be left to draw: {reason}"
        else:
            self.overrides = wanted
        done = self._acted(Choice(step=override.step, kind=override.by, reason=reason, shares={}))
        shortfall = override.shortfall(self._mixer.shares[name], closed=self._view.closed.get(name))
        if shortfall and self.overrides is wanted:
            done = replace(done, reason=f"{done.reason} ({shortfall})")
            self.choices[0] = replace(done, evidence={})
        return done

    def _leaves_nobody(self, overrides: Mapping[str, Override]) -> bool:
        return len(self._access.look(self.step, overrides, self.served).closed) == len(self.arms)

    def _known(self, name: str) -> None:
        if name not in self.arms:
            message = f"the run has no source {name}"
            raise InputError(message, expected=f"one of {', '.join(self.arms)}")

    def _acted(self, act: Choice) -> Choice:
        """Put an act into force; return its choice, and keep what it led to for the next step's record."""
        *led_to, done = self._settle(act)
        self._unsaid += led_to
        return done

    def _settle(self, choice: Choice | None = None, *, news: Iterable[News] = ()) -> list[Choice]:
        """Put shares into force that fit all that is known now; return what changed, `choice` last."""
        view = self._access.look(self.step, self.overrides, self.served)
        news = [*news, *self._access.news(self._view, view, self.served)]
        if set(view.closed) != set(self._view.closed) and isinstance(self.policy, Narrows):
            self.policy.narrow([name for name in self.arms if name not in view.closed])
        self._view = view
        asked = self.policy.shares()
        was_adrift, self._is_adrift = self._is_adrift, not _is_sane(asked, self.arms)
        if self._is_adrift:
            asked = self.base
            news += [] if was_adrift else [("safety", f"policy {self.policy.name} {ADRIFT}")]
        self._mixer.turn(self._in_force(asked))
        made = [Choice(step=self.step, kind=kind, reason=reason, shares={}) for kind, reason in news]
        made += [choice] if choice else []
        made = [replace(one, shares=self.shares, evidence={**one.evidence, "asked": asked}) for one in made]
        told = [replace(one, evidence={}) for one in reversed(made)]
        self.choices = [*told, *self.choices][:CHOICES_KEPT]
        return made

    def _in_force(self, asked: Shares) -> Shares:
        closed = self._view.closed
        spare = {name: 0.0 if name in closed else share for name, share in self.base.items()}
        weights = {
            name: 0.0 if name in closed else asked[name] * self._view.discount(name) for name in self.arms
        }
        if self._view.is_starving or not any(weights.values()):
            weights = spare
        bounds = self._access.bounds(self._view, self.overrides)
        return fit(weights, relaxed(bounds, firm=self.overrides), spare=spare)

    def _said(self, made: list[Choice]) -> list[Choice]:
        made, self._unsaid = [*self._unsaid, *made], []
        return made

    def _figures(self, name: str) -> dict[str, Any]:
        arm, override = self.arms[name], self.overrides.get(name)
        low, high = self._access.bound(name, override)
        return {
            "share": self._mixer.shares[name],
            "floor": low,
            "cap": high,
            "rows": arm.rows,
            "documents": arm.documents,
            "drawn": self.served.drawn[name],
            "owed": self.served.owed[name],
            "epochs": self.served.epochs(name),
            "coverage": self.served.coverage(name),
            "loss": self.served.losses.get(name),
            "probe": self.served.probes.get(name),
            "closed": self._view.closed.get(name),
            "override": override.as_dict() if override else None,
        }


def _finite(losses: Mapping[str, float]) -> dict[str, float]:
    """Leave out losses that are no numbers: they are the monitors' matter and no policy's evidence."""
    return {name: loss for name, loss in losses.items() if math.isfinite(loss)}


def _is_sane(shares: Shares, names: Collection[str]) -> bool:
    is_weight = all(math.isfinite(share) and share >= 0 for share in shares.values())
    return set(shares) == set(names) and is_weight and sum(shares.values()) > 0


def _brief(choice: Choice) -> dict[str, Any]:
    return {"step": choice.step, "kind": choice.kind, "reason": choice.reason, "shares": dict(choice.shares)}
