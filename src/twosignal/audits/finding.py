"""What an audit says: takes evidence, gives a `Finding` (one observation) or a `Verdict` (what to do)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["note", "warning", "alarm"]
Kind = Literal["continue", "pivot", "halt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was seen in a run, with its figures."""

    id: str
    """Name of the check, for example `no-targets`; the same for every run."""
    severity: Severity
    """note: worth knowing; warning: look before counting on it; alarm: change something before going on."""
    message: str
    """One sentence with the figures in it."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """The figures by name; plain JSON values."""
    steps: tuple[int, ...] = ()
    """Steps at which it was seen, ascending; at most the first 20."""
    remedy: str = ""
    """What to do about it."""

    def as_dict(self) -> dict[str, object]:
        """Return the finding as plain JSON values."""
        return {
            "id": self.id,
            "severity": self.severity,
            "message": self.message,
            "evidence": dict(self.evidence),
            "steps": list(self.steps),
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What should happen next, and which rule says so."""

    kind: Kind
    """continue: go on; pivot: change something before going on; halt: stop."""
    reason: str
    """One sentence with steps and figures."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """The figures by name; plain JSON values."""
    step: int = 0
    """Step of the sampling or probe that was judged."""
    rule: str = ""
    """Name of the rule that fired; empty when none did."""

    def as_dict(self) -> dict[str, object]:
        """Return the verdict as plain JSON values."""
        return {
            "kind": self.kind,
            "reason": self.reason,
            "evidence": dict(self.evidence),
            "step": self.step,
            "rule": self.rule,
        }
