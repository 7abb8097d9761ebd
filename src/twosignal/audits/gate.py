"""What stops a run: takes samplings and probes as they come, gives a `Verdict` for each.

Rules, each with a name that the verdict carries:

    andrea  the sampling's coherence total is below `threshold`, `patience` samplings running
    loop    more than half of the judged texts are loops, `patience` samplings running; the total is blind
            to loops of good English words, which keep up to 30 points
    soup    the held-out loss shows that the model has rotted (see `probes.py`); text drawn word by word
            from a frequency table is diverse and escapes the two others

A sampling that cannot be judged (see `sampling.py`) neither adds a strike nor ends a row of strikes. Given
the recorded events in order, a new gate comes to the same verdicts: `replay`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from pydantic import TypeAdapter, ValidationError

from twosignal.audits.finding import Verdict
from twosignal.audits.probes import Bars, ProbeHistory, soup_sentence
from twosignal.audits.recorded import Body, Probe, Sample, read_sample
from twosignal.audits.sampling import LOOP_DIVERSITY, Sampling, judge_sampling
from twosignal.errors import RunError

STATE_VERSION = 1


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """Everything a gate knows; written into the checkpoint and read back from it."""

    version: int = STATE_VERSION
    """Version of this shape."""
    threshold: float = 30.0
    """Coherence totals below this are strikes."""
    patience: int = 5
    """Strikes or probes in a row that stop the run."""
    random_chance: float | None = None
    """ln(vocabulary), in nats per token."""
    unigram_loss: float | None = None
    """Entropy of the target frequencies, in nats per token."""
    heartbeat: int | None = None
    """Step of the last sampling or probe observed; None before the first."""
    andrea: StrikeRow = field(default_factory=StrikeRow)
    """Samplings with a low total."""
    loop: StrikeRow = field(default_factory=StrikeRow)
    """Samplings of mostly loops."""
    probes: ProbeHistory = field(default_factory=ProbeHistory)
    """Held-out losses."""


_STATE = TypeAdapter(GateState)


class Gate:
    """Watches a run and says when to stop it."""

    def __init__(
        self,
        *,
        threshold: float = 30.0,
        patience: int = 5,
        random_chance: float | None = None,
        unigram_loss: float | None = None,
    ) -> None:
        self._state = GateState(
            threshold=threshold,
            patience=patience,
            random_chance=random_chance,
            unigram_loss=unigram_loss,
        )

    @property
    def threshold(self) -> float:
        """Coherence totals below this are strikes."""
        return self._state.threshold

    @property
    def random_chance(self) -> float | None:
        """ln(vocabulary), in nats per token, if known."""
        return self._state.random_chance

    @property
    def strikes(self) -> int:
        """Strikes in the row that stands now, the longer of the rules andrea and loop."""
        return max(self._state.andrea.count, self._state.loop.count)

    @property
    def patience(self) -> int:
        """Strikes or probes in a row that stop the run."""
        return self._state.patience

    @property
    def heartbeat(self) -> int | None:
        """Step of the last sampling or probe observed; None before the first."""
        return self._state.heartbeat

    def observe_samples(self, step: int, samples: Sequence[Body]) -> Verdict:
        """Judge all samples drawn at one step, as they are recorded; only their text is read."""
        sampling = judge_sampling([read_sample(step, body).text for body in samples])
        self._state = state = _after_sampling(self._state, sampling, step=step)
        if state.andrea.count >= state.patience and state.andrea.newest[-1].step == step:
            return _andrea_verdict(state)
        if state.loop.count >= state.patience and state.loop.newest[-1].step == step:
            return _loop_verdict(state)
        if sampling.total is None:
            reason = f"too little text to judge at step {step:,}"
            return Verdict(kind="continue", reason=reason, step=step)
        strikes = state.andrea.count
        reason = f"coherence total {sampling.total:.1f} at step {step:,}"
        if strikes:
            reason += f", below {state.threshold:g}: strike {strikes} of {state.patience}"
        evidence = {"total": round(sampling.total, 2), "strikes": strikes}
        return Verdict(kind="continue", reason=reason, evidence=evidence, step=step)

    def observe_probe(self, step: int, loss: float) -> Verdict:
        """Judge the held-out loss at one step, in nats per target; nan and inf are taken as they are."""
        state = self._state
        bars = Bars(
            patience=state.patience, random_chance=state.random_chance, unigram_loss=state.unigram_loss
        )
        history = state.probes.after(step, loss, bars=bars)
        self._state = replace(state, heartbeat=step, probes=history)
        sentence = soup_sentence(history, bars)
        if sentence is None:
            return Verdict(kind="continue", reason=f"held-out loss {loss:.4f} at step {step:,}", step=step)
        evidence = {
            "loss": history.loss,
            "best": history.best,
            "best_step": history.best_step,
            "random_chance": state.random_chance,
            "unigram_loss": state.unigram_loss,
        }
        return Verdict(kind="halt", reason=sentence, evidence=evidence, step=step, rule="soup")

    def state(self) -> dict[str, object]:
        """Return everything the gate knows as plain JSON values."""
        values: dict[str, object] = _STATE.dump_python(self._state, mode="json")
        return values

    @classmethod
    def restore(cls, state: Mapping[str, object]) -> "Gate":
        """Return the gate that wrote `state`; raise RunError when it is not such a state."""
        try:
            known = _STATE.validate_python(dict(state))
        except ValidationError as error:
            raise RunError(
                "the gate's state cannot be read", found=str(error), remedy="Resume from another checkpoint."
            ) from error
        if known.version != STATE_VERSION:
            raise RunError(
                "the gate's state was written by another version",
                found=f"version {known.version}",
                expected=f"version {STATE_VERSION}",
            )
        gate = cls()
        gate._state = known
        return gate


def replay(gate: Gate, samples: Iterable[Sample], *, probes: Iterable[Probe]) -> list[Verdict]:
    """Return the verdicts of a new `gate` on everything recorded, one per sampling and probe, in step order."""
    panels: dict[int, list[Body]] = {}
    for sample in samples:
        panels.setdefault(sample.step, []).append({"text": sample.text})
    losses = {probe.step: probe.loss for probe in probes}
    verdicts = []
    for step in sorted(panels.keys() | losses.keys()):
        if step in losses:
            verdicts.append(gate.observe_probe(step, losses[step]))
        if step in panels:
            verdicts.append(gate.observe_samples(step, panels[step]))
    return verdicts


def _after_sampling(state: GateState, sampling: Sampling, *, step: int) -> GateState:
    is_low = None if sampling.total is None else sampling.total < state.threshold
    strike = Strike(step=step, total=round(sampling.total or 0.0, 2), worst=sampling.worst)
    return replace(
        state,
        heartbeat=step,
        andrea=state.andrea.after(strike, holds=is_low, patience=state.patience),
        loop=state.loop.after(strike, holds=sampling.is_looping, patience=state.patience),
    )


def _andrea_verdict(state: GateState) -> Verdict:
    row = state.andrea
    worst = min(row.newest, key=lambda strike: strike.total)
    reason = (
        f"the coherence total was below {state.threshold:g} at {row.count} samplings running "
        f"({_span(row)}); {_quote(worst)}"
    )
    return _strike_verdict(row, reason, rule="andrea")


def _loop_verdict(state: GateState) -> Verdict:
    row = state.loop
    worst = min(row.newest, key=lambda strike: strike.total)
    reason = (
        f"most texts were loops (word pairs and triples below {LOOP_DIVERSITY:g} of 70) at "
        f"{row.count} samplings running ({_span(row)}); {_quote(worst)}"
    )
    return _strike_verdict(row, reason, rule="loop")


def _strike_verdict(row: StrikeRow, reason: str, *, rule: str) -> Verdict:
    evidence = {"strikes": row.count, "samplings": [asdict(strike) for strike in row.newest]}
    return Verdict(kind="halt", reason=reason, evidence=evidence, step=row.newest[-1].step, rule=rule)


def _span(row: StrikeRow) -> str:
    totals = ", ".join(f"{strike.total:.1f}" for strike in row.newest)
    steps = f"steps {row.since:,} to {row.newest[-1].step:,}"
    return f"{steps}: {totals}" if row.count == len(row.newest) else f"{steps}, the newest: {totals}"


def _quote(strike: Strike) -> str:
    if not strike.worst:
        return f"at step {strike.step:,} the texts were empty"
    return f'the worst text, at step {strike.step:,}, opens "{strike.worst}"'
