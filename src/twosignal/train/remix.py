"""Cutting the share of a source: takes the newest texts, gives the cap that the gate puts on the source they come from."""

from dataclasses import dataclass
from typing import Any

from twosignal.audits.blame import Blame, blame
from twosignal.audits.recent import RecentTexts
from twosignal.curriculum.policy import Choice
from twosignal.train.setup import Setup
from twosignal.train.spent import Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Remix:
    """A cap that is to be put on a source."""

    blame: Blame
    before: float
    """Its share of rows now."""
    share: float
    """Its largest share from now on."""
    budget_left: int
    """Remixes left after this one."""

    @property
    def sentence(self) -> str:
        """What is done and why."""
        return (
            f"{self.blame.reason}; {self.blame.source} now gives at most {self.share:.1%} of the rows "
            f"instead of {self.before:.1%}"
        )

    def body(self) -> dict[str, Any]:
        """Return what the record says."""
        return {
            "action": "re-mix",
            "reason": self.sentence,
            "evidence": self.blame.evidence,
            "source": self.blame.source,
            "share": self.share,
            "share_before": self.before,
            "budget_left": self.budget_left,
        }


def plan_remix(setup: Setup, spent: Spent, texts: RecentTexts) -> Remix | None:
    """Return the cap that `texts` call for; None where no source stands out, it is the only one, or the budget is spent."""
    table, shares = setup.config.gate, setup.curriculum.shares
    left = table.remixes - spent.remixes
    drawn = [name for name, share in shares.items() if share > 0]
    found = blame(texts.texts, drawn) if left > 0 and len(drawn) > 1 else None
    if found is None:
        return None
    before = shares[found.source]
    share = max(setup.config.sources[found.source].floor, before * table.remix_share)
    if share >= before:
        return None
    return Remix(blame=found, before=before, share=share, budget_left=left - 1)


def put_cap(setup: Setup, source: str, share: float, *, step: int, reason: str) -> list[Choice]:
    """Hold a source to its largest share, now or when it is opened later; return what that changes, to be recorded."""
    held = setup.curriculum.overrides.get(source)
    if held is not None and held.share <= share:
        return []
    return [setup.curriculum.cap(source, share, step=step, by="gate", reason=reason)]
