"""Samplings running that a rule held against a run: takes one sampling after the other, gives a row of strikes and its sentence.

Three rules of `gate.py` count so: andrea, loop, and all-four.
"""

from dataclasses import dataclass

from twosignal.audits.sample_audit import ALL_FOUR_PART, is_repetitive
from twosignal.audits.sampling import LOOP_DIVERSITY, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One sampling that a rule held against the run."""

    step: int
    """Step of the sampling."""
    total: float
    """Its coherence total, 0 to 100."""
    worst: str
    """Opening of its worst text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrikeRow:
    """Strikes in a row."""

    count: int = 0
    """How many."""
    since: int = 0
    """Step of the first of them."""
    newest: tuple[Strike, ...] = ()
    """The newest of them, at most `patience`, oldest first."""

    def after(self, strike: Strike, *, holds: bool | None, patience: int) -> "StrikeRow":
        """Return the row one sampling later; `holds` None leaves it as it is."""
        if holds is None:
            return self
        if not holds:
            return StrikeRow()
        since = self.since if self.count else strike.step
        return StrikeRow(count=self.count + 1, since=since, newest=(*self.newest, strike)[-patience:])


def is_all_four(sampling: Sampling) -> bool | None:
    """Return whether more than half of the judged texts have word pairs and triples both below 30 of 35."""
    if sampling.total is None or not sampling.judged:
        return None if sampling.total is None else True
    repetitive = sum(is_repetitive(one.score) for one in sampling.judged)
    return 2 * repetitive > len(sampling.judged)


def row_sentence(row: StrikeRow, rule: str, *, threshold: float) -> str:
    """Return what the row that fired `rule` has against the run."""
    worst = min(row.newest, key=lambda strike: strike.total)
    said = {
        "andrea": f"the coherence total was below {threshold:g} at {row.count} samplings running",
        "loop": f"most texts were loops (word pairs and triples below {LOOP_DIVERSITY:g} of 70) at "
        f"{row.count} samplings running",
        "all-four": f"most texts repeated themselves (word pairs and triples both below {ALL_FOUR_PART:g} of 35) at "
        f"{row.count} samplings running",
    }
    return f"{said[rule]} ({_span(row)}); {_quote(worst)}"


def _span(row: StrikeRow) -> str:
    totals = ", ".join(f"{strike.total:.1f}" for strike in row.newest)
    steps = f"steps {row.since:,} to {row.newest[-1].step:,}"
    return f"{steps}: {totals}" if row.count == len(row.newest) else f"{steps}, the newest: {totals}"


def _quote(strike: Strike) -> str:
    if not strike.worst:
        return f"at step {strike.step:,} the texts were empty"
    return f'the worst text, at step {strike.step:,}, opens "{strike.worst}"'
