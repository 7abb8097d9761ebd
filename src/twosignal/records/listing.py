"""Runs at a glance: takes a folder of runs, gives a `RunSummary` of each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from twosignal.errors import RunError
from twosignal.records.events import Event
from twosignal.records.reader import Run, State, run_folders


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of the list of runs."""

    id: str
    """Name of the run folder."""
    state: State | Literal["damaged"]
    """What the run is doing; `damaged` when its records cannot be read."""
    steps: int = 0
    """Last step done."""
    planned_steps: int | None = None
    """Steps it is to run; None before its start event."""
    loss: float | None = None
    """Loss of the last step in nats per target; nan where not finite, None without targets."""
    probe: float | None = None
    """Held-out loss of the last probe in nats per target; nan where not finite, None before the first."""
    verdict: str | None = None
    """Last verdict of the gate; None before the first."""
    started: float | None = None
    """Unix time of the start event in seconds."""


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Return a summary of every run under `runs_dir`, by name; a damaged run is listed as such."""
    return [_summary(Run(path=path)) for path in run_folders(runs_dir)]


def _summary(run: Run) -> RunSummary:
    try:
        records = run.snapshot()
        start = next(records.events("start"), None)
        probe, verdict = records.last_event("probe"), records.last_event("verdict")
        rows = records.steps()
        last = rows[-1] if len(rows) else None
        return RunSummary(
            id=run.id,
            state=run.state,
            steps=0 if last is None else int(last["step"]),
            planned_steps=int(start.number("steps")) if start else None,
            loss=float(last["loss_sum"] / last["targets"]) if last is not None and last["targets"] else None,
            probe=probe.number("loss") if probe else None,
            verdict=verdict.text("verdict") if verdict else None,
            started=_time(start),
        )
    except RunError:
        return RunSummary(id=run.id, state="damaged")


def _time(event: Event | None) -> float | None:
    time = event.clock.get("time") if event else None
    return float(time) if isinstance(time, (int, float)) else None
