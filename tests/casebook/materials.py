"""What a case is about, made real: takes the tables of a case file, gives run folders and files that commands read.

[run]      a recorded run: vocabulary, curve, probes, sources and shares, samples, findings, how it ended
[samples]  a samples.jsonl replayed from one of the stories of `tests/audits/replays`
[files]    files by name, as they are
weights    files with a tensor in them, so that a folder looks like a model's
[grades]   what three blind readers give the run's samples, and sound and broken texts among them
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli_w
import torch
from safetensors.torch import save_file

from tests.audits import stories
from tests.audits.conftest import HEALTHY
from tests.audits.grading.conftest import by_sort, grade_all
from tests.end_to_end.toy import write_toy
from twosignal.audits.grading.bundle import Key
from twosignal.cli import main
from twosignal.records.columns import learning_columns, source_column, sources_of
from twosignal.records.events import Event
from twosignal.records.writer import RunWriter

NOW = datetime(2026, 5, 27, 12, 0, 0)
TARGETS = 8 * 1024
"""Targets of a step of the second story: eight rows of 1,024."""
BYTES_PER_TARGET = 4


def make(case: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Make what a case describes; return the words its commands may use in braces."""
    words = {"folder": str(folder), "runs": str(folder / "runs")}
    for name, content in case.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    if case.get("toy"):
        write_toy(folder)
    for name in case.get("weights", []):
        save_file({"lm_head.weight": torch.zeros(1, 1)}, folder / name)
    if "samples" in case:
        words["samples"] = str(stories.written(case["samples"]["story"], folder / "samples.jsonl"))
    if "run" in case:
        run = recorded(case["run"], folder / "runs")
        words["run"] = str(run)
        if "grades" in case:
            grade(run, case["grades"])
    return words


def grade(run: Path, table: Mapping[str, int]) -> None:
    """Let three people grade a run blindly, by what each item is: a sample, a sound text, a broken one."""
    assert main(["grade", "export", str(run)]) == 0
    folder = next(path.parent for path in (run / "grading").glob("*/key.json"))
    key = Key.from_bytes((folder / "key.json").read_bytes(), where="key.json")
    for name in ("Ada", "Ben", "Cleo"):
        file = run.parent / f"{name}.json"
        file.write_bytes(grade_all(key, by_sort(**table), grader=name).to_bytes())
        assert main(["grade", "import", str(run), str(file)]) == 0


def recorded(table: Mapping[str, Any], runs: Path) -> Path:
    """Record a run as a trainer would have."""
    shares: dict[str, float] = table.get("shares", {})
    told = sorted(_told(table), key=lambda event: event.step)
    columns = learning_columns(shares)
    config = table.get("config", {})
    with RunWriter.create(runs, "case", run_toml=tomli_w.dumps(config), columns=columns, now=NOW) as writer:
        writer.append(_start(table, shares))
        names = [column.name for column in columns]
        for step, numbers in _steps(table, names):
            while told and told[0].step < step:
                writer.append(told.pop(0))
            writer.step_row(step, numbers, clock=dict.fromkeys(_CLOCK, 1.0) | {"memory_bytes": 0})
        for event in told:
            writer.append(event)
        writer.flush()
        return writer.path


_CLOCK = ("seconds", "tokens_per_second", "targets_per_second")


def _start(table: Mapping[str, Any], shares: Mapping[str, float]) -> Event:
    body = {
        "model": "andrea-120m",
        "vocab": table.get("vocab", 8449),
        "steps": table.get("planned", 200_000),
        "sources": list(shares),
        "shares": dict(shares),
        "random_chance": table.get("random_chance", 9.0418),
        **table.get("start", {}),
    }
    return Event(kind="start", step=0, body=body)


def _steps(table: Mapping[str, Any], names: list[str]) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the recorded steps: every `every`-th of the curve, each row's source by the shares, or as the case says."""
    for step, loss, targets, norm in table.get("rows", []):
        numbers: dict[str, float] = dict.fromkeys(names, 0)
        yield int(step), numbers | _amounts(loss, int(targets)) | {"gradient_norm": norm}
    curve: list[list[float]] = table.get("curve", [])
    every = table.get("every", 100)
    sources = table.get("cycle", sources_of(names))
    drawn: dict[str, int] = table.get("drawn", {})
    if not curve:
        return
    first, last = int(curve[0][0]), int(curve[-1][0])
    for step in [*range(first, last, every), last]:
        loss = stories.loss_at(curve, step) if step > 0 else curve[0][1]
        numbers = dict.fromkeys(names, 0)
        numbers |= _amounts(loss, TARGETS) | {"gradient_norm": 1.0, "learning_rate": 1e-4, "rows": 8}
        chosen = str(drawn.get(str(step), sources[step // every % len(sources)] if sources else ""))
        if chosen:
            each = _amounts(loss, TARGETS) | {"rows": 8}
            numbers |= {
                source_column(name, chosen): value
                for name, value in each.items()
                if source_column(name, chosen) in names
            }
        yield step, numbers


def _amounts(loss: float, targets: int) -> dict[str, float]:
    amounts = {"targets": targets, "bytes": targets * BYTES_PER_TARGET, "tokens": targets}
    return {"loss_sum": loss * targets, **amounts}


def _told(table: Mapping[str, Any]) -> Iterator[Event]:
    for sample in table.get("samples", []):
        yield Event(kind="sample", step=sample["step"], body=_sample(sample))
    for step, loss in table.get("probes", []):
        body = {"loss": loss, "by_source": {}}
        yield Event(kind="probe", step=int(step), body=body)
    for event in table.get("events", []):
        body = {name: value for name, value in event.items() if name not in ("kind", "step")}
        yield Event(kind=event["kind"], step=event["step"], body=body)


def _sample(table: Mapping[str, Any]) -> dict[str, Any]:
    text = table.get("text", "")
    if "healthy" in table:
        text = HEALTHY[table["healthy"]]
    if "loop" in table:
        text = str(table["loop"]) * int(table.get("times", 140))
    domain = table.get("domain", table.get("source", "general"))
    given = {"prompt": "", "source": domain, "domain": domain, "loss": None}
    given |= {
        name: value for name, value in table.items() if name not in ("step", "healthy", "loop", "times")
    }
    return given | {"text": text}
