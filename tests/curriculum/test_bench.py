"""The benchmark of the policies runs on any machine: no data folder, and a table at the end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "curriculum.py"


@pytest.mark.slow
def test_the_benchmark_runs_without_a_data_folder(tmp_path: Path) -> None:
    if not BENCH.is_file():
        pytest.skip("the benchmarks come with the repository")
    out = tmp_path / "runs.jsonl"
    given = [
        "--sets",
        "rare",
        "--policies",
        "uniform,bandit",
        "--seeds",
        "2",
        "--steps",
        "12",
        "--out",
        str(out),
    ]
    done = subprocess.run([sys.executable, str(BENCH), *given], capture_output=True, text=True, check=True)
    runs = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(run["policy"], run["seed"]) for run in runs] == [
        ("uniform", 0),
        ("bandit", 0),
        ("uniform", 1),
        ("bandit", 1),
    ]
    assert all(sum(run["drawn"].values()) == 12 * 8 for run in runs)
    assert done.stdout.count("| rare | ") == 2
    again = subprocess.run(
        [sys.executable, str(BENCH), "--table", str(out)], capture_output=True, text=True, check=True
    )
    assert again.stdout.strip() in done.stdout
