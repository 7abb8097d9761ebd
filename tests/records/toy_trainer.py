"""A trainer without a network: takes a folder of runs, gives a run whose numbers follow from a seed alone.

Run as a program it trains until it is done or killed: `python toy_trainer.py RUNS_DIR STEPS PAUSE_SECONDS`.
"""

import json
import sys
import time
from datetime import datetime
from pathlib import Path

from twosignal.records.columns import Column
from twosignal.records.events import Event
from twosignal.records.public import write_public
from twosignal.records.writer import BEGINNING, Cursor, RunWriter

COLUMNS = (
    Column(name="loss_sum", unit="nats"),
    Column(name="targets", dtype="<i8"),
    Column(name="bytes", dtype="<i8"),
    Column(name="loss_sum[books]", unit="nats"),
    Column(name="targets[books]", dtype="<i8"),
    Column(name="tokens[books]", dtype="<i8"),
)
EVERY = 4
NOW = datetime(2026, 1, 2, 3, 4, 5)


def train(
    runs_dir: Path, *, steps: int = 10, pause: float = 0.0, seed: int = 1, publish: bool = True
) -> Path:
    """Train to the end, from the newest checkpoint if there is one, and return the run folder.

    Without `publish` the last replacement of heartbeat and public files is left out.
    """
    with open_writer(runs_dir) as writer:
        writer.session(versions={"toy": "1"})
        state, done = resume(writer, steps, seed)
        for step in range(done + 1, steps + 1):
            state = one_step(writer, step, state)
            time.sleep(pause)
        writer.append(Event(kind="end", step=steps, body={"state": "finished"}))
        if publish:
            writer.heartbeat(state="finished")
            write_public(writer.path)
        return writer.path


def open_writer(runs_dir: Path) -> RunWriter:
    """Reopen the one run of a folder, or make it."""
    found = [path for path in runs_dir.glob("toy-*") if path.is_dir()]
    if found:
        return RunWriter.reopen(found[0])
    return RunWriter.create(runs_dir, "toy", run_toml='[run]\nname = "toy"\n', columns=COLUMNS, now=NOW)


def resume(writer: RunWriter, steps: int, seed: int) -> tuple[int, int]:
    """Restore the newest checkpoint, or begin; return the state and the steps done."""
    checkpoints = sorted((writer.path / "checkpoints").glob("step-*"))
    if not checkpoints:
        writer.rewind(BEGINNING)
        body = {"model": "toy", "vocab": 256, "steps": steps, "sources": ["books"]}
        writer.append(Event(kind="start", step=0, body=body))
        return seed, 0
    saved = json.loads((checkpoints[-1] / "state.json").read_text())
    writer.rewind(saved["records"])
    tell_checkpoint(writer, saved["step"])
    return saved["state"], saved["step"]


def one_step(writer: RunWriter, step: int, state: int) -> int:
    """Record a step, its sample and its checkpoint; return the next state."""
    state = (state * 1103515245 + 12345) % 2**31
    loss = 8 * state / 2**31
    numbers = {"loss_sum": loss, "targets": 2, "bytes": 7}
    numbers |= {"loss_sum[books]": loss, "targets[books]": 2, "tokens[books]": 3}
    speed = {"seconds": time.time(), "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 5}
    writer.step_row(step, numbers, clock=speed)
    if step % 2 == 0:
        sample = {"prompt": "Say", "text": f"word {state}", "source": "books", "loss": loss}
        writer.append(Event(kind="sample", step=step, body=sample))
    if step % EVERY == 0:
        save(writer.path, step, state, writer.cursor())
        tell_checkpoint(writer, step)
        writer.heartbeat(state="running")
        write_public(writer.path)
    return state


def save(run: Path, step: int, state: int, cursor: Cursor) -> None:
    """Write a checkpoint that appears whole or not at all."""
    folder = run / "checkpoints" / f"step-{step:08d}"
    partial = folder.with_name(f".{folder.name}.partial")
    partial.mkdir(exist_ok=True)
    saved = {"step": step, "state": state, "records": cursor, "files": {}}
    (partial / "state.json").write_text(json.dumps(saved))
    if not folder.exists():
        partial.rename(folder)


def tell_checkpoint(writer: RunWriter, step: int) -> None:
    """Record the checkpoint event of a step."""
    writer.append(Event(kind="checkpoint", step=step, body={"path": f"checkpoints/step-{step:08d}"}))


if __name__ == "__main__":
    train(Path(sys.argv[1]), steps=int(sys.argv[2]), pause=float(sys.argv[3]))
