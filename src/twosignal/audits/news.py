"""What has not been said yet: takes the findings on a run as they stand, gives those that are new since the last look.

The curve of the loss is read in stretches that grow by a twentieth (see `diagnosis.py`), so there is no use in looking
oftener: a run of 200,000 steps is looked at some 200 times, whatever the samples' cadence.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twosignal.audits.diagnosis import GROWTH
from twosignal.audits.finding import Finding

AGAIN = 1.5
"""A finding that goes on is told again when its last step has grown by half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What has been told."""

    looked: int = 0
    """Step of the last look."""
    told: Mapping[str, int] = field(default_factory=dict)
    """Last step of what was told, by what it was told of."""

    def is_due(self, step: int) -> bool:
        """Return whether a stretch of the curve has ended since the last look."""
        return _stretch(step) > _stretch(self.looked)

    def after(self, step: int, findings: Iterable[Finding]) -> tuple["News", tuple[Finding, ...]]:
        """Return the news one look later, and the findings that were not told before."""
        told, new = dict(self.told), []
        for finding in findings:
            key, last = _key(finding), max(finding.steps, default=step)
            if last >= AGAIN * told.get(key, 0):
                told[key] = last
                new.append(finding)
        return News(looked=step, told=told), tuple(new)

    def state(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"looked": self.looked, "told": dict(self.told)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> "News":
        """Take over what `state` returned."""
        return cls(looked=state["looked"], told=dict(state["told"]))


def _key(finding: Finding) -> str:
    """Return what a finding is of: its check, and the source where it has one."""
    return f"{finding.id} {finding.evidence.get('source', '')}".strip()


def _stretch(step: int) -> int:
    return math.floor(math.log(step) / math.log(GROWTH) + 1e-9) if step > 0 else -1
