"""What reading every sample costs: takes a preset, trains it with and without samplings, gives their difference.

    python bench/audit_cost.py [--preset andrea-12m] [--steps 100] [--rows 8] [--pairs 1]

Both runs are `twosignal train` on the same built-in data with the same seed, alternating. The one samples 420 tokens for
each prompt of the panel in the middle and at the end, the other at the end only; so they differ by one sampling per
`--steps` steps: generation, scoring, the search for copies, the gate, its records. The index over the training text is
built before, once, and its time is printed beside. CPU seconds are those of the whole process and its threads.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

RUN_FILE = """\
[run]
name = "{name}"
steps = {steps}

[model]
preset = "{preset}"

[tokenizer]
vocab = 2305

[sources.chat]
path = "builtin:chat-dialogue"

[sources.docs]
path = "builtin:python-docs"

[rows]
tokens = 1024
per_step = {rows}

[curriculum]
policy = "proportional"

[probes]
every = {steps}

[samples]
every = {every}

[checkpoints]
every = {steps}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process took."""

    wall: float
    """Seconds."""
    cpu: float
    """CPU seconds of the process and its threads."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="andrea-12m")
    parser.add_argument("--steps", type=int, default=100, help="steps per sampling")
    parser.add_argument("--rows", type=int, default=8, help="rows of 1,024 tokens per step")
    parser.add_argument("--pairs", type=int, default=1, help="pairs of runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        warm = train(folder, options, name="warm", steps=1, every=1)
        print(f"preparing, indexing the training text, one step and one sampling: {warm.wall:.0f} s")
        shares = []
        for number in range(options.pairs):
            with_it = train(folder, options, name=f"on-{number}", every=options.steps // 2)
            without = train(folder, options, name=f"off-{number}", every=options.steps)
            shares.append(with_it.cpu / without.cpu - 1)
            print(
                f"pair {number + 1}: with {with_it.cpu:.1f} CPU s ({with_it.wall:.1f} s), "
                f"without {without.cpu:.1f} CPU s ({without.wall:.1f} s): {shares[-1]:+.2%} CPU, "
                f"{with_it.wall / without.wall - 1:+.2%} wall",
                flush=True,
            )
    print(f"one sampling and audit per {options.steps} steps costs {median(shares):.2%} of training")
    return 0


def train(
    folder: Path, options: argparse.Namespace, *, name: str, every: int, steps: int | None = None
) -> Cost:
    """Train once and return what the whole process took; the data of earlier runs is found prepared."""
    file = folder / f"{name}.toml"
    text = RUN_FILE.format(
        name=name, preset=options.preset, steps=steps or options.steps, rows=options.rows, every=every
    )
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "twosignal", "train", str(file), "--runs", str(folder / "runs")]
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(wall=wall, cpu=cpu)


if __name__ == "__main__":
    sys.exit(main())
