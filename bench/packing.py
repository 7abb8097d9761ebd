"""Packing beside TRL: takes a number of lengths, gives the CPU seconds and the rows of both.

    python bench/packing.py [--lengths 1000000] [--row-tokens 4096] [--repeats 3]

Lengths are log-normal (mean about 331, from 8 tokens to a row). Ours is `plan_rows`, which assigns every piece to its row
and shuffles the rows; tokens are gathered when a row is read. TRL's is the step behind `pack_dataset(strategy="bfd")`
on Arrow tables of tokens, in its default batches of 1,000 and in one batch; it moves the tokens.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import trl
from trl.data_utils import _pack_bfd

from twosignal.packs.plan import Ints, plan_rows


def main() -> int:
    """Run all in turn; print one line each, with its ratio to the faster of TRL's ways."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--lengths", type=int, default=1_000_000)
    options.add_argument("--row-tokens", type=int, default=4096)
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    drawn = np.random.default_rng(0).lognormal(5.4, 0.9, given.lengths)
    lengths = np.clip(drawn.astype(np.int64), 8, given.row_tokens)
    table = token_table(lengths)
    runs: dict[str, Callable[[], int]] = {
        "trl, batches of 1,000": lambda: pack_by_trl(table, given.row_tokens, batch=1000),
        "trl, one batch": lambda: pack_by_trl(table, given.row_tokens, batch=given.lengths),
        "twosignal": lambda: len(plan_rows(lengths, given.row_tokens, seed=0)),
        "twosignal, sequential": lambda: len(
            plan_rows(lengths, given.row_tokens, seed=0, packing="sequential")
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    rows: dict[str, int] = {}
    for _ in range(given.repeats):
        for name, run in runs.items():
            began = time.process_time()
            rows[name] = run()
            seconds[name].append(time.process_time() - began)
    report(lengths, seconds, rows=rows, row_tokens=given.row_tokens)
    return 0


def token_table(lengths: Ints) -> pa.Table:
    """Return an Arrow table with as many tokens in each row as the lengths say."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = pa.array(np.arange(offsets[-1], dtype=np.int32))
    return pa.Table.from_arrays(
        [pa.LargeListArray.from_arrays(pa.array(offsets), tokens)], names=["input_ids"]
    )


def pack_by_trl(table: pa.Table, row_tokens: int, *, batch: int) -> int:
    """Pack a table batch by batch, as datasets' map does; return the number of rows."""
    starts = range(0, table.num_rows, batch)
    return sum(_pack_bfd(table.slice(start, batch).combine_chunks(), row_tokens).num_rows for start in starts)


def report(lengths: Ints, seconds: dict[str, list[float]], *, rows: dict[str, int], row_tokens: int) -> None:
    """Print one line for each way."""
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    for name, runs in seconds.items():
        line = {
            "name": name,
            "cpu_seconds": [round(run, 3) for run in runs],
            "rows": rows[name],
            "unused": f"{1 - int(lengths.sum()) / rows[name] / row_tokens:.3%}",
            "times_trl": round(medians["trl, batches of 1,000"] / medians[name], 1),
        }
        print(json.dumps(line))
    machine = {"cpu": platform.processor() or platform.machine(), "python": platform.python_version()}
    versions = {"trl": trl.__version__, "pyarrow": pa.__version__, "numpy": np.__version__}
    print(json.dumps({"lengths": len(lengths), "tokens": int(lengths.sum()), **versions, **machine}))


if __name__ == "__main__":
    sys.exit(main())
