"""The loop: takes a run that is set up, gives its outcome. Everything it sees goes through the recorder."""

import math
from dataclasses import dataclass, field
from typing import Any

from twosignal.audits.finding import Finding, Verdict
from twosignal.audits.gate import Gate
from twosignal.audits.monitors import Expected, Seen, check_step, non_finite_weights
from twosignal.train.batch import measure
from twosignal.train.canaries import measure_exposure
from twosignal.train.checkpoint import Resumable
from twosignal.train.forecast import carried_targets, loss_tolerance, non_finite_names
from twosignal.train.loss import Tally
from twosignal.train.optimizer import LearningRate, Mover
from twosignal.train.recorder import Recorder
from twosignal.train.samples import Sampler
from twosignal.train.setup import Setup
from twosignal.train.step import StepFigures, take_step
from twosignal.train.watch import Watch


@dataclass(slots=True, kw_only=True)
class Running:
    """A run between two steps."""

    setup: Setup
    mover: Mover
    rate: LearningRate
    gate: Gate
    sampler: Sampler
    recorder: Recorder
    watch: Watch
    step: int = 0
    """Last step done."""
    probe: float = math.nan
    """Newest held-out loss, mixed by the sources' shares; nats per target."""
    best_probe: float = math.inf
    """Lowest held-out loss at a checkpoint."""
    best_step: int | None = None
    """Step of that checkpoint."""
    verdict: Verdict = field(default_factory=lambda: Verdict(kind="continue", reason="nothing was sampled"))
    """Newest word of the gate or of an alarm."""

    def parts(self) -> Resumable:
        """Return what a checkpoint saves as tensors and files."""
        return Resumable(model=self.setup.learner.model, tokenizer=self.setup.tokenizer, mover=self.mover)

    def state(self) -> dict[str, Any]:
        """Return everything else a run needs to go on, as plain data."""
        return {
            "step": self.step,
            "probe": self.probe,
            "best_probe": self.best_probe,
            "best_step": self.best_step,
            "streams": {name: source.stream.cursor for name, source in self.setup.sources.items()},
            "mixer": self.setup.mixer.credit,
            "gate": self.gate.state(),
            "verdict": self.verdict.as_dict(),
            "inputs": {name: source.fingerprint for name, source in self.setup.sources.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.step, self.probe = state["step"], state["probe"]
        self.best_probe, self.best_step = state["best_probe"], state["best_step"]
        for name, source in self.setup.sources.items():
            source.stream.restore(state["streams"][name])
        self.setup.mixer.restore(state["mixer"])
        self.gate = Gate.restore(state["gate"])
        self.verdict = Verdict(**state["verdict"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    step: int
    """Last step done."""
    probe: float
    """Last held-out loss, nats per target; NaN without a probe."""
    verdict: Verdict
    interrupted: bool = False
    """The user stopped it; it can go on."""


def fit(run: Running) -> Outcome:
    """Train to the last planned step, or until the gate, an alarm or the user stops the run."""
    config, steps = run.setup.config, run.setup.steps
    every = config.checkpoints.every or config.samples.every
    if run.step == 0:
        probe(run)
    while run.step < steps:
        alarms = advance(run)
        if alarms and is_halted(run, alarm(run, alarms[0])):
            return stop(run)
        is_last = run.step == steps
        if (is_last or run.step % config.probes.every == 0) and is_halted(run, probe(run)):
            return stop(run)
        if (is_last or run.step % config.samples.every == 0) and is_halted(run, sample(run)):
            return stop(run)
        if (is_last or run.step % every == 0) and is_halted(run, save(run)):
            return stop(run)
        if run.watch.interrupted and not is_last:
            return pause(run)
    exposed = measure_exposure(run.setup, step=run.step)
    if exposed is not None:
        run.recorder.finding(run.step, exposed)
    run.recorder.end(run.step, "finished", run.verdict.reason, gate_step=run.gate.heartbeat)
    return outcome(run)


def advance(run: Running) -> tuple[Finding, ...]:
    """Take one step; return what the monitors M1 to M4 say of it."""
    factor = run.rate.factor(run.step + 1)
    figures = take_step(run.setup, run.mover, step=run.step + 1, factor=factor, predicts=run.step == 0)
    run.step = figures.step
    run.recorder.step(figures)
    run.watch.step(figures, run.recorder.smoothed)
    return watched(run.setup, figures)


def watched(setup: Setup, figures: StepFigures) -> tuple[Finding, ...]:
    """Compare a step with what its rows carry and what was measured before it."""
    whole = figures.loss.whole
    seen = Seen(
        step=figures.step, loss_sum=whole.total, targets=whole.count, gradient_norm=figures.gradient_norm
    )
    expected = Expected(
        targets=carried_targets(setup.sources, figures.packs),
        loss=figures.predicted,
        tolerance=loss_tolerance(setup.learner),
        random_chance=setup.random_chance,
    )
    return check_step(seen, expected)


def is_halted(run: Running, verdict: Verdict) -> bool:
    """Keep the newest verdict; return whether it stops the run."""
    run.verdict = verdict
    return verdict.kind == "halt" and run.setup.config.gate.action == "halt"


def probe(run: Running) -> Verdict:
    """Measure the held-out loss of every source; return what the gate says of it."""
    by_source: dict[str, Tally] = {}
    for name, source in run.setup.sources.items():
        if source.probe_rows:
            loss = measure(run.setup.learner, source.probe_rows, rows_per_pass=run.setup.rows_per_pass)
            if loss.whole.count:
                by_source[name] = loss.whole
    if not by_source:
        return Verdict(kind="continue", reason="no source has a held-out part", step=run.step)
    shares = {name: run.setup.mixer.shares[name] for name in by_source}
    if not any(shares.values()):
        shares = dict.fromkeys(by_source, 1.0)
    weight = sum(shares.values())
    run.probe = sum(shares[name] * tally.mean for name, tally in by_source.items()) / weight
    verdict = run.gate.observe_probe(run.step, run.probe)
    run.recorder.probe(run.step, run.probe, by_source)
    run.recorder.verdict(verdict)
    run.watch.probe(run.step, run.probe, by_source)
    return verdict


def sample(run: Running) -> Verdict:
    """Let the model speak; return what the gate says of it."""
    bodies = run.sampler.draw(run.step)
    verdict = run.gate.observe_samples(run.step, bodies)
    run.recorder.samples(run.step, bodies)
    run.recorder.verdict(verdict)
    run.watch.samples(bodies, verdict)
    return verdict


def save(run: Running) -> Verdict:
    """Save a checkpoint; it is the best one when its held-out loss is the lowest so far.

    Weights that are not finite are not saved: the verdict says so.
    """
    if broken := non_finite_names(run.setup.learner.model):
        return alarm(run, non_finite_weights(run.step, broken))
    if run.probe < run.best_probe:
        run.best_probe, run.best_step = run.probe, run.step
    run.recorder.checkpoint(run.parts(), run.state())
    return run.verdict


def pause(run: Running) -> Outcome:
    """Save where an interrupted run is, unless its weights are not finite: then it goes on from its last checkpoint."""
    if non_finite_names(run.setup.learner.model):
        run.recorder.give_up("interrupted")
    else:
        run.recorder.pause(run.parts(), run.state())
    return outcome(run, interrupted=True)


def alarm(run: Running, finding: Finding) -> Verdict:
    """Record what is wrong with a step; return the verdict it asks for."""
    run.recorder.finding(run.step, finding)
    evidence = finding.evidence
    verdict = Verdict(kind="halt", reason=finding.message, evidence=evidence, step=run.step, rule=finding.id)
    run.recorder.verdict(verdict)
    return verdict


def stop(run: Running) -> Outcome:
    """Record why the run is halted; the last checkpoint stays the last healthy one."""
    reason = run.verdict.reason
    run.recorder.action(run.step, "halt", reason)
    run.recorder.end(run.step, "halted", reason, gate_step=run.gate.heartbeat)
    return outcome(run)


def outcome(run: Running, *, interrupted: bool = False) -> Outcome:
    """Return how the run stands."""
    return Outcome(step=run.step, probe=run.probe, verdict=run.verdict, interrupted=interrupted)
