"""Kills a writer and a dashboard again and again: `python server_trial.py RUNS_DIR KILLS SECONDS`, tests/records in PYTHONPATH.

Takes a folder, gives one line of JSON: kills of each, steps and answers. Both are forked from this process, which asks the
server over its socket until the blow, and after it compares what the server says with the records, the writer dead
or held still. A fault ends it with its words.
"""

import http.client
import json
import mmap
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from kill_trial import ACKNOWLEDGED, Expected, live  # type: ignore[import-not-found]

from twosignal.audits.degeneration import score
from twosignal.dashboard.app import dashboard_app
from twosignal.dashboard.guard import Door
from twosignal.dashboard.serve import serve
from twosignal.dashboard.sockets import listen
from twosignal.records.folder import CLOCK, EVENTS, LEARNING
from twosignal.records.reader import Run
from twosignal.records.verify import verify

CHOICES = (("writer",), ("server",), ("writer", "server"))
TORN_LINE, TORN_ROW = b'{"kind":"sample","step":3,"attempt":0,"text":"wor', bytes(11)
SHOWN = 50
"""Newest steps and events that are compared one by one."""


def forked(work: Callable[[], object]) -> int:
    """Do something in a process of its own that does not end by itself, and return its id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    return pid


@dataclass(kw_only=True)
class Trial:
    """A writer, a server, and who asks it."""

    runs_dir: Path
    expected: Expected = field(default_factory=Expected)
    shared: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 16))
    pids: dict[str, int] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=lambda: {"writer": 0, "server": 0})
    port: int = 0
    answers: int = 0

    @property
    def told(self) -> int:
        """The last step that the writer said it had recorded."""
        return int(ACKNOWLEDGED.unpack(self.shared[:16])[0])

    def start(self, name: str) -> None:
        """Begin a life."""
        if name == "writer":
            self.pids[name] = forked(lambda: live(self.runs_dir, self.shared))
            return
        with listen("127.0.0.1", 0) as opened:
            self.port = opened.getsockname()[1]
            self.pids[name] = forked(lambda: serve(self.runs_dir, opened, door=Door()))

    def ask(self, path: str) -> dict[str, Any]:
        """Return the server's answer; raise OSError or HTTPException where it is killed meanwhile."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, f"{path}: {answer.status} {body[:300]!r}"
        self.answers += 1
        found: dict[str, Any] = json.loads(body)
        return found

    def look(self) -> tuple[str, int] | None:
        """Look at the newest steps as the server shows them, check them, and return run and rows; None without a run."""
        told, found = self.told, list(self.runs_dir.glob("toy-*"))
        if not found:
            assert told == 0, "the run is gone"
            return None
        run = found[0].name
        count = self.ask(f"/api/runs/{run}")["rows"]
        assert count >= told, f"step {told} was told, and {count} are shown"
        seen = self.ask(f"/api/runs/{run}/series?names=loss&width=1&from={max(1, count - SHOWN)}")
        steps = seen["steps"]
        last = max(steps, default=0)
        assert last >= count, f"{count} steps are counted, and the last one shown is {last}"
        assert steps == list(range(max(1, count - SHOWN), last + 1)), "steps are missing"
        losses = np.array(self.expected.first(last)[last - len(steps) :]) / 2
        assert np.allclose(seen["series"]["loss"]["last"], losses, rtol=1e-6), "a row is torn"
        return run, count

    def compare(self) -> None:
        """Check that the records are whole, and that the server says what they say."""
        found = self.look()
        if found is None:
            return
        run, count = found
        records = Run(path=self.runs_dir / run)
        assert not (faults := verify(records).faults), faults
        kept = records.snapshot()
        assert count == len(kept.steps()), f"{count} rows shown of {len(kept.steps())}"
        whole = self.ask(f"/api/runs/{run}/series?names=loss&buckets=20")["series"]["loss"]
        losses = np.array(self.expected.first(count)) / 2
        extremes = (min(whole["min"], default=0), max(whole["max"], default=0))
        assert np.allclose(
            extremes, (losses.min(initial=9), losses.max(initial=0)) if count else 0, rtol=1e-6
        )
        events = self.ask(f"/api/runs/{run}/events?newest=1&limit={SHOWN}")["events"]
        told = [(one["kind"], one["step"], one["body"]) for one in events[::-1]]
        assert told == [(one.kind, one.step, dict(one.body)) for one in list(kept.events())[-SHOWN:]], (
            "other events"
        )
        texts = self.ask(f"/api/runs/{run}/samples?heads=1")["head"]
        assert texts == [one.text("text") for one in kept.events("sample")], "other samples"

    def round(self, names: tuple[str, ...], seconds: float) -> None:
        """Let both live for a while, kill some of them, compare, and let all live again."""
        victims = [self.pids.pop(name) for name in names]
        killer = forked(lambda: strike(victims, seconds))
        while os.waitpid(killer, os.WNOHANG) == (0, 0):
            try:
                self.look()
            except (OSError, http.client.HTTPException):
                assert "server" in names, "the server ended by itself"
        for name, pid in zip(names, victims, strict=True):
            assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL, f"the {name} ended by itself"
            self.kills[name] += 1
            if name == "writer":
                tear(self.runs_dir)
        if "server" in names:
            self.start("server")
        if "writer" not in names:
            os.kill(self.pids["writer"], signal.SIGSTOP)
            assert os.WIFSTOPPED(os.waitpid(self.pids["writer"], os.WUNTRACED)[1])
        self.compare()
        if "writer" in names:
            self.start("writer")
        else:
            os.kill(self.pids["writer"], signal.SIGCONT)


def strike(victims: list[int], seconds: float) -> None:
    """Kill processes after a while."""
    time.sleep(seconds)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)


def tear(runs_dir: Path) -> None:
    """Leave the beginning of a line and of a row behind the whole ones, which a kill seldom hits upon."""
    for run in runs_dir.glob("toy-*"):
        for name, piece in ((EVENTS, TORN_LINE), (LEARNING, TORN_ROW), (CLOCK, TORN_ROW)):
            with (run / name).open("ab") as file:
                file.write(piece)


def main(runs_dir: Path, kills: int, seconds: float) -> None:
    """Kill so often in all; the time between blows is by chance, `seconds` on average."""
    # What every server would load anew is loaded once, before the forks.
    score("A text.")
    uvicorn.Config(dashboard_app(runs_dir, door=Door()), ws="none").load()
    os.nice = lambda _: 0  # A server at the lowest priority would make this a test of patience.
    trial, chance = Trial(runs_dir=runs_dir), random.Random(0)
    try:
        trial.start("server")
        trial.start("writer")
        while sum(trial.kills.values()) < kills:
            trial.round(chance.choice(CHOICES), chance.uniform(0, 2 * seconds))
        steps = trial.told
    finally:
        for pid in trial.pids.values():
            os.kill(pid, signal.SIGKILL)
    print(json.dumps({**trial.kills, "steps": steps, "answers": trial.answers}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
