"""Bounds set while the run goes on: takes the acts of operator and gate, gives what holds instead of the run file."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from twosignal.curriculum.limits import ROUNDING

By = Literal["operator", "gate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One source's bounds, set while the run goes on; a new one replaces it."""

    kind: Literal["cap", "share"]
    """cap: at most `share`; share: exactly `share`."""
    share: float
    """Share of the rows; 0 retires the source."""
    by: By
    """Who set it."""
    step: int
    """Last step done before it."""
    reason: str
    """Why, in the words of who set it."""

    def bounds(self, low: float, high: float) -> tuple[float, float]:
        """Return the bounds that hold instead of the run file's `low` and `high`."""
        if self.kind == "share":
            return self.share, self.share
        return min(low, self.share), min(high, self.share)

    def after(self, earlier: "Override | None") -> "Override":
        """Return what holds after `earlier`: the gate tightens what the operator set and never loosens it."""
        if earlier is None or self.by == "operator":
            return self
        return replace(self, kind=earlier.kind, share=min(earlier.share, self.share))

    def wish(self) -> str:
        """Return what was asked for, as the end of a sentence."""
        return f"{'capped at' if self.kind == 'cap' else 'set to'} {self.share:.1%} of the rows"

    def shortfall(self, share: float, *, closed: str | None) -> str:
        """Say how far the share in force is from what was asked for, and why; empty when it is just that."""
        if abs(share - self.share) <= ROUNDING or (self.kind == "cap" and share < self.share):
            return ""
        why = "the shares set for other sources leave no more"
        if closed:
            why = f"the source is closed: {closed}"
        elif share > self.share:
            why = "the other sources may not take the rest"
        return f"in force: {share:.1%}, {why}"

    def as_dict(self) -> dict[str, Any]:
        """Return the override as plain JSON values."""
        return asdict(self)
