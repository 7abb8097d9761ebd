"""A run folder for training under a host: takes its steps and findings, gives the records that `twosignal audit` reads."""

import math
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from twosignal.audits.finding import Finding
from twosignal.callbacks.step import HostStep
from twosignal.records.columns import learning_columns
from twosignal.records.events import Event
from twosignal.records.public import write_public
from twosignal.records.writer import RunWriter

NAME = "host"
"""What the run is called where the host's model has no name."""


class HostFolder:
    """Writes one training of a host as a run."""

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer
        self._began = time.perf_counter()

    @classmethod
    def create(cls, runs: Path, model: Any, *, steps: int) -> Self:  # noqa: ANN401 (a foreign model)
        """Make a run folder in `runs` and open it; raise StorageError where it cannot be written."""
        writer = RunWriter.create(runs, NAME, run_toml="", columns=learning_columns([]), now=datetime.now())
        config = model.config.get_text_config()
        body = {
            "model": str(getattr(config, "name_or_path", "") or config.model_type),
            "vocab": int(config.vocab_size),
            "steps": steps,
            "sources": [],
            "random_chance": math.log(config.vocab_size),
            "unigram_loss": math.nan,
        }
        writer.append(Event(kind="start", step=0, body=body))
        writer.heartbeat(state="running")
        return cls(writer)

    def step(self, figures: HostStep, step: int, *, learning_rate: float) -> None:
        """Record the numbers of a step; bytes are not known, and the norm is behind the host's clipping."""
        seconds, self._began = time.perf_counter() - self._began, time.perf_counter()
        norm, tokens = figures.gradient_norm, figures.total("tokens")
        numbers = {
            "loss_sum": figures.all_loss,
            "targets": figures.all_targets,
            "bytes": 0,
            "gradient_norm": math.nan if norm is None else norm,
            "learning_rate": learning_rate,
            "rows": figures.total("rows"),
            "tokens": tokens,
        }
        clock = {
            "seconds": seconds,
            "tokens_per_second": tokens / seconds,
            "targets_per_second": figures.all_targets / seconds,
            "memory_bytes": 0,
        }
        self._writer.step_row(step, numbers, clock=clock)

    def finding(self, finding: Finding) -> None:
        """Record a finding."""
        self._writer.append(Event(kind="finding", step=finding.steps[-1], body=finding.as_dict()))

    def end(self, step: int, state: Literal["finished", "halted"], reason: str) -> None:
        """Record that the training is over."""
        self._writer.append(Event(kind="end", step=step, body={"state": state, "reason": reason}))
        self._writer.flush()
        write_public(self._writer.path)
        self._writer.heartbeat(state=state)

    def close(self) -> None:
        """Release the folder."""
        self._writer.close()
