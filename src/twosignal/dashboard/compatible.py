"""What other boards of this kind read: takes the runs, gives losses, samples, checkpoints and system in their shapes."""

from typing import Any, Final

import numpy as np

from twosignal.dashboard.buckets import width_for
from twosignal.dashboard.checkpoints import checkpoint_list
from twosignal.dashboard.series import bucket_steps
from twosignal.dashboard.shelf import Shelf
from twosignal.dashboard.view import RunView
from twosignal.errors import RunError

MOST_POINTS: Final = 4000
MOST_SAMPLES: Final = 500


def loss_counts(shelf: Shelf) -> dict[str, Any]:
    """Return how many losses every run has, those that run apart from those that are over."""
    counts: dict[str, dict[str, int]] = {"live": {}, "saved": {}}
    for view in shelf.views():
        try:
            with view.lock:
                view.refresh()
                kind = "live" if view.state() == "running" else "saved"
                counts[kind][view.id] = view.track().count
        except RunError:
            continue
    return counts


def loss_points(view: RunView) -> dict[str, Any]:
    """Return [step, loss] of a run, at most 4,000 of them: the lowest and highest of every stretch, in step order."""
    track = view.track()
    span = range(track.count)
    width = width_for(span, limit=MOST_POINTS // 2)
    buckets = view.curves.buckets("loss", track, width=width, span=span)
    steps = np.asarray(bucket_steps(view, track, width=width, span=span), dtype=np.int64)
    points = [
        [step, value]
        for step, low, high in zip(steps.tolist(), buckets.low.tolist(), buckets.high.tolist(), strict=True)
        for value in ([low] if low == high else [low, high])
        if value == value
    ]
    return {"model": view.id, "points": points, "count": len(points)}


def sample_texts(view: RunView) -> dict[str, Any]:
    """Return the newest samples, newest first, at most 500; a loss that is not finite is null."""
    numbers = view.notes.lines("sample", view.track())[::-1][:MOST_SAMPLES]
    return {
        "samples": [
            {"step": event.step, "text": event.body.get("text"), "loss": _finite(event.body.get("loss"))}
            for event in view.tail.events(numbers)
        ]
    }


def all_checkpoints(shelf: Shelf) -> dict[str, Any]:
    """Return the checkpoints of all runs."""
    found = []
    for view in shelf.views():
        try:
            with view.lock:
                view.refresh()
                told = checkpoint_list(view)["checkpoints"]
        except RunError:
            continue
        found += [
            {
                "model": view.id,
                "step": one["step"],
                "path": f"{view.id}/{one['path']}",
                "size_bytes": one["size_bytes"],
                "type": "best" if one["best"] else "checkpoint",
            }
            for one in told
        ]
    return {"checkpoints": found}


def system_figures(told: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the machine under the names that other boards know; null where there is no sensor."""
    host, gpu = told["host"], (told["gpus"] or [{}])[0]
    return {
        "gpu_util": gpu.get("utilization"),
        "gpu_mem_used": gpu.get("memory_used"),
        "gpu_mem_total": gpu.get("memory_total"),
        "gpu_power_w": gpu.get("power_w"),
        "gpu_power_limit_w": gpu.get("power_limit_w"),
        "gpu_temp_c": gpu.get("temperature_c"),
        "cpu_load_1m": host["load"][0] if host["load"] else None,
        "cpu_cores": host["cores"],
        "mem_used": host["memory_used"],
        "mem_total": host["memory_total"],
    }


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else None
