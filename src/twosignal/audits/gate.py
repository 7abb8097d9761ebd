"""What stops a run: takes samplings and probes as they come, gives a `Verdict` for each.

Rules, each with a name that the verdict carries:

    andrea  the sampling's coherence total is below `threshold`, `patience` samplings running
    loop    more than half of the judged texts are loops, `patience` samplings running; the total is blind
            to loops of good English words, which keep up to 30 points
    soup    the held-out loss shows that the model has rotted (see `probes.py`); text drawn word by word
            from a frequency table is diverse and escapes the two others
    default the share of degenerate texts has gone up for good (see `strikes.py`); finds what the others
            miss: some texts of many, loops with edits, gibberish, torn words, the wrong language
    all-four  most judged texts have word pairs and triples both below 30 of 35, `patience` samplings running

A gate with rule "default" listens to andrea, loop and default; one with "andrea" or "all-four" to that one only; and
each to soup.

A sampling that cannot be judged (see `sampling.py`) neither adds a strike nor ends a row of strikes. Given
the recorded events in order, a new gate comes to the same verdicts: `replay`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from twosignal.audits.degeneration import score_texts
from twosignal.audits.finding import Verdict
from twosignal.audits.probes import Bars, ProbeHistory, loss_clause, soup_sentence
from twosignal.audits.recorded import Body, Probe, Sample, read_sample
from twosignal.audits.sampling import Sampling, judge_sampling
from twosignal.audits.streaks import Strike, StrikeRow, is_all_four, row_sentence
from twosignal.audits.strikes import TextHistory, strikes_sentence
from twosignal.errors import RunError

STATE_VERSION = 1
RuleName = Literal["default", "andrea", "all-four"]
ROWS_IN_FORCE: dict[RuleName, tuple[str, ...]] = {
    "default": ("andrea", "loop"),
    "andrea": ("andrea",),
    "all-four": ("all-four",),
}
"""Which rows of strikes a gate listens to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """Everything a gate knows; written into the checkpoint and read back from it."""

    version: int = STATE_VERSION
    """Version of this shape."""
    rule: RuleName = "default"
    """What the gate listens to, besides soup."""
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
    all_four: StrikeRow = field(default_factory=StrikeRow)
    """Samplings of mostly repetitive texts."""
    texts: TextHistory = field(default_factory=TextHistory)
    """Degenerate texts."""
    probes: ProbeHistory = field(default_factory=ProbeHistory)
    """Held-out losses."""

    @property
    def rows(self) -> dict[str, StrikeRow]:
        """The rows of strikes that the gate listens to, by rule."""
        rows = {"andrea": self.andrea, "loop": self.loop, "all-four": self.all_four}
        return {rule: rows[rule] for rule in ROWS_IN_FORCE[self.rule]}


_STATE = TypeAdapter(GateState)


class Gate:
    """Watches a run and says when to stop it."""

    def __init__(
        self,
        *,
        rule: RuleName = "default",
        threshold: float = 30.0,
        patience: int = 5,
        random_chance: float | None = None,
        unigram_loss: float | None = None,
    ) -> None:
        self._state = GateState(
            rule=rule,
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
        """Strikes in the row that stands now, the longest of those that the gate listens to."""
        return max(row.count for row in self._state.rows.values())

    @property
    def is_coherent(self) -> bool:
        """Whether no strike of a text stands: no row of them, and no evidence that the model has rotted."""
        return not (any(row.count for row in self._state.rows.values()) or self._state.texts.strikes)

    @property
    def is_clear(self) -> bool:
        """Whether nothing stands against the run, neither its texts nor its held-out loss."""
        return self.is_coherent and not self._state.probes.is_bad

    @property
    def patience(self) -> int:
        """Strikes or probes in a row that stop the run."""
        return self._state.patience

    @property
    def heartbeat(self) -> int | None:
        """Step of the last sampling or probe observed; None before the first."""
        return self._state.heartbeat

    def observe_samples(self, step: int, samples: Sequence[Body]) -> Verdict:
        """Judge all samples drawn at one step, as they are recorded; only text and prompt are read."""
        read = [read_sample(step, body) for body in samples]
        sampling = judge_sampling([sample.text for sample in read])
        self._state = state = _after_sampling(self._state, sampling, samples=read, step=step)
        for rule, row in state.rows.items():
            if row.count >= state.patience and row.newest[-1].step == step:
                return _row_verdict(state, rule)
        if state.texts.lasts(step, patience=state.patience):
            return _texts_verdict(state)
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
        panels.setdefault(sample.step, []).append({"text": sample.text, "prompt": sample.prompt})
    losses = {probe.step: probe.loss for probe in probes}
    verdicts = []
    for step in sorted(panels.keys() | losses.keys()):
        if step in losses:
            verdicts.append(gate.observe_probe(step, losses[step]))
        if step in panels:
            verdicts.append(gate.observe_samples(step, panels[step]))
    return verdicts


def _after_sampling(
    state: GateState, sampling: Sampling, *, samples: Sequence[Sample], step: int
) -> GateState:
    is_low = None if sampling.total is None else sampling.total < state.threshold
    strike = Strike(step=step, total=round(sampling.total or 0.0, 2), worst=sampling.worst)
    texts = state.texts
    if state.rule == "default":
        scores = list(score_texts([one.text for one in samples], [one.prompt for one in samples]))
        texts = texts.after(step, scores)
    return replace(
        state,
        heartbeat=step,
        andrea=state.andrea.after(strike, holds=is_low, patience=state.patience),
        loop=state.loop.after(strike, holds=sampling.is_looping, patience=state.patience),
        all_four=state.all_four.after(strike, holds=is_all_four(sampling), patience=state.patience),
        texts=texts,
    )


def _row_verdict(state: GateState, rule: str) -> Verdict:
    row = state.rows[rule]
    evidence = {"strikes": row.count, "samplings": [asdict(strike) for strike in row.newest]}
    said = row_sentence(row, rule, threshold=state.threshold)
    return _with_loss(state, said, evidence=evidence, step=row.newest[-1].step, rule=rule)


def _texts_verdict(state: GateState) -> Verdict:
    texts = state.texts
    evidence = {
        "strikes": texts.strikes,
        "judged": texts.judged,
        "since": texts.since,
        "nats": round(texts.rotten.evidence, 2),
        "signals": list(texts.signals),
    }
    return _with_loss(state, strikes_sentence(texts), evidence=evidence, step=texts.newest, rule="default")


def _with_loss(state: GateState, said: str, *, evidence: dict[str, object], step: int, rule: str) -> Verdict:
    """Return the verdict of a rule on texts, with what the other signal, the held-out loss, says beside it."""
    probes = state.probes
    if probes.num_probes:
        evidence |= {"loss": probes.loss, "best": probes.best, "best_step": probes.best_step}
    return Verdict(kind="halt", reason=said + loss_clause(probes), evidence=evidence, step=step, rule=rule)
