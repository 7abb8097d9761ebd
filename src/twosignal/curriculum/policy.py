"""What a curriculum policy is: takes what steps and probes show, gives the shares that the rows of the next step are drawn by.

A policy decides; `curriculum.py` holds it to the floors, caps, phases and epochs that the user set, and records each
choice with its reason. Everything a policy knows is plain data: `state` and `restore`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Shares = dict[str, float]
"""Share of the rows of a step by source; sums to 1."""
Mode = Literal["keep", "decay", "reset"]
"""What becomes of an arm's evidence in another run. keep: it counts, as at most 20 pulls; decay: half as much, half-way
to the mean of all arms; reset: the arm starts as one that was never drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One source, as a policy sees it."""

    name: str
    """Name in the run file."""
    rows: int
    """Rows of one epoch."""
    documents: int
    """Documents or conversations of one epoch."""
    floor: float = 0.0
    """Least share of rows."""
    cap: float = 1.0
    """Largest share of rows."""
    weight: float | None = None
    """The user's own weight, if any."""
    is_chat: bool = False
    """Made of conversations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """What one optimizer step showed."""

    step: int
    """The step."""
    rows: Mapping[str, int]
    """Rows drawn, by source; sources that gave none may be missing."""
    losses: Mapping[str, float]
    """Mean training loss over the drawn targets of each source, nats per target; only sources that had targets."""
    epochs: Mapping[str, float]
    """Epochs of every source drawn so far in the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSeen:
    """Held-out losses at one step."""

    step: int
    """Last step done before the probe."""
    losses: Mapping[str, float]
    """Nats per target, by target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A change of the shares, with its reason."""

    step: int
    """Last step done before the change; the next step's rows are drawn by the new shares."""
    kind: str
    """One word for what caused it: prior, window, phase, credit, epochs, safety, operator, gate, resume."""
    reason: str
    """One sentence with the figures that decided."""
    shares: Mapping[str, float]
    """The shares asked for from here on."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Figures by source, plain data, enough to recompute the choice."""


class Policy(Protocol):
    """Decides the shares of the sources."""

    name: str
    """As in the run file."""

    def shares(self) -> Shares:
        """Return the shares of the next step's rows, before floors and caps."""

    def see_step(self, seen: StepSeen) -> Choice | None:
        """Take in a step; return the choice it led to, if the shares change."""

    def probe_due(self, step: int) -> bool:
        """Return whether the policy wants the targets' held-out losses after `step`."""

    def see_probe(self, seen: ProbeSeen) -> Choice | None:
        """Take in held-out losses that `probe_due` asked for; return the choice they led to, if any."""

    def arms(self) -> dict[str, dict[str, float]]:
        """Return the figures the policy holds of each source, for `bandit.json`: reward, credit, pulls and the like."""

    def state(self) -> dict[str, Any]:
        """Return everything the policy knows as plain JSON values, with its own version number."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; raise RunError when it is not such a state."""


@runtime_checkable
class Narrows(Protocol):
    """A policy that wants to know which sources may be drawn at all."""

    def narrow(self, names: Sequence[str]) -> None:
        """Weigh only these sources from the next step on: the phase, the epochs or the operator closed the others."""


@runtime_checkable
class Carries(Protocol):
    """A policy that can start from what an earlier run learned; others start cold."""

    def carry(self, state: Mapping[str, Any], modes: Mapping[str, Mode]) -> None:
        """Take over an earlier run's `state` of the sources in `modes`, as evidence that fresh pulls push out.

        Raises RunError when the state is not of this policy.
        """
