"""What a run saved: takes its folder and events, gives its checkpoints with sizes and what both signals said of them."""

from pathlib import Path
from typing import Any

from twosignal.dashboard.encoding import finite
from twosignal.dashboard.view import RunView
from twosignal.records.saved import place_of, saved_checkpoints


def checkpoint_list(view: RunView) -> dict[str, Any]:
    """Return the checkpoints that are there, oldest first; the one of lowest held-out loss is the best."""
    track = view.track()
    probes = {event.step: event.body.get("loss") for event in view.notes.events("probe", track)}
    coherence = view.notes.series("coherence", track)
    totals = dict(zip(coherence.steps, coherence.buckets.last.tolist(), strict=True))
    verdicts = {event.step: event.body.get("verdict") for event in view.notes.events("verdict", track)}
    found: list[dict[str, Any]] = [
        {
            "step": (step := place.step if (place := place_of(path.name)) else 0),
            "path": f"checkpoints/{path.name}",
            "size_bytes": folder_bytes(path),
            "time": path.stat().st_mtime,
            "probe": probes.get(step),
            "coherence": totals.get(step),
            "verdict": verdicts.get(step),
            "best": False,
        }
        for path in saved_checkpoints(view.run.path)
    ]
    measured = [one for one in found if isinstance(one["probe"], float) and one["probe"] == one["probe"]]
    if measured:
        min(measured, key=lambda one: one["probe"])["best"] = True
    return {
        "run": view.id,
        "checkpoints": finite(found),
        "total_bytes": sum(one["size_bytes"] for one in found),
    }


def folder_bytes(path: Path) -> int:
    """Return the size of the files in a folder; a file that vanishes meanwhile counts for nothing."""
    total = 0
    for file in path.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total
