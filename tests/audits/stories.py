"""The replay fixtures as samples: takes a file of `replays/`, gives one line of `samples.jsonl` per sampling.

The figures are the published ones; the texts are ours. In the second story a share of the samples loops from the first
strike on, never five running, until the step at which the classic rule is known to have fired.
"""

import json
import math
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.audits.conftest import HEALTHY

REPLAYS = Path(__file__).parent / "replays"
NOISE_NATS = 0.02
LOOP_CHARACTERS = 800
PATIENCE = 5


def story(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((REPLAYS / f"{name}.json").read_text(encoding="utf-8"))
    return told


def samples_of(name: str, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return the samples of a story, in step order."""
    told, draw = story(name), random.Random(seed)
    steps = range(told["first_step"], told["last_step"] + 1, told["every"])
    samples: list[dict[str, Any]] = []
    running = 0
    for number, step in enumerate(steps):
        loops = _is_strike(told, step, draw, running=running)
        running = running + 1 if loops else 0
        samples.append(
            {
                "step": step,
                "text": _loop(told, step) if loops else HEALTHY[number % len(HEALTHY)],
                "prompt": "",
                "loss": round(loss_at(told["curve"], step) + draw.gauss(0, NOISE_NATS), 4),
                "time": step * 60 / told["steps_per_minute"],
            }
        )
    return samples


def written(name: str, path: Path, *, seed: int = 0) -> Path:
    """Write the samples of a story to a file and return it."""
    lines = [json.dumps(sample) for sample in samples_of(name, seed=seed)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def loss_at(curve: list[list[float]], step: int) -> float:
    """Return the loss between two points of a curve, straight in the logarithm of the steps."""
    for (left, before), (right, after) in pairwise(curve):
        if left <= step <= right:
            way = (math.log(step) - math.log(left)) / (math.log(right) - math.log(left))
            return before + way * (after - before)
    message = f"step {step} is not on the curve"
    raise ValueError(message)


def _is_strike(told: dict[str, Any], step: int, draw: random.Random, *, running: int) -> bool:
    if not told["loops"] or step < told["first_strike"]:
        return False
    fires_at, every = int(told["classic_fires_at"]), int(told["every"])
    row = range(fires_at - (PATIENCE - 1) * every, fires_at + 1, every)
    if step in row or step == told["first_strike"]:
        return True
    if step > fires_at:
        return draw.random() < float(told["share_after"])
    is_before_row = row.start - every <= step < row.start
    return draw.random() < float(told["share_before"]) and running < PATIENCE - 1 and not is_before_row


def _loop(told: dict[str, Any], step: int) -> str:
    unit: str = [text for since, text in told["loops"] if since <= step][-1]
    return unit * (LOOP_CHARACTERS // len(unit))
