"""Kills a writer again and again while reading its run: `python kill_trial.py RUNS_DIR KILLS SECONDS`; or only reads it:
`python kill_trial.py RUNS_DIR watch`, until it has finished.

Takes a folder, gives one line of JSON: kills, steps and polls. Every life of the writer
is forked from this process, which reads the run until the blow and checks it after. A fault ends it with its words.
"""

import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

import toy_trainer  # type: ignore[import-not-found]

from twosignal.records.columns import read_rows
from twosignal.records.reader import Run
from twosignal.records.steplog import StepLog, live_rows
from twosignal.records.verify import verify
from twosignal.records.writer import RunWriter

ACKNOWLEDGED = struct.Struct("<qq")
SEED = 1


class Expected:
    """The losses of the toy trainer, by step."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self._state = SEED

    def first(self, count: int) -> list[float]:
        """Return those of the first steps."""
        while len(self.losses) < count:
            self._state = (self._state * 1103515245 + 12345) % 2**31
            self.losses.append(8 * self._state / 2**31)
        return self.losses[:count]


def live(runs_dir: Path, shared: mmap.mmap) -> None:
    """Be the writer: train, and log beside it, until killed; say how far it got after every step."""
    one_step = toy_trainer.one_step
    log = StepLog(runs_dir / "loop.bin", ["loss", "rate", "norm"])
    logged = [len(read_rows(log.path))]

    def acknowledged(writer: RunWriter, step: int, state: int) -> int:
        # Before the step, whose checkpoint may be what the next life goes on from.
        log(step, step, step / 2, step / 4)
        logged[0] += 1
        state = int(one_step(writer, step, state))
        shared[:16] = ACKNOWLEDGED.pack(step, logged[0])
        return state

    toy_trainer.one_step = acknowledged
    toy_trainer.train(runs_dir, steps=10**9, seed=SEED, publish=False)


def look(runs_dir: Path, expected: Expected, *, at_least: int) -> int:
    """Read the run as it stands, check what is shown, and return the last step."""
    found = list(runs_dir.glob("toy-*"))
    if not found:
        assert at_least == 0, "the run is gone"
        return 0
    records = Run(path=found[0]).snapshot()
    rows = records.steps()
    assert rows["step"].tolist() == list(range(1, len(rows) + 1)), "steps are missing or doubled"
    assert rows["loss_sum"].tolist() == expected.first(len(rows)), "a row is torn"
    assert len(rows) >= at_least, f"step {at_least} was told, and {len(rows)} are shown"
    for event in records.newest_events("sample"):
        assert event.text("text").startswith("word "), "an event is torn"
        break
    return len(rows)


def look_at_log(path: Path, *, at_least: int) -> None:
    """Check that the log shows whole rows, each step once, up to the last told."""
    if not path.exists():
        return
    rows = read_rows(path)
    assert len(rows) >= at_least, f"{at_least} rows were logged, and {len(rows)} are there"
    rows = live_rows(rows)
    steps = rows["step"].tolist()
    assert steps == list(range(1, len(steps) + 1)), "steps of the log are missing or doubled"
    assert rows["norm"].tolist() == [step / 4 for step in steps], "a row of the log is torn"


def one_life(runs_dir: Path, shared: mmap.mmap, expected: Expected, seconds: float) -> int:
    """Let the writer live for a while, reading meanwhile; return how often."""
    writer = os.fork()
    if writer == 0:
        live(runs_dir, shared)
        os._exit(1)
    polls, end = 0, time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            told, _ = ACKNOWLEDGED.unpack(shared[:16])
            look(runs_dir, expected, at_least=told)
            look_at_log(runs_dir / "loop.bin", at_least=0)
            polls += 1
            time.sleep(seconds / 5)
    finally:
        os.kill(writer, signal.SIGKILL)
        _, status = os.waitpid(writer, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, f"the writer ended by itself: {status}"
    return polls


def main(runs_dir: Path, kills: int, seconds: float) -> None:
    """Kill so often; each life is as long by chance, `seconds` on average."""
    shared, expected, chance = mmap.mmap(-1, 16), Expected(), random.Random(0)
    polls = 0
    for _ in range(kills):
        polls += one_life(runs_dir, shared, expected, chance.uniform(0, 2 * seconds))
        told, logged = ACKNOWLEDGED.unpack(shared[:16])
        shown = look(runs_dir, expected, at_least=told)
        look_at_log(runs_dir / "loop.bin", at_least=logged)
        for found in runs_dir.glob("toy-*"):
            assert not (faults := verify(Run(path=found)).faults), faults
    (path,) = runs_dir.glob("toy-*")
    attempts = len(Run(path=path).attempts())
    print(json.dumps({"kills": kills, "steps": shown, "polls": polls, "attempts": attempts}))


def watch(runs_dir: Path) -> None:
    """Read the run as fast as can be, its chain included, until it has finished."""
    expected, looks, shown, is_over = Expected(), 0, 0, False
    while not is_over:
        found = list(runs_dir.glob("toy-*"))
        is_over = bool(found) and Run(path=found[0]).state == "finished"
        shown = look(runs_dir, expected, at_least=shown)
        for path in found:
            assert not (faults := verify(Run(path=path)).faults), faults
        looks += 1
    print(json.dumps({"looks": looks, "steps": shown}))


if __name__ == "__main__":
    if sys.argv[2] == "watch":
        watch(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
