"""Run folders made by hand: takes losses and events, gives a folder as a trainer would have left it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from twosignal.records.columns import learning_columns
from twosignal.records.events import Event
from twosignal.records.writer import RunWriter

REPLAYS = Path(__file__).parent / "replays"
CLOCK = {"seconds": 1.0, "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 0}
START = {"model": "tiny", "vocab": 8449, "steps": 1000, "sources": []}
ROWS = 16
TARGETS = 100


def write_run(
    runs: Path,
    events: Sequence[Event],
    *,
    losses: Mapping[int, float] | None = None,
    rows: Mapping[int, Mapping[str, int]] | None = None,
    run_toml: str = "",
) -> Path:
    """Return a run folder with `losses` by step, the rows that each source gave at a step, and events in step order."""
    by_source = rows or {}
    sources = list(dict.fromkeys(name for given in by_source.values() for name in given))
    told = losses or {}
    writer = RunWriter.create(
        runs, "made", run_toml=run_toml, columns=learning_columns(sources), now=datetime(2026, 1, 1)
    )
    with writer:
        waiting = sorted(events, key=lambda event: event.step)
        for step in sorted(told.keys() | by_source.keys()):
            while waiting and waiting[0].step < step:
                writer.append(waiting.pop(0))
            writer.step_row(
                step, _numbers(told.get(step, 2.0), by_source.get(step, {}), sources), clock=CLOCK
            )
        for event in waiting:
            writer.append(event)
        writer.flush()
        writer.heartbeat(state="finished")
    return writer.path


def start(**body: Any) -> Event:
    return Event(kind="start", step=0, body=START | body)


def sample(step: int, text: str, **body: Any) -> Event:
    told = {"prompt": "say", "text": text, "source": "chat", "loss": 1.0, "tokens": 90}
    return Event(kind="sample", step=step, body=told | body)


def probe(step: int, loss: float) -> Event:
    by_source = {"chat": {"loss": loss, "targets": TARGETS, "bytes": 4 * TARGETS}}
    return Event(kind="probe", step=step, body={"loss": loss, "by_source": by_source})


def audit_window(runs: Path) -> Path:
    """Return the published window of 112,000 steps as a run folder."""
    told = json.loads((REPLAYS / "audit_window.json").read_text(encoding="utf-8"))
    whole = sum(told["weights"].values())
    shares = {name: weight / whole for name, weight in told["weights"].items()}
    samples = [Event(kind="sample", step=one.pop("step"), body=one) for one in told["samples"]]
    steps = range(told["first_step"], told["last_step"] + 1)
    return write_run(
        runs,
        [
            start(vocab=told["vocabulary"], sources=list(shares), shares=shares),
            *(probe(step, loss) for step, loss in told["held_out"]),
            *samples,
        ],
        losses=dict.fromkeys(steps, 2.0),
        rows={step: _dealt(shares, step) for step in steps},
        run_toml="\n".join(f'[sources.{name}]\npath = "{name}"' for name in shares),
    )


def _dealt(shares: Mapping[str, float], step: int) -> dict[str, int]:
    """Return the rows of a step when each source gets its share to within one row."""
    return {name: int(share * ROWS * (step + 1)) - int(share * ROWS * step) for name, share in shares.items()}


def _numbers(loss: float, rows: Mapping[str, int], sources: Sequence[str]) -> dict[str, float]:
    numbers: dict[str, float] = {
        "loss_sum": loss * TARGETS,
        "targets": TARGETS,
        "bytes": 400,
        "gradient_norm": 1.0,
        "learning_rate": 1e-3,
        "rows": sum(rows.values()) or ROWS,
        "tokens": TARGETS,
    }
    for name in sources:
        count = rows.get(name, 0)
        numbers |= {f"loss_sum[{name}]": loss * count, f"targets[{name}]": count, f"bytes[{name}]": count}
        numbers[f"tokens[{name}]"] = count
    return numbers
