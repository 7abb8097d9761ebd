"""Runs at a glance: takes a folder of runs, gives a `RunSummary` of each, thousands within a second."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import twosignal.records.folder as places
from twosignal.errors import RunError
from twosignal.records.catalogue import Catalogue
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
    reason: str | None = None
    """Why, in the gate's words; None before the first."""
    attempt: int = 0
    """How often the run has left the path of its earlier records."""
    started: float | None = None
    """Unix time of the start event in seconds."""
    updated: float | None = None
    """Unix time of the last sign of life in seconds."""
    kept: bool = False
    """Whether somebody marked the run to be kept whole."""


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Return a summary of every run under `runs_dir`, by name; a damaged run is listed as such.

    Only runs whose files have changed since the last listing are read.
    """
    catalogue = Catalogue(runs_dir)
    found = [_known(Run(path=path), catalogue) for path in run_folders(runs_dir)]
    catalogue.save()
    return found


def summary_of(run: Run) -> RunSummary:
    """Return the summary of one run, read from its records."""
    try:
        return replace(_summary(run), kept=places.is_kept(run.path))
    except RunError:
        return RunSummary(id=run.id, state="damaged")


def _known(run: Run, catalogue: Catalogue) -> RunSummary:
    def find() -> dict[str, Any]:
        return asdict(summary_of(run))

    summary = RunSummary(**catalogue.facts(run.path, find))
    # A process can die, and a mark be set, without a change to any record.
    if summary.state == "running":
        summary = replace(summary, state=_state(run))
    kept = places.is_kept(run.path)
    return summary if summary.kept == kept else replace(summary, kept=kept)


def _state(run: Run) -> State | Literal["damaged"]:
    try:
        return run.state
    except RunError:
        return "damaged"


def _summary(run: Run) -> RunSummary:
    records = run.snapshot()
    start = next(records.events("start"), None)
    probe, verdict = records.last_event("probe"), records.last_event("verdict")
    rows = records.steps()
    last = rows[-1] if len(rows) else None
    beat = places.read_heartbeat(run.path)
    return RunSummary(
        id=run.id,
        state=run.state,
        steps=0 if last is None else int(last["step"]),
        planned_steps=int(start.number("steps")) if start else None,
        loss=float(last["loss_sum"] / last["targets"]) if last is not None and last["targets"] else None,
        probe=probe.number("loss") if probe else None,
        verdict=verdict.text("verdict") if verdict else None,
        reason=verdict.text("reason") if verdict else None,
        attempt=len(records.journal.forks),
        started=_time(start),
        updated=beat.time if beat else _time(start),
    )


def _time(event: Event | None) -> float | None:
    time = event.clock.get("time") if event else None
    return float(time) if isinstance(time, (int, float)) else None
