"""The public live files: takes a run's records and its mix, gives loss.json, samples.json and bandit.json.

The first two follow from the records alone. None holds times, so a run that was killed and resumed publishes the same
bytes as an undisturbed one.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import twosignal.records.folder as places
from twosignal.records.columns import read_rows, sources_of
from twosignal.records.curve import LossCurve
from twosignal.records.events import Event, decode_event
from twosignal.records.journal import lines_behind
from twosignal.records.reader import Run, Snapshot
from twosignal.records.smoothing import perplexity, random_chance
from twosignal.records.storage import write_json_atomic

MAX_SAMPLES: Final = 500
_SAMPLE_FIELDS: Final = ("tier", "action", "domain", "source")


class PublicFiles:
    """loss.json and samples.json of a run that goes on: a writing costs by what was recorded since the one before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num_rows = self._num_bytes = 0
        self._start: Event | None = None
        self._probe: Event | None = None
        self._curve = LossCurve([])
        self._samples: deque[dict[str, object]] = deque(maxlen=MAX_SAMPLES)

    def write(self) -> None:
        """Bring both files up to date, each at once; raise RunError or StorageError."""
        # Rows are read first, so that every attempt among them has its fork among the lines.
        rows = read_rows(self._folder / places.LEARNING)
        lines = lines_behind(self._folder / places.EVENTS, self._num_bytes)
        events = _events(lines) if self._start is not None else None
        if events is None:
            self._begin_anew()
        else:
            self._curve.feed(rows[self._num_rows :])
            self._num_rows = len(rows)
            self._num_bytes += sum(len(line) + 1 for line in lines)
            self._probe = next((event for event in reversed(events) if event.kind == "probe"), self._probe)
            self._samples.extendleft(_sample_json(event) for event in events if event.kind == "sample")
        told = _loss_json(self._folder.name, self._start, self._curve, probe=self._probe)
        write_json_atomic(self._folder / "loss.json", told)
        write_json_atomic(self._folder / "samples.json", list(self._samples))

    def _begin_anew(self) -> None:
        """Read all records: at first, and where the run has left the path of its earlier ones."""
        records = Run(path=self._folder).snapshot()
        self._num_rows, self._num_bytes = len(records.rows), records.journal.num_bytes
        self._start = next(records.events("start"), None)
        self._probe = records.last_event("probe")
        self._curve = _curve(records)
        self._samples = deque(samples_json(records), maxlen=MAX_SAMPLES)


def write_public(folder: Path) -> None:
    """Write loss.json and samples.json into a run folder, each at once; raise RunError or StorageError."""
    PublicFiles(folder).write()


def loss_json(run_id: str, records: Snapshot) -> dict[str, object]:
    """Return the run's losses; `loss`, `ppl` and `bits_per_byte` are of the last step with targets.

    Every loss is in nats per target, and null before there is one. `smma` is over 100 steps. A step
    without targets has no loss and no point; a loss that is not finite is a point, and says so. `probe` is the newest
    held-out loss of the target and `mix_adjusted` that of all sources, each mixed by weights that never move; `mix` tells
    learning from composition in the newest change of the training loss.
    """
    start, probe = next(records.events("start"), None), records.last_event("probe")
    return _loss_json(run_id, start, _curve(records), probe=probe)


def write_mix(folder: Path, mix: Mapping[str, object]) -> None:
    """Write bandit.json: the run's id and what the curriculum reports, its step included; raise StorageError."""
    write_json_atomic(folder / "bandit.json", {"run": folder.name, **mix})


def samples_json(records: Snapshot) -> list[dict[str, object]]:
    """Return what the model said by itself, newest first, at most 500; what was not recorded is null."""
    return [_sample_json(event) for event in islice(records.newest_events("sample"), MAX_SAMPLES)]


def _curve(records: Snapshot) -> LossCurve:
    rows = records.steps()
    curve = LossCurve(sources_of(rows.dtype.names or ()))
    curve.feed(rows)
    return curve


def _events(lines: Sequence[bytes]) -> list[Event] | None:
    """Return the events of some lines; None where one is a fork, or damaged and needs its number to be told."""
    try:
        return [decode_event(json.loads(line)) for line in lines]
    except (ValueError, KeyError, TypeError):
        return None


def _loss_json(
    run_id: str, start: Event | None, curve: LossCurve, *, probe: Event | None
) -> dict[str, object]:
    told, held_out = curve.report(), probe.body if probe else {}
    return {
        "run": run_id,
        "model": start.text("model") if start else None,
        **{name: told[name] for name in ("step", "loss", "smma", "ppl", "bits_per_byte")},
        "random_chance": random_chance(int(start.number("vocab"))) if start else None,
        "probe": held_out.get("loss"),
        "mix_adjusted": held_out.get("mix_adjusted"),
        "mix": held_out.get("mix"),
        "by_source": told["by_source"],
        "points": told["points"],
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
