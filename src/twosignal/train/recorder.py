"""From what happens to what is written: takes figures, probes, samples and verdicts, gives the run folder's records."""

import platform
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import tokenizers
import torch
import transformers

from twosignal.audits.finding import Finding, Verdict
from twosignal.audits.fixed_mix import fixed_mix_losses
from twosignal.audits.recorded import Probe, read_probe
from twosignal.curriculum.policy import Choice
from twosignal.errors import StorageError
from twosignal.records.columns import source_column
from twosignal.records.events import Event, Kind
from twosignal.records.folder import CHECKPOINTS, Pulse, is_kept
from twosignal.records.public import PublicFiles, write_mix
from twosignal.records.reader import Run
from twosignal.records.retention import Retention, changes
from twosignal.records.saved import Place
from twosignal.records.smoothing import PERIODS, Smma
from twosignal.records.writer import BEGINNING, Cursor, RunWriter
from twosignal.train.checkpoint import Resumable, read_state, save_checkpoint, thin_out
from twosignal.train.loss import Tally
from twosignal.train.shelf import names_to_keep, read_shelf
from twosignal.train.step import StepFigures

HEARTBEAT_SECONDS = 5.0
Told = tuple[Kind, Mapping[str, Any]]
"""An event to be told: its kind and its body."""


class Curve(NamedTuple):
    """The losses of a run, nats per target."""

    steps: npt.NDArray[np.int64]
    """Steps that had targets, shape [steps]."""
    losses: npt.NDArray[np.float64]
    """Shape [steps]."""
    probes: tuple[Probe, ...]
    """Held-out losses."""


class Recorder:
    """Writes one run's records, in an order that a resumed run repeats exactly."""

    def __init__(
        self,
        writer: RunWriter,
        *,
        sources: Sequence[str],
        mix: Callable[[], Mapping[str, Any]],
        retention: Retention,
    ) -> None:
        """Write into the folder of `writer`; `mix` gives the body of bandit.json at any moment."""
        self.writer = writer
        self._sources = list(sources)
        self._mix = mix
        self._retention = retention
        self._verdicts: list[tuple[int, str]] = []
        self._public = PublicFiles(writer.path)
        self._since_heartbeat = 0.0
        self._averages = [Smma(periods=periods) for periods in PERIODS]
        self._gate_step: int | None = None

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.writer.path

    @property
    def smoothed(self) -> dict[int, float | None]:
        """SMMA of the loss, by N."""
        return {average.periods: average.value for average in self._averages}

    def open(self, *, resumed_from: int | None) -> None:
        """Note that this process writes to the run from now on."""
        versions = {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
        }
        self.writer.session(versions=versions, resumed_from=resumed_from)
        self._beat("running")

    def begin(self, start: Mapping[str, Any], receipt: Mapping[str, Any], *, seconds: float) -> None:
        """Record what the run is and what its proof found."""
        self._append("start", 0, start, run=self.folder.name)
        self._append("prove", 0, receipt, seconds=seconds)
        self._publish()

    def step(self, figures: StepFigures) -> None:
        """Record the numbers of a step."""
        whole = figures.loss.whole
        numbers: dict[str, float] = {
            "loss_sum": whole.total,
            "targets": whole.count,
            "bytes": whole.num_bytes,
            "gradient_norm": figures.gradient_norm,
            "learning_rate": figures.learning_rate,
            "rows": figures.rows,
            "tokens": figures.tokens,
        }
        for name in self._sources:
            tally = figures.loss.by_source.get(name, Tally())
            numbers[source_column("loss_sum", name)] = tally.total
            numbers[source_column("targets", name)] = tally.count
            numbers[source_column("bytes", name)] = tally.num_bytes
            numbers[source_column("tokens", name)] = figures.tokens_by_source.get(name, 0)
        clock = {
            "seconds": figures.seconds,
            "tokens_per_second": figures.tokens / figures.seconds,
            "targets_per_second": whole.count / figures.seconds,
            "memory_bytes": memory_bytes(),
        }
        self.writer.step_row(figures.step, numbers, clock=clock)
        for average in self._averages:
            average.update(whole.mean)
        self._since_heartbeat += figures.seconds
        if self._since_heartbeat > HEARTBEAT_SECONDS:
            self._beat("running")

    def probe(
        self, step: int, loss: float, by_source: Mapping[str, Tally], *, more: Mapping[str, Any] | None = None
    ) -> None:
        """Record the held-out losses of a step, and what more is known of them."""
        body = {
            "loss": loss,
            "by_source": {
                name: {"loss": tally.mean, "targets": tally.count, "bytes": tally.num_bytes}
                for name, tally in by_source.items()
            },
            **(more or {}),
        }
        self._append("probe", step, body)
        self._gate_step = step

    def samples(self, step: int, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Record what the model said, and bring the public files up to date."""
        for body in bodies:
            self._append("sample", step, body)
        self._gate_step = step
        self._publish()
        self._beat("running")

    def verdict(self, verdict: Verdict) -> None:
        """Record what the gate said."""
        body = {
            "verdict": verdict.kind,
            "reason": verdict.reason,
            "rule": verdict.rule,
            "evidence": verdict.evidence,
        }
        self._append("verdict", verdict.step, body)
        self._verdicts.append((verdict.step, verdict.kind))

    def finding(self, step: int, finding: Finding) -> None:
        """Record a finding."""
        self._append("finding", step, finding.as_dict())

    def switch(self, choice: Choice, **more: Any) -> None:  # noqa: ANN401 (JSON)
        """Record a change of the mix, and what more is known of it."""
        self._append("switch", choice.step, {**switch_body(choice), **more})

    def flush(self) -> None:
        """Wait until the disk has everything recorded so far, and bring the public files up to date."""
        self.writer.flush()
        self._publish()

    def action(self, step: int, action: str, reason: str, **more: Any) -> None:  # noqa: ANN401 (JSON)
        """Record what was done about a verdict."""
        self.tell("action", step, {"action": action, "reason": reason, **more})

    def tell(self, kind: Kind, step: int, body: Mapping[str, Any]) -> None:
        """Record an event whose body is at hand."""
        self._append(kind, step, body)

    def checkpoint(self, parts: Resumable, state: Mapping[str, Any]) -> None:
        """Save a checkpoint, then say so; see the protocol in records/writer.py."""
        body = _checkpoint_body(state)
        self._save(parts, {**state, "tell": [["checkpoint", body]]})
        self.tell("checkpoint", int(state["step"]), body)
        self._thin_out(state)

    def pause(self, parts: Resumable, state: Mapping[str, Any]) -> None:
        """Save where an interrupted run is; no event tells of it, so a resumed run records what any other would."""
        if not (self.folder / CHECKPOINTS / _place(state).name).exists():
            self._save(parts, {**state, "tell": []})
        self._publish()
        self._beat("interrupted")

    def branch(
        self, parts: Resumable, state: Mapping[str, Any], *, base: Mapping[str, Any], told: Sequence[Told]
    ) -> None:
        """Leave the present way for that of the checkpoint with the state `base`, and tell what was done.

        From the moment the new checkpoint is there, whoever takes up the run goes the new way.
        """
        telling = [*base["tell"], *told, ("checkpoint", _checkpoint_body(state))]
        self.writer.flush()
        attempt = len(Run(path=self.folder).attempts()) + 1
        old = {"records": base["records"], "smma": base["smma"]}
        self._save(parts, {**state, **old, "tell": telling, "attempt": attempt})
        self.resume(read_state(self.folder / CHECKPOINTS / _place(state).name))
        self._publish()
        self._beat("running")

    def end(
        self, step: int, state: Literal["finished", "halted"], reason: str, *, gate_step: int | None
    ) -> None:
        """Record that the run is over."""
        self._gate_step = gate_step
        self._append("end", step, {"state": state, "reason": reason})
        self.writer.flush()
        self._publish()
        self._beat(state)

    def give_up(self, state: Literal["failed", "interrupted"]) -> None:
        """Say that this process stops without saving, if that can still be written: the disk may be full."""
        with suppress(StorageError):
            self._beat(state)

    def resume(self, state: Mapping[str, Any] | None) -> None:
        """Go back to the records of a checkpoint's state, or to the beginning; later records are told again.

        A roll back's checkpoint begins a new attempt, unless that was begun before.
        """
        if state is None:
            self.writer.rewind(BEGINNING)
            return
        cursor: Cursor = state["records"]
        is_begun = len(Run(path=self.folder).attempts()) >= state.get("attempt", 0)
        self.writer.rewind(cursor, replay=is_begun)
        told = ((event.step, event.text("verdict")) for event in Run(path=self.folder).events("verdict"))
        self._verdicts = [(step, kind) for step, kind in told if step <= int(state["step"])]
        self._gate_step = state["gate"]["heartbeat"]
        self._averages = [Smma.from_state(one) for one in state["smma"]]
        for kind, body in state["tell"]:
            self.tell(kind, int(state["step"]), body)
        self._thin_out(state)

    def curve(self, step: int) -> Curve:
        """Return the losses up to a step, as if the mix had never changed: a harder source is no divergence."""
        records = Run(path=self.folder).snapshot()
        rows = records.steps()
        rows = rows[(rows["step"] <= step) & (rows["targets"] > 0)]
        probes = tuple(read_probe(one.step, one.body) for one in records.events("probe") if one.step <= step)
        return Curve(steps=rows["step"], losses=fixed_mix_losses(rows), probes=probes)

    def _save(self, parts: Resumable, state: Mapping[str, Any]) -> None:
        whole = {
            "records": self.writer.cursor(),
            "smma": [average.state() for average in self._averages],
            **state,
        }
        save_checkpoint(self.folder / CHECKPOINTS / _place(state).name, parts, whole)

    def _thin_out(self, state: Mapping[str, Any]) -> None:
        shelf = read_shelf(self.folder)
        kept = names_to_keep(
            shelf,
            retention=self._retention,
            sound_step=state["sound_step"],
            targets=state["spent"]["targets"],
            verdicts=changes(self._verdicts),
        )
        thin_out(self.folder, kept={one.path.name for one in shelf} if is_kept(self.folder) else kept)

    def _publish(self) -> None:
        self._public.write()
        write_mix(self.folder, self._mix())

    def _append(self, kind: Kind, step: int, body: Mapping[str, Any], **clock: Any) -> None:  # noqa: ANN401 (JSON)
        self.writer.append(Event(kind=kind, step=step, body=body, clock=clock))

    def _beat(self, state: Pulse) -> None:
        self._since_heartbeat = 0.0
        self.writer.heartbeat(state=state, gate_step=self._gate_step)


def _place(state: Mapping[str, Any]) -> Place:
    return Place(len(state["spent"]["targets"]), int(state["step"]))


def _checkpoint_body(state: Mapping[str, Any]) -> dict[str, Any]:
    name = _place(state).name
    return {"path": f"{CHECKPOINTS}/{name}", "sound": state["is_sound"], "best": state["best"]}


def switch_body(choice: Choice) -> dict[str, Any]:
    """Return what the record says of a change of the mix."""
    return {
        "cause": choice.kind,
        "reason": choice.reason,
        "shares": dict(choice.shares),
        "evidence": dict(choice.evidence),
    }


def memory_bytes() -> int:
    """Return the most memory this process has held so far: on the GPU if it uses one, else resident."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
