"""Runs for the pages: takes numbers, gives run folders as a trainer would leave them."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from twosignal.dashboard.app import dashboard_app
from twosignal.dashboard.guard import Door
from twosignal.records.columns import learning_columns
from twosignal.records.events import Event
from twosignal.records.writer import Cursor, RunWriter

SOURCES = ("books", "chat")
HOSTILE = "</script><script>alert(1)</script> \ud800 \U0001f600 tail"
RUN_TOML = """
[run]
name = "toy"
[model]
preset = "tiny"
[sources.books]
path = "books.txt"
[sources.chat]
path = "chat.jsonl"
[curriculum]
warmup = 10
"""
CLOCK = {"seconds": 0.5, "tokens_per_second": 200.0, "targets_per_second": 100.0, "memory_bytes": 1 << 20}


def begin(runs_dir: Path, *, name: str = "toy", steps: int = 100) -> RunWriter:
    """Return the writer of a new run with its start event."""
    columns = learning_columns(SOURCES)
    writer = RunWriter.create(runs_dir, name, run_toml=RUN_TOML, columns=columns, now=datetime(2026, 1, 2))
    body = {
        "model": "tiny",
        "vocab": 256,
        "steps": steps,
        "sources": list(SOURCES),
        "random_chance": math.log(256),
        "parameters": 1000,
        "shares": {"books": 0.75, "chat": 0.25},
    }
    writer.append(Event(kind="start", step=0, body=body))
    return writer


def numbers(loss: float, *, targets: int = 10) -> dict[str, float]:
    """Return the numbers of a step of `loss` nats per target, half of it each source's."""
    whole: dict[str, float] = {
        "loss_sum": loss * targets,
        "targets": targets,
        "bytes": 4 * targets,
        "gradient_norm": 1.0,
        "learning_rate": 0.01,
        "rows": 2,
        "tokens": 2 * targets,
    }
    for source in SOURCES:
        whole |= {
            f"loss_sum[{source}]": loss * targets / 2,
            f"targets[{source}]": targets // 2,
            f"bytes[{source}]": 2 * targets,
            f"tokens[{source}]": targets,
        }
    return whole


def tell(writer: RunWriter, losses: Mapping[int, float]) -> None:
    """Record steps."""
    for step, loss in losses.items():
        writer.step_row(step, numbers(loss), clock=CLOCK)


def sample(step: int, text: str = "A plain sentence of the toy model.", **more: object) -> Event:
    """Return a sample event."""
    body = {
        "prompt": "Say something.",
        "text": text,
        "source": "chat",
        "loss": 1.5,
        "tier": "imprecise",
        "action": "ACCEPT_WITH_NOTE",
        "domain": "talk",
        "scores": {"total": 60.0},
        "copied": None,
    }
    return Event(kind="sample", step=step, body=body | more)


def probe(step: int, books: float, chat: float) -> Event:
    """Return a probe event; both sources have as many targets."""
    by_source = {
        "books": {"loss": books, "targets": 10, "bytes": 40},
        "chat": {"loss": chat, "targets": 10, "bytes": 40},
    }
    return Event(kind="probe", step=step, body={"loss": (books + chat) / 2, "by_source": by_source})


def verdict(step: int, kind: str = "continue", reason: str = "all is well") -> Event:
    """Return a verdict event."""
    return Event(
        kind="verdict", step=step, body={"verdict": kind, "reason": reason, "rule": "", "evidence": {}}
    )


def finish(writer: RunWriter, step: int, state: str = "finished") -> Path:
    """End the run and return its folder."""
    writer.append(Event(kind="end", step=step, body={"state": state, "reason": "it was told to"}))
    writer.heartbeat(state="halted" if state == "halted" else "finished")
    writer.close()
    return writer.path


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """An empty folder of runs."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 100 steps with a spike at 77, a loss that is nan at 50, samples and probes every 20, one hostile."""
    folder = tmp_path_factory.mktemp("session") / "runs"
    folder.mkdir()
    writer = begin(folder)
    for step in range(1, 101):
        loss = {50: math.nan, 77: 90.0}.get(step, 5.0 - step / 25)
        tell(writer, {step: loss})
        if step % 20 == 0:
            writer.append(probe(step, 4.0, 2.0))
            writer.append(sample(step))
            writer.append(sample(step, HOSTILE, loss=math.nan, scores={"total": 20.0}, domain="books"))
            writer.append(verdict(step))
    writer.append(verdict(100, "halt", "five strikes"))
    return finish(writer, 100, "halted")


@pytest.fixture
def client(finished_run: Path) -> Iterator[TestClient]:
    """A browser on the machine of the finished run."""
    app = dashboard_app(finished_run.parent, door=Door())
    with TestClient(app, base_url="http://127.0.0.1:8765") as browser:
        yield browser


def rolled_back(runs_dir: Path) -> Path:
    """Return a run that went to step 60, was taken back to step 40, and went on to step 80 with other losses."""
    writer = begin(runs_dir, name="back", steps=80)
    tell(writer, dict.fromkeys(range(1, 41), 3.0))
    writer.append(sample(40))
    cursor: Cursor = writer.cursor()
    tell(writer, dict.fromkeys(range(41, 61), 9.0))
    writer.append(sample(60, "Gone wrong, and thrown away."))
    writer.rewind(cursor, replay=False)
    tell(writer, dict.fromkeys(range(41, 81), 2.0))
    writer.append(sample(60, "Right this time."))
    return finish(writer, 80)
