"""The proof's result: takes checks and ledgers, gives a `Receipt` that opens each run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from twosignal.errors import RefusedError
from twosignal.packs.prepare import Ledger

Kind = Literal[
    "no-targets",
    "wrong-targets",
    "non-finite",
    "leak",
    "lost-data",
    "duplicated-data",
    "unstable-rendering",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question that was put to the data or the model, and its answer."""

    id: str
    """S1 to S9 need no model, P1 to P6 run on the real one."""
    name: str
    """What is checked, in a few words."""
    passed: bool | None
    """None: not applicable, with the reason in `message`."""
    message: str
    """What was found, as a sentence."""
    kind: Kind | None = None
    """The kind of fault, when not passed."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """The figures behind the message."""
    remedy: str = ""
    """What to do about it."""
    seconds: float = 0.0
    """Time the check took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """All checks and the totals of what the run will train on."""

    checks: tuple[Check, ...]
    ledgers: tuple[Ledger, ...]
    steps: int
    """Planned optimizer steps."""
    seconds: float
    """Time the proof took."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the run trains on and with: hashes, attention, precision, the way from records to steps, drawn examples."""
    run_seconds: float | None = None
    """Time the planned run will take: its hours, or an estimate from the proof's own passes."""

    @property
    def cost(self) -> str:
        """Return what the proof cost, as a sentence."""
        whole = f"proof: {self.seconds:.1f} s"
        if not self.run_seconds:
            return whole
        share = self.seconds / self.run_seconds
        return (
            f"{whole}, about {share:.2%} of the planned run"
            if share < 1
            else f"{whole}, longer than the planned run"
        )

    @property
    def predicted_loss(self) -> float | None:
        """Return the loss that P3 measured before any step, in nats per target; None where it did not run."""
        return next((check.evidence.get("mean") for check in self.checks if check.id == "P3"), None)

    @property
    def failures(self) -> tuple[Check, ...]:
        """Return the checks that found a fault."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def passed(self) -> bool:
        """Return whether no check found a fault."""
        return not self.failures

    def raise_if_refused(self) -> None:
        """Raise RefusedError naming every fault, its evidence and its remedy."""
        if self.failures:
            first = self.failures[0]
            sentences = [
                f"{c.id} {c.name}{f' ({c.kind})' if c.kind else ''}: {c.message}" for c in self.failures
            ]
            raise RefusedError("the proof refuses to start: " + "; ".join(sentences), remedy=first.remedy)

    def as_dict(self, *, clock: bool = True) -> dict[str, Any]:
        """Return the receipt as plain values; without the clock it is the same for the same inputs."""
        lost: dict[str, int] = {}
        for ledger in self.ledgers:
            for cause, count in ledger.targets_lost.items():
                lost[cause] = lost.get(cause, 0) + count
        rows = sum(ledger.rows for ledger in self.ledgers)
        whole = {
            "passed": self.passed,
            "checks": [_plain(check, clock=clock) for check in self.checks],
            "conversations": sum(ledger.conversations for ledger in self.ledgers),
            "documents": sum(ledger.documents for ledger in self.ledgers),
            "tokens": sum(ledger.tokens for ledger in self.ledgers),
            "targets": sum(ledger.targets_kept for ledger in self.ledgers),
            "targets_lost": lost,
            "rows": rows,
            "fill": sum(ledger.fill * ledger.rows for ledger in self.ledgers) / rows if rows else 0.0,
            "steps": self.steps,
            "sources": [asdict(ledger) for ledger in self.ledgers],
            "predicted_loss": self.predicted_loss,
            **self.facts,
        }
        if not clock:
            return whole
        share = self.seconds / self.run_seconds if self.run_seconds else None
        return {**whole, "seconds": round(self.seconds, 3), "share_of_run": share}


def _plain(check: Check, *, clock: bool) -> dict[str, Any]:
    values = asdict(check)
    seconds = values.pop("seconds")
    return {**values, "seconds": round(seconds, 3)} if clock else values


def not_applicable(identity: str, name: str, reason: str) -> Check:
    """Return a check that could not be put, with the reason."""
    return Check(id=identity, name=name, passed=None, message=reason)


def merged(found: Mapping[str, Check]) -> Check:
    """Return the answers about several sources as one: a fault if there is one, else all messages."""
    first = worst(list(found.values()))
    asked = {name: check for name, check in found.items() if check.passed is not None}
    if not first.passed or len(asked) < 2:
        return first
    message = "; ".join(f"{name}: {check.message}" for name, check in asked.items())
    return replace(first, message=message, evidence={name: check.evidence for name, check in asked.items()})


def combined(parts: Sequence[Check]) -> Check:
    """Return the parts of one check as one: a fault if there is one, else all messages and figures."""
    first = worst(parts)
    asked = [part for part in parts if part.passed is not None]
    if not first.passed or len(asked) < 2:
        return first
    evidence: dict[str, Any] = {}
    for part in asked:
        evidence |= part.evidence
    return replace(first, message="; ".join(part.message for part in asked), evidence=evidence)


def worst(checks: Sequence[Check]) -> Check:
    """Return the first failed check, else the first that passed, else the first."""
    ranked = sorted(checks, key=lambda c: {False: 0, True: 1, None: 2}[c.passed])
    return ranked[0]
