"""How fast the dashboard answers, and what it hides: takes a size of run, gives times, spikes shown, and cost to training.

    python bench/dashboard.py [--steps 1000000 10000000] [--samples 20000] [--viewers 50] [--peers PYTHON --peer-steps 100000]

Times are of the server: the whole way of a request through guard, routes and JSON, without the network, as wall time and
as processor time of the process; the second depends little on who else uses the machine. Every request asks for another
stretch of steps, so that none is answered from what was kept; "first ever" is a server that has just started and has read
nothing ahead. Ten steps of each run have a loss of 50 against 2: at every zoom, those that lie in the shown stretch are
looked for among the drawn maxima. The peers are run by a Python that has trackio and tensorboard, on the same losses.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import psutil

from twosignal.dashboard.app import dashboard_app
from twosignal.dashboard.guard import Door
from twosignal.records.columns import learning_columns, read_header
from twosignal.records.events import Event
from twosignal.records.writer import RunWriter

SOURCES = ("books", "chat", "code", "web")
SPIKES = 10
CHUNK = 100_000
TRAIN = """
import sys, time
from pathlib import Path
import numpy as np
from twosignal.records.writer import RunWriter
from twosignal.records.columns import CLOCK_COLUMNS
folder, steps = Path(sys.argv[1]), int(sys.argv[2])
writer = RunWriter.reopen(folder)
names = [n for n in writer._learning.names if n not in ("step", "attempt")]
clock = {column.name: 1 for column in CLOCK_COLUMNS}
weights = np.random.default_rng(0).normal(size=(400, 400)).astype(np.float32)
began, cpu = time.perf_counter(), time.process_time()
for step in range(1, steps + 1):
    for _ in range(4):
        np.tanh(weights @ weights)
    writer.step_row(step, dict.fromkeys(names, 1), clock=clock)
    if step % 50 == 0:
        writer.heartbeat(state="running")
print(time.perf_counter() - began, time.process_time() - cpu)
writer.close()
"""
PEERS = """
import json, sys, time, os, tempfile
losses = json.load(open(sys.argv[1]))
out = {}
os.environ["TRACKIO_DIR"] = tempfile.mkdtemp()
try:
    import trackio
    from trackio.sqlite_storage import SQLiteStorage
    for at in range(0, len(losses), 20000):
        part = losses[at:at + 20000]
        SQLiteStorage.bulk_log("p", "r", [{"loss": x} for x in part], steps=list(range(at + 1, at + len(part) + 1)))
    began = time.perf_counter(); cpu = time.process_time()
    logs = SQLiteStorage.get_logs("p", "r", max_points=3000)
    told = [row["loss"] for row in logs if "loss" in row]
    spent = [time.perf_counter() - began, time.process_time() - cpu]
    out["trackio"] = [trackio.__version__, *spent, len(told), sum(x == 50 for x in told)]
except ImportError as error:
    out["trackio"] = str(error)
try:
    import tensorboard
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    folder = tempfile.mkdtemp()
    writer = EventFileWriter(folder, max_queue_size=10000)
    for step, loss in enumerate(losses, start=1):
        value = Summary.Value(tag="loss", simple_value=loss)
        writer.add_event(Event(step=step, wall_time=0.0, summary=Summary(value=[value])))
    writer.close()
    began = time.perf_counter(); cpu = time.process_time()
    board = EventAccumulator(folder, size_guidance={"scalars": 1000, "tensors": 1000}); board.Reload()
    told = [one.value for one in board.Scalars("loss")]
    spent = [time.perf_counter() - began, time.process_time() - cpu]
    out["tensorboard"] = [tensorboard.__version__, *spent, len(told), sum(x == 50 for x in told)]
except ImportError as error:
    out["tensorboard"] = str(error)
print(json.dumps(out))
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--steps", type=int, nargs="*", default=[1_000_000, 10_000_000], help="lengths of the runs"
    )
    parser.add_argument("--samples", type=int, default=20_000, help="samples of another run")
    parser.add_argument("--viewers", type=int, default=50, help="viewers of a live run; 0 leaves this out")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of trainings, with viewers and without")
    parser.add_argument("--requests", type=int, default=200, help="requests of each kind")
    parser.add_argument("--peers", help="a Python that has trackio and tensorboard")
    parser.add_argument("--peer-steps", type=int, default=100_000, help="length of the peers' run")
    options = parser.parse_args()
    print("| what | wall p50 | wall p95 | processor p50 | processor p95 |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for steps in options.steps:
            show_long_run(Path(place) / str(steps), steps, options.requests)
        show_samples(Path(place) / "samples", options.samples)
        if options.viewers:
            show_viewers(Path(place) / "live", options.viewers, options.rounds)
        if options.peers:
            show_peers(Path(place), options.peers, options.peer_steps)
    return 0


def losses_of(first: int, stop: int, *, steps: int) -> np.ndarray[Any, Any]:
    """Return the losses of steps `first` to `stop`, the same for everybody."""
    at = np.arange(first, stop)
    losses = 2 + np.random.default_rng(first).normal(0, 0.1, len(at))
    losses[np.isin(at, spikes_of(steps))] = 50.0
    return losses


def spikes_of(steps: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(steps).choice(np.arange(1, steps + 1), SPIKES, replace=False)


def make_run(runs_dir: Path, steps: int) -> Path:
    """Write a run as a trainer of 4 sources would have, without training."""
    writer = RunWriter.create(
        runs_dir, "long", run_toml="", columns=learning_columns(SOURCES), now=datetime(2026, 1, 1)
    )
    body = {"model": "m", "vocab": 32000, "steps": steps, "sources": list(SOURCES), "random_chance": 10.37}
    writer.append(Event(kind="start", step=0, body=body))
    writer.heartbeat(state="finished")
    writer.close()
    learning, clock = writer.path / "steps/learning.bin", writer.path / "steps/clock.bin"
    with learning.open("ab") as numbers, clock.open("ab") as timing:
        for first in range(1, steps + 1, CHUNK):
            stop = min(first + CHUNK, steps + 1)
            rows = np.zeros(stop - first, read_header(learning).dtype)
            rows["step"], rows["targets"] = np.arange(first, stop), 4096
            rows["loss_sum"] = losses_of(first, stop, steps=steps) * 4096
            rows["bytes"] = 16000
            for source in SOURCES:
                rows[f"targets[{source}]"], rows[f"loss_sum[{source}]"] = 1024, rows["loss_sum"] / 4
            numbers.write(rows.tobytes())
            ticks = np.zeros(stop - first, read_header(clock).dtype)
            ticks["step"], ticks["seconds"] = rows["step"], 0.1
            timing.write(ticks.tobytes())
    return writer.path


class Server:
    """The application, asked directly."""

    def __init__(self, runs_dir: Path) -> None:
        self.app = dashboard_app(runs_dir, door=Door())
        self.loop = asyncio.new_event_loop()
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def get(self, path: str, *, tag: str = "") -> tuple[int, dict[bytes, bytes], bytes]:
        """Answer one request and note how long it took."""
        began, cpu = time.perf_counter(), time.process_time()
        answer = self.loop.run_until_complete(self._get(path, tag))
        self.wall.append(time.perf_counter() - began)
        self.cpu.append(time.process_time() - cpu)
        return answer

    async def _get(self, path: str, tag: str) -> tuple[int, dict[bytes, bytes], bytes]:
        address, _, query = path.partition("?")
        headers = [(b"host", b"127.0.0.1"), *([(b"if-none-match", tag.encode())] if tag else [])]
        scope = {"type": "http", "method": "GET", "path": address, "raw_path": quote(address).encode(), "headers": headers,
                 "query_string": query.encode(), "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 1),
                 "root_path": ""}  # fmt: skip
        scope["client"] = (f"10.0.{len(self.wall) // 200}.1", 1)
        told: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            told.append(message)

        await self.app(scope, receive, send)
        return told[0]["status"], dict(told[0]["headers"]), b"".join(one.get("body", b"") for one in told[1:])

    def show(self, what: str) -> None:
        """Print a line of the table and forget the times."""
        cells = " | ".join(
            f"{1e3 * one:.2f} ms" for times in (self.wall, self.cpu) for one in (middle(times), high(times))
        )
        print(f"| {what} | {cells} |", flush=True)
        self.wall.clear()
        self.cpu.clear()


def middle(times: list[float]) -> float:
    return statistics.median(times)


def high(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(0.95 * len(times)))]


def show_long_run(runs_dir: Path, steps: int, requests: int) -> None:
    """Print the times of one long run, and how many of its spikes are seen."""
    runs_dir.mkdir(parents=True)
    run = make_run(runs_dir, steps).name
    server = Server(runs_dir)
    base = f"/api/runs/{run}/series?names=loss&buckets=2000"
    server.get(base)
    server.show(f"{steps:,} steps: first series ever")
    for number in range(requests):
        server.get(f"{base}&from={number + 1}")
    server.show(f"{steps:,} steps: loss, whole run")
    rng = np.random.default_rng(0)
    for first in rng.integers(1, steps - 3000, requests).tolist():
        server.get(f"{base}&from={first}&to={first + 1999}")
    server.show(f"{steps:,} steps: loss, zoomed in to single steps")
    server.get(f"/api/runs/{run}/series?names=smma100,bits_per_byte&buckets=2000")
    server.wall.clear()
    server.cpu.clear()
    for number in range(requests):
        server.get(f"/api/runs/{run}/series?names=loss,smma100,bits_per_byte&buckets=2000&from={number + 1}")
    server.show(f"{steps:,} steps: three series, whole run")
    tag = server.get(base)[1][b"etag"].decode()
    server.wall.clear()
    server.cpu.clear()
    assert all(server.get(base, tag=tag)[0] == 304 for _ in range(requests))
    server.show(f"{steps:,} steps: idle poll (304)")
    seen, zooms = count_spikes(server, run, steps)
    print(f"\nspikes of one step seen: {seen} of {SPIKES} at each of {zooms} zooms\n", flush=True)


def count_spikes(server: Server, run: str, steps: int) -> tuple[int, int]:
    """Return the fewest spikes seen at any zoom, as if all were in view, and how many zooms were tried."""
    fewest, zooms = SPIKES, 0
    for buckets in (10, 100, 800, 4000):
        for span in zoom_spans(steps):
            zooms += 1
            seen = 0
            for spike in spikes_of(steps).tolist():
                first = max(1, spike - span // 3)
                path = f"/api/runs/{run}/series?names=loss&buckets={buckets}&from={first}&to={first + span}"
                told = json.loads(server.get(path)[2])
                place = int(np.searchsorted(told["steps"], spike))
                seen += told["series"]["loss"]["max"][place] == 50.0
            fewest = min(fewest, seen)
    return fewest, zooms


def zoom_spans(steps: int) -> Iterator[int]:
    span = steps
    while span >= 10:
        yield span
        span //= 8


def show_samples(runs_dir: Path, count: int) -> None:
    """Print how long the list of many samples takes."""
    runs_dir.mkdir(parents=True)
    writer = RunWriter.create(
        runs_dir, "talker", run_toml="", columns=learning_columns(SOURCES), now=datetime(2026, 1, 1)
    )
    writer.append(Event(kind="start", step=0, body={"model": "m", "vocab": 9, "steps": count, "sources": []}))
    text = "the quick brown fox jumps over the lazy dog and " * 10
    for number in range(count):
        body = {"prompt": "Say.", "text": f"{number} {text}", "source": SOURCES[number % 4], "loss": 1.5, "tier": "imprecise",
                "action": "ACCEPT", "domain": "d", "scores": {"total": 60.0}, "copied": None}  # fmt: skip
        writer.append(Event(kind="sample", step=100 * (1 + number // 8), body=body))
    server = Server(runs_dir)
    path = f"/api/runs/{writer.path.name}/samples"
    server.get(path)
    server.show(f"{count:,} samples: first list ever")
    for number in range(20):
        writer.append(Event(kind="sample", step=100 * count, body={**body, "text": str(number)}))
        listed = json.loads(server.get(path)[2])["count"]
    server.show(f"{count:,} samples: list after each new one")
    print(f"\nsamples listed: {listed:,} of {count + 20:,}\n", flush=True)
    writer.close()


def show_viewers(runs_dir: Path, viewers: int, rounds: int) -> None:
    """Print what viewers of a live run cost the process that trains."""
    runs_dir.mkdir(parents=True)
    pairs = [[train(runs_dir, watchers) for watchers in (0, viewers)] for _ in range(rounds)]
    for name, place in (("wall", 0), ("processor", 1)):
        alone, watched = (statistics.median([pair[i][place] for pair in pairs]) for i in (0, 1))
        print(
            f"training, {name}: {alone:.3f} s alone, {watched:.3f} s with {viewers} viewers: {watched / alone - 1:+.2%}"
        )
    share = statistics.median([pair[1][2] for pair in pairs])
    print(
        f"processor of the server with {viewers} viewers: {share:.1%} of a core, at the lowest priority\n",
        flush=True,
    )


def train(runs_dir: Path, viewers: int) -> tuple[float, float, float]:
    """Return wall and processor seconds of a training, and the server's share of a core, with so many viewers."""
    writer = RunWriter.create(
        runs_dir, "live", run_toml="", columns=learning_columns(SOURCES), now=datetime(2026, 1, 1)
    )
    writer.append(Event(kind="start", step=0, body={"model": "m", "vocab": 9, "steps": 9, "sources": []}))
    writer.heartbeat(state="running")
    writer.close()
    command = [sys.executable, "-m", "twosignal", "dashboard", str(runs_dir), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        watched = f"{url}api/runs/{writer.path.name}/live?names=loss,smma100,loss%5Bchat%5D,coherence&width=4"
        asked = " ".join([f"-o /dev/null '{watched}'"] * viewers)
        watch = f"exec curl -sN --parallel --parallel-immediate --parallel-max 300 {asked}"
        curl = subprocess.Popen(["sh", "-c", watch], stderr=subprocess.DEVNULL) if viewers else None
        wait_for(server.pid, viewers)
        times = psutil.Process(server.pid).cpu_times()
        told = subprocess.run(
            [sys.executable, "-c", TRAIN, str(writer.path), "1500"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        after = psutil.Process(server.pid).cpu_times()
        if curl:
            curl.kill()
            curl.wait()
        server.kill()
    used = after.user + after.system - times.user - times.system
    return float(told[0]), float(told[1]), used / float(told[0])


def wait_for(pid: int, viewers: int) -> None:
    """Wait until so many viewers are connected; raise TimeoutError when they are not."""
    for _ in range(300):
        connected = psutil.Process(pid).net_connections("tcp4")
        if sum(one.status == psutil.CONN_ESTABLISHED for one in connected) >= viewers:
            return
        time.sleep(0.1)
    message = f"fewer than {viewers} viewers are connected"
    raise TimeoutError(message)


def show_peers(place: Path, python: str, steps: int) -> None:
    """Print what the peers show of the same losses, and how long they take to open them."""
    (place / "losses.json").write_text(json.dumps(losses_of(1, steps + 1, steps=steps).tolist()))
    told = json.loads(
        subprocess.check_output([python, "-c", PEERS, str(place / "losses.json")], text=True).splitlines()[-1]
    )
    print("| peer | opening | processor | points | spikes seen |\n|---|---|---|---|---|")
    for name, found in told.items():
        if isinstance(found, str):
            print(f"| {name} | {found} | | | |")
            continue
        version, wall, cpu, points, seen = found
        print(
            f"| {name} {version}, {steps:,} steps | {wall:.2f} s | {cpu:.2f} s | {points:,} | {seen} of {SPIKES} |"
        )
    show_long_run(place / "peer", steps, 100)


if __name__ == "__main__":
    sys.exit(main())
