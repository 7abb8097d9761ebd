"""The public live files: takes a run's records, gives loss.json and samples.json, which follow from them alone.

Both hold no times, so a run that was killed and resumed publishes the same bytes as an undisturbed one.
"""

from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from twosignal.records.columns import Rows, source_column, sources_of
from twosignal.records.events import Event
from twosignal.records.reader import Run, Snapshot
from twosignal.records.smoothing import Series, bits_per_byte, perplexity, random_chance, smma
from twosignal.records.storage import write_json_atomic

MAX_POINTS: Final = 2000
MAX_SAMPLES: Final = 500
_SAMPLE_FIELDS: Final = ("tier", "action", "domain", "source")


def write_public(folder: Path) -> None:
    """Write loss.json and samples.json into a run folder, each at once; raise RunError or StorageError."""
    records = Run(path=folder).snapshot()
    write_json_atomic(folder / "loss.json", loss_json(folder.name, records))
    write_json_atomic(folder / "samples.json", samples_json(records))


def loss_json(run_id: str, records: Snapshot) -> dict[str, object]:
    """Return the run's losses; `loss`, `ppl` and `bits_per_byte` are of the last step with targets.

    Every loss is in nats per target, and null before there is one. `smma` is over 100 steps. A step
    without targets has no loss and no point; a loss that is not finite is a point, and says so.
    """
    start = next(records.events("start"), None)
    rows = records.steps()
    told = np.flatnonzero(rows["targets"])
    losses: Series = rows["loss_sum"][told] / rows["targets"][told]
    averages = smma(losses)
    shown = thin(losses)
    points = zip(
        rows["step"][told[shown]].tolist(), losses[shown].tolist(), averages[shown].tolist(), strict=True
    )
    loss = float(losses[-1]) if len(losses) else None
    return {
        "run": run_id,
        "model": start.text("model") if start else None,
        "step": int(rows["step"][-1]) if len(rows) else 0,
        "loss": loss,
        "smma": float(averages[-1]) if len(averages) else None,
        "ppl": None if loss is None else perplexity(loss),
        "bits_per_byte": _bits_per_byte(rows[told[-1]]) if len(told) else None,
        "random_chance": random_chance(int(start.number("vocab"))) if start else None,
        "by_source": {name: _source_json(rows, name) for name in sources_of(rows.dtype.names or ())},
        "points": [list(point) for point in points],
    }


def samples_json(records: Snapshot) -> list[dict[str, object]]:
    """Return what the model said by itself, newest first, at most 500; what was not recorded is null."""
    return [_sample_json(event) for event in islice(records.newest_events("sample"), MAX_SAMPLES)]


def thin(values: npt.ArrayLike, *, limit: int = MAX_POINTS) -> npt.NDArray[np.intp]:
    """Return ascending indexes of at most `limit` values that show the same curve, shape [at most limit].

    First and last are kept, and the lowest and highest of every stretch, so a spike of one step
    survives; a value that is not finite counts as the highest. (MinMax downsampling.)
    """
    series = np.asarray(values, dtype=np.float64)
    if len(series) <= limit:
        return np.arange(len(series))
    edges = np.linspace(0, len(series), (limit - 2) // 2 + 1).astype(np.intp)
    height = np.where(np.isfinite(series), series, np.inf)
    kept = {0, len(series) - 1}
    for first, behind in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        stretch = height[first:behind]
        kept |= {first + int(stretch.argmin()), first + int(stretch.argmax())}
    return np.array(sorted(kept))


def _bits_per_byte(row: np.void) -> float | None:
    return bits_per_byte(float(row["loss_sum"]), int(row["bytes"])) if row["bytes"] else None


def _source_json(rows: Rows, source: str) -> dict[str, object]:
    """Return one source's losses over the steps in which it had targets."""
    targets = rows[source_column("targets", source)]
    told = np.flatnonzero(targets)
    losses: Series = rows[source_column("loss_sum", source)][told] / targets[told]
    return {
        "loss": float(losses[-1]) if len(losses) else None,
        "smma": float(smma(losses)[-1]) if len(losses) else None,
        "steps": len(told),
        "tokens": int(rows[source_column("tokens", source)].sum()),
    }


def _sample_json(event: Event) -> dict[str, object]:
    body = event.body
    loss = body["loss"]
    ppl = perplexity(loss) if isinstance(loss, (int, float)) else None
    return {
        "step": event.step,
        "prompt": body["prompt"],
        "text": body["text"],
        "loss": loss,
        "ppl": body.get("ppl", ppl),
        **{name: body.get(name) for name in _SAMPLE_FIELDS},
        "scores": body.get("scores", {}),
        "copied": body.get("copied", {}),
    }
