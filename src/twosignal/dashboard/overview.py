"""A run at a glance: takes the view of a run, gives its line in the list of runs and its summary."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from twosignal.audits.tiers import stored_tiers
from twosignal.dashboard.buckets import Series, Values
from twosignal.dashboard.curves import Curves
from twosignal.dashboard.encoding import finite
from twosignal.dashboard.notes import EVENT_TITLES, Notes
from twosignal.dashboard.shelf import name_of
from twosignal.dashboard.timeline import marks, phases
from twosignal.dashboard.tracks import Track
from twosignal.dashboard.view import RunView
from twosignal.errors import RunError
from twosignal.records.folder import EVENTS, LEARNING
from twosignal.records.smoothing import smma

SPARK_POINTS: Final = 60
_SPARK_ROWS: Final = 64
"""Rows that one point of a sparkline is the mean of, at most."""
_NEAR: Final = 4096
"""Rows that decide an average over 100 steps: what came before them counts for less than 1e-17 of it."""
_UNKNOWN: Final[dict[str, Any]] = {
    "step": 0, "steps": None, "loss": None, "smma": None, "probe": None, "random_chance": None, "coherence": None,
    "verdict": None, "attempt": 0, "samples": 0, "started": None, "updated": None, "spark": [], "coherence_spark": [],
}  # fmt: skip


def run_line(view: RunView) -> dict[str, Any]:
    """Return a run's line in the list; a run that cannot be read says so in it."""
    try:
        with view.lock:
            view.refresh()
            return _line(view)
    except RunError as error:
        damaged = {"id": view.id, "name": name_of(view.id), "state": "damaged", "reason": str(error)}
        return _UNKNOWN | damaged


def run_summary(view: RunView) -> dict[str, Any]:
    """Return what a run's page shows beside its curves; raise RunError where the records cannot be read."""
    track, start, config = view.track(), view.notes.first("start"), view.run.config
    told: Mapping[str, Any] = start.body if start else {}
    last_step = _last_step(view.curves, track)
    return _line(view) | {
        "config": finite(config),
        "sources": told.get("sources", []),
        "attempts": [
            {"attempt": one.attempt, "parent": one.parent, "step": one.step} for one in view.tail.forks
        ],
        **{name: finite(told.get(name)) for name in ("model", "vocab", "parameters", "unigram_loss")},
        "phases": phases(config, last_step),
        "marks": marks(view.notes, track),
        "bands": finite([{"name": t.name, "below": t.below} for t in stored_tiers(config, where="run.toml")]),
        "series": series_names(view.curves, view.notes, track=track),
        "first_step": int(track.take(view.curves.learning, 0, 1)["step"].sum()),
        "last_step": last_step,
        "rows": track.count,
        "events": len(view.tail.lines),
    }


def series_names(curves: Curves, notes: Notes, *, track: Track) -> list[dict[str, str]]:
    """Return every series that a run has, with how it is called."""
    by_step = [
        {"name": one.name, "title": one.title, "unit": one.unit, "group": one.group, "every": "step"}
        for one in curves.formulas.values()
    ]
    by_event = []
    for name in notes.names(track):
        kind, _, source = name.partition("[")
        title, unit, group = EVENT_TITLES[kind]
        shown = f"{title} of {source[:-1]}" if source else title
        by_event.append({"name": name, "title": shown, "unit": unit, "group": group, "every": "event"})
    return by_step + by_event


def _line(view: RunView) -> dict[str, Any]:
    notes, curves, track = view.notes, view.curves, view.track()
    start, probe, verdict = notes.first("start"), notes.last("probe", track), notes.last("verdict", track)
    samples = notes.lines("sample", track)
    loss, average = _newest_losses(curves, track)
    line = {
        "id": view.id,
        "name": name_of(view.id),
        "state": view.state(),
        "step": _last_step(curves, track),
        "steps": start.body.get("steps") if start else None,
        "loss": loss,
        "smma": average,
        "probe": probe.body.get("loss") if probe else None,
        "random_chance": start.body.get("random_chance") if start else None,
        "coherence": _coherence(notes, samples, len(samples) - 1),
        "verdict": verdict.body.get("verdict") if verdict else None,
        "reason": verdict.body.get("reason") if verdict else None,
        "attempt": track.attempt,
        "samples": len(samples),
        "started": start.clock.get("time") if start else None,
        "updated": max((view.run.path / name).stat().st_mtime for name in (EVENTS, LEARNING)),
        "spark": _spark(curves, track),
        "coherence_spark": [_coherence(notes, samples, place) for place in _spread(len(samples))],
    }
    told: dict[str, Any] = finite(line)
    return told


def _last_step(curves: Curves, track: Track) -> int:
    return int(track.take(curves.learning, max(0, track.count - 1), track.count)["step"].sum())


def _losses(curves: Curves, track: Track, span: range) -> Values:
    rows = track.take(curves.learning, span.start, span.stop)
    return curves.formulas["loss"].values(rows, before=np.nan)


def _newest_losses(curves: Curves, track: Track) -> tuple[float | None, float | None]:
    """Return loss and average of the last step that had targets."""
    near = _losses(curves, track, range(max(0, track.count - _NEAR), track.count))
    told = near.values if near.present is None else near.values[near.present]
    averages = smma(told)
    loss = float(told[-1]) if len(told) else None
    return loss, float(averages[-1]) if len(told) and not np.isnan(averages[-1]) else None


def _spark(curves: Curves, track: Track) -> list[float | None]:
    """Return the course of the loss in few points, each the mean of some of the steps it stands for."""
    edges = np.linspace(0, track.count, min(SPARK_POINTS, track.count) + 1).astype(int).tolist()
    points: list[float | None] = []
    for first, stop in pairwise(edges):
        losses: Series = _losses(curves, track, range(first, min(stop, first + _SPARK_ROWS))).values
        whole = losses[np.isfinite(losses)]
        points.append(round(float(whole.mean()), 4) if len(whole) else None)
    return points


def _spread(count: int) -> list[int]:
    """Return at most 60 places of so many, evenly spread, the last among them."""
    return sorted(set(np.linspace(0, count - 1, min(SPARK_POINTS, count)).astype(int).tolist()))


def _coherence(notes: Notes, samples: Sequence[int], place: int) -> float | None:
    """Return the mean coherence of the sampling that holds the sample at a place."""
    lines = notes.tail.lines
    step = lines[samples[place]].step if samples else 0
    first = bisect_left(samples, step, key=lambda number: lines[number].step)
    stop = bisect_right(samples, step, key=lambda number: lines[number].step)
    told = [one for number in samples[first:stop] if (one := notes.sample(number).coherence) is not None]
    return round(sum(told) / len(told), 2) if told else None
