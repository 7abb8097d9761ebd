"""From what happens to what is written: takes figures, probes, samples and verdicts, gives the run folder's records."""

import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import tokenizers
import torch
import transformers

from twosignal.audits.finding import Finding, Verdict
from twosignal.errors import StorageError
from twosignal.records.columns import source_column
from twosignal.records.events import Event, Kind
from twosignal.records.folder import Pulse
from twosignal.records.public import write_public
from twosignal.records.smoothing import PERIODS, Smma
from twosignal.records.storage import write_json_atomic
from twosignal.records.writer import BEGINNING, Cursor, RunWriter
from twosignal.train.checkpoint import Resumable, checkpoint_path, save_checkpoint, thin_out
from twosignal.train.loss import Tally
from twosignal.train.step import StepFigures

HEARTBEAT_SECONDS = 5.0


class Recorder:
    """Writes one run's records, in an order that a resumed run repeats exactly."""

    def __init__(
        self, writer: RunWriter, *, sources: Sequence[str], shares: Mapping[str, float], keep: int
    ) -> None:
        self.writer = writer
        self._sources = list(sources)
        self._shares = dict(shares)
        self._keep = keep
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

    def probe(self, step: int, loss: float, by_source: Mapping[str, Tally]) -> None:
        """Record the held-out losses of a step."""
        body = {
            "loss": loss,
            "by_source": {
                name: {"loss": tally.mean, "targets": tally.count, "bytes": tally.num_bytes}
                for name, tally in by_source.items()
            },
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

    def finding(self, step: int, finding: Finding) -> None:
        """Record a finding."""
        self._append("finding", step, finding.as_dict())

    def action(self, step: int, action: str, reason: str) -> None:
        """Record what was done about a verdict."""
        self._append("action", step, {"action": action, "reason": reason})

    def checkpoint(self, parts: Resumable, state: Mapping[str, Any]) -> None:
        """Save a checkpoint, then say so; see the protocol in records/writer.py."""
        step = int(state["step"])
        self._save(step, parts, {**state, "told": True})
        self.told_checkpoint(step)
        thin_out(self.folder, keep=self._keep, best=state["best_step"])

    def told_checkpoint(self, step: int) -> None:
        """Record that the checkpoint of a step exists."""
        self._append("checkpoint", step, {"path": f"checkpoints/{checkpoint_path(self.folder, step).name}"})

    def pause(self, parts: Resumable, state: Mapping[str, Any]) -> None:
        """Save where an interrupted run is; no event tells of it, so a resumed run records what any other would."""
        step = int(state["step"])
        if not checkpoint_path(self.folder, step).exists():
            self._save(step, parts, {**state, "told": False})
        self._publish()
        self._beat("interrupted")

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
        """Go back to the records of a checkpoint's state, or to the beginning; later records are told again."""
        if state is None:
            self.writer.rewind(BEGINNING)
            return
        cursor: Cursor = state["records"]
        self.writer.rewind(cursor)
        self._gate_step = state["gate"]["heartbeat"]
        self._averages = [Smma.from_state(one) for one in state["smma"]]
        if state["told"]:
            self.told_checkpoint(int(state["step"]))

    def _save(self, step: int, parts: Resumable, state: Mapping[str, Any]) -> None:
        whole = {
            **state,
            "records": self.writer.cursor(),
            "smma": [average.state() for average in self._averages],
        }
        save_checkpoint(checkpoint_path(self.folder, step), parts, whole)

    def _publish(self) -> None:
        write_public(self.folder)
        write_json_atomic(self.folder / "bandit.json", {"shares": self._shares})

    def _append(self, kind: Kind, step: int, body: Mapping[str, Any], **clock: Any) -> None:  # noqa: ANN401 (JSON)
        self.writer.append(Event(kind=kind, step=step, body=body, clock=clock))

    def _beat(self, state: Pulse) -> None:
        self._since_heartbeat = 0.0
        self.writer.heartbeat(state=state, gate_step=self._gate_step)


def memory_bytes() -> int:
    """Return the most memory this process has held so far: on the GPU if it uses one, else resident."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
