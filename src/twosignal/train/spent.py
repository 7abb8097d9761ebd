"""What the gate's actions have used: takes one action after the other, gives what stays in force and what is left to do.

It is the one part of a run that a roll back does not take back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Actions taken so far."""

    targets: tuple[int, ...] = ()
    """Step that each roll back went back to."""
    rate: float = 1.0
    """Factor on the learning rate, all roll backs together."""
    remixes: int = 0
    """Shares of sources cut."""
    caps: Mapping[str, float] = field(default_factory=dict)
    """Largest share of rows of every source whose share was cut."""

    @property
    def rollbacks(self) -> int:
        """Roll backs so far."""
        return len(self.targets)

    def after_rollback(self, step: int, *, rate: float) -> "Spent":
        """Return what is spent after a roll back to `step` that lowered the learning rate by the factor `rate`."""
        return replace(self, targets=(*self.targets, step), rate=self.rate * rate)

    def after_remix(self, source: str, share: float) -> "Spent":
        """Return what is spent after the share of `source` was capped at `share`."""
        return replace(self, remixes=self.remixes + 1, caps={**self.caps, source: share})

    def state(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "targets": list(self.targets),
            "rate": self.rate,
            "remixes": self.remixes,
            "caps": dict(self.caps),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> "Spent":
        """Take over what `state` returned."""
        return cls(
            targets=tuple(state["targets"]),
            rate=state["rate"],
            remixes=state["remixes"],
            caps=dict(state["caps"]),
        )
