"""Logging a step: takes three numbers a step, gives microseconds and bytes of ours and of other trackers.

    python bench/records.py [--steps 200000] [--rounds 5] [--runs 2000]

All are measured in one run, in turns, on the disk of `--folder`: the median stretch of 500 steps in the quickest round,
each round of new files, since other programs only ever add waiting. Ours, the bare write, JSON and SQLite have given a
step to the system when the call returns, so a killed process loses nothing; TensorBoard, tensorboardX and Trackio keep it
in a queue for a while. They take part where they are installed. `computed` is the time that the calling thread spent in a
call, system calls included, and `in files` is until all is written. Behind the table: how long listing runs takes.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import sqlite3
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from twosignal.records.columns import Column
from twosignal.records.events import Event
from twosignal.records.listing import list_runs
from twosignal.records.steplog import StepLog
from twosignal.records.writer import RunWriter

NAMES = ("loss", "learning_rate", "gradient_norm")
SLOW_STEPS = 2_000
"""Steps for those that take longer than 100 microseconds each."""
STRETCH = 500
"""Steps that are timed together; the median of these is what other programs disturb least."""
Log = Callable[[int], object]


@contextmanager
def ours(folder: Path) -> Iterator[Log]:
    """Log with `StepLog`."""
    with StepLog(folder / "steps.bin", NAMES) as log:
        yield lambda step: log(step, 2.5, 0.001, 0.75)


@contextmanager
def whole_run(folder: Path) -> Iterator[Log]:
    """Record with `RunWriter`: loss, targets and bytes, and four numbers of the clock, in two files."""
    columns = [
        Column(name="loss_sum"),
        Column(name="targets", dtype="<i8"),
        Column(name="bytes", dtype="<i8"),
    ]
    clock = {"seconds": 0.5, "tokens_per_second": 9.0, "targets_per_second": 5.0, "memory_bytes": 1}
    with RunWriter.create(folder, "bench", run_toml="", columns=columns, now=datetime.now()) as writer:
        yield lambda step: writer.step_row(
            step + 1, {"loss_sum": 2.5, "targets": 8, "bytes": 30}, clock=clock
        )


@contextmanager
def bare(folder: Path) -> Iterator[Log]:
    """Write four packed numbers by one system call: what no log can be faster than."""
    descriptor = os.open(folder / "bare.bin", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    pack, write = struct.Struct("<Ifff").pack, os.write
    yield lambda step: write(descriptor, pack(step, 2.5, 0.001, 0.75))
    os.close(descriptor)


@contextmanager
def json_lines(folder: Path) -> Iterator[Log]:
    """Write a line of JSON, flushed."""
    with (folder / "steps.jsonl").open("w", buffering=1) as file:

        def log(step: int) -> None:
            file.write(
                json.dumps({"step": step, "loss": 2.5, "learning_rate": 0.001, "gradient_norm": 0.75}) + "\n"
            )

        yield log


@contextmanager
def sqlite(folder: Path) -> Iterator[Log]:
    """Insert a row a step into SQLite with a write-ahead log, committed each."""
    base = sqlite3.connect(folder / "steps.db", isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=NORMAL")
    base.execute("CREATE TABLE steps (step INTEGER PRIMARY KEY, loss REAL, rate REAL, norm REAL)")
    yield lambda step: base.execute("INSERT INTO steps VALUES (?, 2.5, 0.001, 0.75)", (step,))
    base.close()


@contextmanager
def tensorboard(folder: Path) -> Iterator[Log]:
    """Log three scalars with TensorBoard's own writer, asynchronous and flushed every 120 s."""
    event_pb2 = importlib.import_module("tensorboard.compat.proto.event_pb2")
    summary_pb2 = importlib.import_module("tensorboard.compat.proto.summary_pb2")
    module = importlib.import_module("tensorboard.summary.writer.event_file_writer")
    writer = module.EventFileWriter(str(folder))

    def log(step: int) -> None:
        for name, value in zip(NAMES, (2.5, 0.001, 0.75), strict=True):
            summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=name, simple_value=value)])
            writer.add_event(event_pb2.Event(wall_time=time.time(), step=step, summary=summary))

    yield log
    writer.close()


@contextmanager
def tensorboardx(folder: Path) -> Iterator[Log]:
    """Log three scalars with tensorboardX."""
    writer = importlib.import_module("tensorboardX").SummaryWriter(str(folder))

    def log(step: int) -> None:
        for name, value in zip(NAMES, (2.5, 0.001, 0.75), strict=True):
            writer.add_scalar(name, value, step)

    yield log
    writer.close()


@contextmanager
def trackio(folder: Path) -> Iterator[Log]:
    """Log a dictionary with Trackio, whose threads write it into SQLite later."""
    module = importlib.import_module("trackio")
    module.init(project="bench", name=folder.name)
    yield lambda step: module.log({"loss": 2.5, "learning_rate": 0.001, "gradient_norm": 0.75}, step=step)
    module.finish()


PEERS: dict[str, tuple[Callable[[Path], Any], str | None]] = {
    "twosignal StepLog": (ours, None),
    "one bare write": (bare, None),
    "JSON line, flushed": (json_lines, None),
    "SQLite, WAL, a commit each": (sqlite, None),
    "tensorboard": (tensorboard, "tensorboard"),
    "tensorboardX": (tensorboardx, "tensorboardX"),
    "trackio": (trackio, "trackio"),
    "twosignal RunWriter, 7 numbers": (whole_run, None),
}


def measure(peer: Callable[[Path], Any], folder: Path, steps: int) -> tuple[float, float, float, float]:
    """Return microseconds a call, those of them that the calling thread computed, until all is in files, and bytes a step."""
    folder.mkdir()
    with peer(folder) as log:
        for step in range(steps // 100):
            log(step)
        computed = time.thread_time()
        began = time.perf_counter()
        called = [stretch(log, first) for first in range(steps // 100, steps, STRETCH)]
        computed = time.thread_time() - computed
    closed = time.perf_counter() - began
    written = [
        path for place in (folder, folder.parent / "trackio") for path in place.rglob("*") if path.is_file()
    ]
    num_bytes = sum(path.stat().st_size for path in written)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(folder.parent / "trackio", ignore_errors=True)
    done = STRETCH * len(called)
    per_step = num_bytes / (done + steps // 100)
    return 1e6 * statistics.median(called) / STRETCH, 1e6 * computed / done, 1e6 * closed / done, per_step


def stretch(log: Log, first: int) -> float:
    """Return the seconds that some steps in a row take."""
    began = time.perf_counter()
    for step in range(first, first + STRETCH):
        log(step)
    return time.perf_counter() - began


def list_many(folder: Path, count: int) -> list[tuple[float, float]]:
    """Return the seconds that listing `count` runs takes at first, and again, each with those of them computed."""
    seed = folder / "seed"
    with RunWriter.create(seed, "bench", run_toml="", columns=_run_columns(), now=datetime.now()) as writer:
        body = {"model": "m", "vocab": 256, "steps": 1000, "sources": []}
        writer.append(Event(kind="start", step=0, body=body))
        clock = {"seconds": 0.5, "tokens_per_second": 9.0, "targets_per_second": 5.0, "memory_bytes": 1}
        for step in range(1, 1001):
            writer.step_row(step, {"loss_sum": 2.5, "targets": 8, "bytes": 30}, clock=clock)
            if step % 10 == 0:
                sample = {"prompt": "Say", "text": "word " * 100, "source": "s", "loss": 2.0}
                writer.append(Event(kind="sample", step=step, body=sample))
        writer.heartbeat(state="finished")
    for number in range(count):
        shutil.copytree(writer.path, folder / "runs" / f"bench-{number:05}")
    seconds = []
    for _ in range(4):
        began, computed = time.perf_counter(), time.process_time()
        assert len(list_runs(folder / "runs")) == count
        seconds.append((time.perf_counter() - began, time.process_time() - computed))
    return [seconds[0], min(seconds[1:])]


def _run_columns() -> list[Column]:
    return [Column(name="loss_sum"), Column(name="targets", dtype="<i8"), Column(name="bytes", dtype="<i8")]


def is_there(module: str | None) -> bool:
    """Return whether a package can be imported; none is always there."""
    try:
        return module is None or importlib.import_module(module) is not None
    except ImportError:
        return False


def main() -> int:
    """Measure everything and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {options.rounds} rounds of {options.steps:,} steps, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        # Trackio reads its folder from the environment as it is imported, and looks for the hub unless told not to.
        os.environ.update(TRACKIO_DIR=str(folder / "trackio"), HF_HUB_OFFLINE="1")
        present = {label: peer for label, (peer, module) in PEERS.items() if is_there(module)}
        for label in PEERS:
            if label not in present:
                print(f"{label} is not installed and takes no part")
        slow = {"tensorboard", "tensorboardX", "trackio", "SQLite, WAL, a commit each"}
        found: dict[str, list[tuple[float, float, float, float]]] = {label: [] for label in present}
        for number in range(options.rounds):
            for label, peer in present.items():
                steps = min(options.steps, SLOW_STEPS) if label in slow else options.steps
                found[label].append(
                    measure(peer, folder / f"{number}-{len(found[label])}-{label[:4].strip()}", steps)
                )
        print(f"{'':32} {'us a call':>10} {'computed':>10} {'in files':>10} {'bytes a step':>13}")
        for label, figures in found.items():
            module = PEERS[label][1]
            version = f" {importlib.metadata.version(module)}" if module else ""
            call, computed, step, size = (min(column) for column in zip(*figures, strict=True))
            print(f"{label + version:32} {call:10.2f} {computed:10.2f} {step:10.2f} {size:13.1f}")
        first, again = (
            f"{took:.2f} s ({computed:.2f} computed)" for took, computed in list_many(folder, options.runs)
        )
        print(f"{options.runs:,} runs of 1,000 steps and 100 samples: listed in {first}, then in {again}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
