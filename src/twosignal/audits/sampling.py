"""How good the texts of one sampling are together: takes the panel's texts, gives a `Sampling`.

A healthy chat model gives short right answers, and the classic score, made for 420 free tokens, finds
"Paris." incoherent. So a text is judged alone only from 40 words on; shorter texts are pooled, repeated
ones once; and where too little is left to judge, the sampling abstains. Only silence is judged at once:
when more than half of the texts are empty, the total is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from twosignal.audits.coherence import CoherenceScore, character_score, classic_score

MIN_WORDS = 40
"""Words from which a text is judged alone, by the classic score."""
MIN_CHARACTERS = 200
"""Characters, white space included, above which a text of few words is judged alone, by the character score."""
LOOP_DIVERSITY = 10.0
"""Bigram and trigram part together, of 70, below which a text is a loop."""
OPENING_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedText:
    """A text that was long enough to judge."""

    text: str
    """The text, or the pooled short texts, one a line."""
    score: CoherenceScore
    """Classic score, or character score for text of few words."""

    @property
    def is_loop(self) -> bool:
        """Whether its words or characters come round again and again."""
        return self.score.diversity < LOOP_DIVERSITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The judgement on all texts of one sampling."""

    total: float | None
    """Median of the totals of the judged texts, 0 to 100; None when too little could be judged."""
    is_looping: bool | None
    """Whether more than half of the judged texts are loops; None when too little could be judged."""
    worst: str
    """Opening of the judged text with the lowest total."""
    judged: tuple[JudgedText, ...]
    """The texts that were judged, the pool last."""


ABSTAINED = Sampling(total=None, is_looping=None, worst="", judged=())
SILENT = Sampling(total=0.0, is_looping=None, worst="", judged=())


def judge_text(text: str) -> JudgedText | None:
    """Return the judgement on one text, or None when it is too short to say anything about."""
    if len(text.split()) >= MIN_WORDS:
        return JudgedText(text=text, score=classic_score(text))
    if len(text) > MIN_CHARACTERS:
        return JudgedText(text=text, score=character_score(text))
    return None


def judge_sampling(texts: Sequence[str]) -> Sampling:
    """Return the judgement on the panel's `texts`; with one text of 40 words it is the classic score's."""
    empty = [text for text in texts if not text.strip()]
    if not texts:
        return ABSTAINED
    if 2 * len(empty) > len(texts):
        return SILENT
    alone = [(text, judge_text(text)) for text in texts if text.strip()]
    judged = [verdict for _, verdict in alone if verdict is not None]
    short = [text for text, verdict in alone if verdict is None]
    covered = len(judged)
    pool = judge_text("\n".join(dict.fromkeys(text.strip() for text in short)))
    if pool is not None:
        judged.append(pool)
        covered += len(short)
    if 2 * covered < len(texts):
        return ABSTAINED
    loops = sum(one.is_loop for one in judged)
    return Sampling(
        total=median(one.score.total for one in judged),
        is_looping=2 * loops > len(judged),
        worst=opening(min(judged, key=lambda one: one.score.total).text),
        judged=tuple(judged),
    )


def opening(text: str, length: int = OPENING_CHARACTERS) -> str:
    """Return the first `length` characters of `text` on one line, with dots where it goes on."""
    plain = " ".join(text.split())
    return plain if len(plain) <= length else plain[: length - 3].rstrip() + "..."
