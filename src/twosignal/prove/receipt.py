"""The proof's result: takes checks and ledgers, gives a `Receipt` that opens each run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """All checks and the totals of what the run will train on."""

    checks: tuple[Check, ...]
    ledgers: tuple[Ledger, ...]
    steps: int
    """Planned optimizer steps."""
    seconds: float
    """Time the proof took."""

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
            sentences = [f"{c.id} {c.name} ({c.kind}): {c.message}" for c in self.failures]
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
            "checks": [asdict(check) for check in self.checks],
            "conversations": sum(ledger.conversations for ledger in self.ledgers),
            "documents": sum(ledger.documents for ledger in self.ledgers),
            "tokens": sum(ledger.tokens for ledger in self.ledgers),
            "targets": sum(ledger.targets_kept for ledger in self.ledgers),
            "targets_lost": lost,
            "rows": rows,
            "fill": sum(ledger.fill * ledger.rows for ledger in self.ledgers) / rows if rows else 0.0,
            "steps": self.steps,
            "sources": [asdict(ledger) for ledger in self.ledgers],
        }
        return {**whole, "seconds": round(self.seconds, 3)} if clock else whole


def not_applicable(identity: str, name: str, reason: str) -> Check:
    """Return a check that could not be put, with the reason."""
    return Check(id=identity, name=name, passed=None, message=reason)


def worst(checks: Sequence[Check]) -> Check:
    """Return the first failed check, else the first that passed, else the first."""
    ranked = sorted(checks, key=lambda c: {False: 0, True: 1, None: 2}[c.passed])
    return ranked[0]
