"""Which sources may be drawn: takes the step, the overrides and what was drawn, gives who is closed and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from twosignal.curriculum.bounds import Bounds
from twosignal.curriculum.limits import Limits, repeat_worth
from twosignal.curriculum.override import Override
from twosignal.curriculum.policy import Arm
from twosignal.curriculum.served import Served

Cause = Literal["retired", "phase", "epochs"]
"""Why a source is closed. retired: its cap is 0; phase: the warmup is not its; epochs: it has been read often enough."""
News = tuple[str, str]
"""Kind and reason of a change, as `Choice` has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Who may be drawn in the next row."""

    closed: Mapping[str, Cause] = field(default_factory=dict)
    """Sources that may not, with the cause."""
    is_starving: bool = False
    """Every source that could be drawn has been read as often as allowed; they are drawn all the same."""
    repeats: Mapping[str, int] = field(default_factory=dict)
    """Whole epochs of the sources whose repetition has stopped paying."""

    def discount(self, name: str) -> float:
        """Return the factor on a source's weight for its repetition."""
        return repeat_worth(self.repeats[name]) if name in self.repeats else 1.0


class Access:
    """Opens and closes the sources of one run."""

    def __init__(self, arms: Sequence[Arm], limits: Limits) -> None:
        self._arms = {arm.name: arm for arm in arms}
        self._limits = limits
        self.epoch_cap = limits.epochs_allowed(arms)
        """Epochs of a source at most; None: no bound."""

    def opening(self) -> Iterator[News]:
        """Say what a run should know before its first step: that its epoch cap cannot be kept."""
        limits, rows = self._limits, sum(arm.rows for arm in self._arms.values())
        if limits.epoch_cap is not None and self.epoch_cap is None and len(self._arms) > 1:
            planned = limits.planned_rows or 0
            yield (
                "epochs",
                f"the run plans {planned:,} rows, {planned / rows:.1f} times all there are: "
                f"the epoch cap of {limits.epoch_cap:g} is off",
            )

    def look(self, step: int, overrides: Mapping[str, Override], served: Served) -> View:
        """Return who may be drawn after `step` steps."""
        closed: dict[str, Cause] = {
            name: "retired" for name in self._arms if self._is_retired(name, overrides)
        }
        if self._limits.is_warmup(step + 1):
            late = set(self._arms) - set(self._limits.warmup_sources) - set(closed)
            closed |= {name: "phase" for name in self._arms if name in late}
        willing = [name for name in self._arms if name not in closed]
        spent = [name for name in willing if self.is_spent(name, served)]
        is_starving = bool(spent) and len(spent) == len(willing)
        if not is_starving:
            closed |= dict.fromkeys(spent, "epochs")
        still_open = [name for name in willing if name not in closed]
        return View(closed=closed, is_starving=is_starving, repeats=self._repeats(still_open, served))

    def bound(self, name: str, override: Override | None) -> tuple[float, float]:
        """Return the least and the largest share of a source while it is open."""
        arm = self._arms[name]
        low = arm.floor if self._limits.floors == "share" else 0.0
        return override.bounds(low, arm.cap) if override else (low, arm.cap)

    def bounds(self, view: View, overrides: Mapping[str, Override]) -> Bounds:
        """Return the bounds of every source; a closed one gets nothing."""
        return {
            name: (0.0, 0.0) if name in view.closed else self.bound(name, overrides.get(name))
            for name in self._arms
        }

    def is_spent(self, name: str, served: Served) -> bool:
        """Return whether one more row would take the source past the epoch cap."""
        rows = self._arms[name].rows
        return self.epoch_cap is not None and served.epochs(name) + 1 / rows > self.epoch_cap + 1e-9

    def news(self, before: View, after: View, served: Served) -> Iterator[News]:
        """Say what changed between two views, one sentence each."""
        phase = [name for name in self._arms if after.closed.get(name) == "phase"]
        if phase and "phase" not in before.closed.values():
            sources = ", ".join(self._limits.warmup_sources)
            yield "phase", f"warmup: only {sources} until step {self._limits.warmup_steps}"
        opened = [name for name in self._arms if before.closed.get(name) == "phase" and name not in phase]
        if opened:
            names = ", ".join(opened)
            yield "phase", f"the warmup of {self._limits.warmup_steps} steps is over: {names} may be drawn"
        for name in self._arms:
            yield from self._epoch_news(name, before, after, epochs=served.epochs(name))
        if after.is_starving and not before.is_starving:
            yield "epochs", self._starvation(after, served)

    def _epoch_news(self, name: str, before: View, after: View, *, epochs: float) -> Iterator[News]:
        if after.closed.get(name) == "epochs" and before.closed.get(name) != "epochs":
            yield "epochs", f"{name} has been read {epochs:.2f} times; the epoch cap is {self.epoch_cap:g}"
        whole = after.repeats.get(name)
        if whole is not None and before.repeats.get(name) != whole:
            worth = repeat_worth(whole)
            yield "epochs", f"{name} has been read {whole} times: its rows weigh {worth:.2f} of fresh ones"

    def _starvation(self, view: View, served: Served) -> str:
        names = [name for name in self._arms if name not in view.closed]
        least = min(served.epochs(name) for name in names)
        return (
            f"data starvation: every source that may be drawn ({', '.join(names)}) has been read {least:.2f} times or more, "
            f"the epoch cap is {self.epoch_cap:g}; from here on they are drawn by their size"
        )

    def _is_retired(self, name: str, overrides: Mapping[str, Override]) -> bool:
        return self.bound(name, overrides.get(name))[1] == 0

    def _repeats(self, names: Sequence[str], served: Served) -> dict[str, int]:
        """Return the sources read so often that repetition no longer pays, and a whole epoch more than the freshest."""
        epochs = {name: served.epochs(name) for name in names}
        least = min(epochs.values(), default=0.0)
        return {
            name: int(count)
            for name, count in epochs.items()
            if count >= self._limits.paying_epochs and count - least >= 1
        }
