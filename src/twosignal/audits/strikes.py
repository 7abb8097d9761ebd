"""Rule "default", on every single text: takes the scores of one sampling after the other, gives a history and a sentence.

Every text that the default scorer calls degenerate is a strike. Two tests of `sequential.py` count them:

    sound   waits until the model has learned to speak: 20 sound texts running, or as good as that
    rotten  from then on, waits for a share of 30 % strikes where 5 % are usual; fires after 5 strikes running

"Usual" is the model's own: where it never came below 5 %, the lowest share it kept over about 100 texts takes that place, and
the share to find rises with it by the same odds. A small model that always writes some nonsense is not halted for it.

A young model babbles for a long time without anything being wrong, so that a run that has never been sound is left to the
other rules. Texts of one sampling are alike: strikes must have come at `patience` samplings before the rule fires.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from twosignal.audits.degeneration import Score
from twosignal.audits.sampling import opening
from twosignal.audits.sequential import Cusum

SOUND = Cusum(p0=0.3, p1=0.05, bar=6.0)
"""Evidence that the model speaks: 20 sound texts in a row are 6.1 nats."""
ROTTEN = Cusum(p0=0.05, p1=0.3, bar=8.0)
"""4 strikes are 7.2 nats, 5 are 9.0."""
ODDS = ROTTEN.p1 / (1 - ROTTEN.p1) / (ROTTEN.p0 / (1 - ROTTEN.p0))
USUAL_TEXTS = 100
"""Texts over which the usual share of strikes is averaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextHistory:
    """What the rule remembers of all texts so far."""

    is_sound: bool = False
    """Whether the model has once learned to speak."""
    sound: Cusum = SOUND
    """Evidence that it has, until then."""
    rotten: Cusum = ROTTEN
    """Evidence that it has rotted, from then on."""
    share: float = ROTTEN.p0
    """Share of strikes, averaged over about the last 100 texts, from the first text on."""
    usual: float = ROTTEN.p0
    """Lowest such share since it learned to speak."""
    since: int = 0
    """Step of the first strike of the evidence as it stands."""
    samplings: int = 0
    """Samplings with a strike among the evidence."""
    strikes: int = 0
    """Strikes among the evidence."""
    judged: int = 0
    """Texts judged since the first of them."""
    newest: int = 0
    """Step of the newest strike."""
    signals: tuple[str, ...] = ()
    """Names of the signals of the newest strike."""
    quote: str = ""
    """Opening of the newest strike."""

    def after(self, step: int, scores: Sequence[Score]) -> "TextHistory":
        """Return the history one sampling later."""
        history = self
        for score in scores:
            history = history._after(step, score)
        return history

    def lasts(self, step: int, *, patience: int) -> bool:
        """Return whether the rule fires at the sampling of `step`."""
        return self.rotten.fires and self.newest == step and self.samplings >= patience

    def _after(self, step: int, score: Score) -> "TextHistory":
        if score.degenerate is None:
            return self
        share = self.share + (score.degenerate - self.share) / USUAL_TEXTS
        if not self.is_sound:
            sound = self.sound.after(score.degenerate)
            return replace(self, sound=sound, is_sound=sound.fires, share=share, usual=share)
        known = replace(self, share=share, usual=min(self.usual, share))
        return known._counted(step, score)

    def _counted(self, step: int, score: Score) -> "TextHistory":
        rotten = against(self.usual, evidence=self.rotten.evidence).after(score.degenerate)
        if rotten.evidence == 0:
            return TextHistory(is_sound=True, sound=self.sound, share=self.share, usual=self.usual)
        if not score.degenerate:
            return replace(self, rotten=rotten, judged=self.judged + 1)
        is_first = self.strikes == 0
        return replace(
            self,
            rotten=rotten,
            since=step if is_first else self.since,
            samplings=self.samplings + (is_first or self.newest != step),
            strikes=self.strikes + 1,
            judged=self.judged + 1,
            newest=step,
            signals=tuple(dict.fromkeys(signal.name for signal in score.signals)),
            quote=opening(score.text),
        )


def against(usual: float, *, evidence: float = 0.0) -> Cusum:
    """Return the test for a model with a `usual` share of strikes, 0 to 1."""
    p0 = max(ROTTEN.p0, usual)
    odds = ODDS * p0 / (1 - p0)
    return replace(ROTTEN, p0=p0, p1=odds / (1 + odds), evidence=evidence)


def strikes_sentence(history: TextHistory) -> str:
    """Return what the history has against the run."""
    opens = f'opens "{history.quote}"' if history.quote else "is empty"
    return (
        f"{history.strikes} of {history.judged} texts from step {history.since:,} to step {history.newest:,} are "
        f"degenerate, at {history.samplings} samplings; the newest ({', '.join(history.signals)}) {opens}"
    )
