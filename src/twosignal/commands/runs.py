"""`twosignal runs RUNS_DIR`: takes a folder, lists its runs."""

import math
from argparse import Namespace
from dataclasses import asdict
from datetime import datetime

from rich.table import Table

from twosignal.commands.console import console_for, print_json
from twosignal.errors import RunError
from twosignal.records.listing import RunSummary, list_runs

_COLOURS = {
    "finished": "green",
    "running": "cyan",
    "halted": "red",
    "damaged": "red",
    "interrupted": "yellow",
}


def run(options: Namespace) -> int:
    """Run the command."""
    if not options.runs.is_dir():
        message = "there is no such folder"
        raise RunError(message, where=str(options.runs), remedy="Give the folder that holds the runs.")
    found = list_runs(options.runs)
    if options.json:
        print_json({"runs": [asdict(summary) for summary in found]})
        return 0
    console = console_for(options)
    if not found:
        console.print(f"no runs in {options.runs}", markup=False, soft_wrap=True)
        return 0
    table = Table(box=None, pad_edge=False)
    table.add_column("run", no_wrap=True, min_width=max(len(summary.id) for summary in found))
    for heading in ("state", "step", "loss", "held-out", "verdict", "started"):
        table.add_column(heading, justify="right" if heading in ("step", "loss", "held-out") else "left")
    for summary in found:
        colour = _COLOURS.get(summary.state, "default")
        steps = f"{summary.steps:,}" + (f"/{summary.planned_steps:,}" if summary.planned_steps else "")
        table.add_row(
            summary.id,
            f"[{colour}]{summary.state}[/]",
            steps,
            _number(summary.loss),
            _number(summary.probe),
            summary.verdict or "",
            _started(summary),
        )
    console.print(table)
    return 0


def _number(value: float | None) -> str:
    return "" if value is None else "nan" if math.isnan(value) else f"{value:.3f}"


def _started(summary: RunSummary) -> str:
    return f"{datetime.fromtimestamp(summary.started):%Y-%m-%d %H:%M}" if summary.started else ""
