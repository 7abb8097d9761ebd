"""The newest texts of a run: takes the bodies of one sampling after the other, gives what the gate's actions need of them.

Kept as plain data in every checkpoint, so a text is cut to its opening and a copy to its longest passages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twosignal.audits.copying.findings import copy_findings, is_copied
from twosignal.audits.degeneration import score_texts
from twosignal.audits.recorded import Body, Sample, read_sample
from twosignal.audits.sampling import opening

SAMPLINGS = 5
"""Samplings that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentText:
    """What is remembered of one text."""

    step: int
    source: str
    """Source of its prompt."""
    is_degenerate: bool | None
    """What the scorer said; None where there was too little text."""
    loss: float | None
    opening: str
    copied: Body | None
    """What the copy index said of it, as recorded."""

    def as_sample(self) -> Sample:
        """Return it as the audits read samples; its text is only the opening."""
        return Sample(
            step=self.step, text=self.opening, loss=self.loss, source=self.source, copied=self.copied
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentTexts:
    """The texts of the newest samplings, oldest first."""

    texts: tuple[RecentText, ...] = ()

    def after(self, step: int, bodies: Sequence[Body]) -> "RecentTexts":
        """Return the texts one sampling later; `bodies` are as recorded."""
        samples = [read_sample(step, body) for body in bodies]
        scores = score_texts([one.text for one in samples], [one.prompt for one in samples])
        new = tuple(
            RecentText(
                step=step,
                source=one.source,
                is_degenerate=score.degenerate,
                loss=one.loss,
                opening=opening(one.text),
                copied=one.copied,
            )
            for one, score in zip(samples, scores, strict=True)
        )
        steps = sorted({one.step for one in (*self.texts, *new)})[-SAMPLINGS:]
        return RecentTexts(texts=tuple(one for one in (*self.texts, *new) if one.step in steps))

    @property
    def has_degenerate(self) -> bool:
        """Return whether more than half of the newest sampling's judged texts are degenerate."""
        newest = self.texts[-1].step if self.texts else None
        judged = [
            one.is_degenerate for one in self.texts if one.step == newest and one.is_degenerate is not None
        ]
        return 2 * sum(judged) > len(judged)

    @property
    def copied(self) -> "RecentTexts":
        """The texts that are copies, where they are many enough for an alarm; else none."""
        findings = copy_findings([one.as_sample() for one in self.texts])
        sources = [one.evidence["source"] for one in findings if one.severity == "alarm"]
        copies = (one for one in self.texts if is_copied(one.as_sample()) and passage_source(one) in sources)
        return RecentTexts(texts=tuple(copies))

    def without(self, source: str) -> "RecentTexts":
        """Return the texts without those that point at `source`: what was done about it starts a new count."""
        return RecentTexts(texts=tuple(one for one in self.texts if origin_of(one) != source))

    def state(self) -> list[dict[str, Any]]:
        """Return them as plain data."""
        return [asdict(one) for one in self.texts]

    @classmethod
    def restore(cls, state: Sequence[Mapping[str, Any]]) -> "RecentTexts":
        """Take over what `state` returned."""
        return cls(texts=tuple(RecentText(**one) for one in state))


def origin_of(text: RecentText) -> str:
    """Return the source that a text stands in, by its longest passage, else that of its prompt."""
    return passage_source(text) or text.source


def passage_source(text: RecentText) -> str:
    """Return the source of the longest passage that a text shares with the training text; empty without one."""
    matches = (text.copied or {}).get("matches")
    known = [one for one in matches if isinstance(one, Mapping)] if isinstance(matches, list) else []
    return str(known[0].get("source", "")) if known else ""
