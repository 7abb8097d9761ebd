"""`twosignal runs RUNS_DIR`: takes a folder, lists its runs, sorted and filtered; or marks one to be kept whole."""

import math
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from twosignal.commands.console import console_for, print_json
from twosignal.errors import RunError
from twosignal.records.folder import mark_kept
from twosignal.records.listing import RunSummary, list_runs
from twosignal.records.reader import open_run

_NEWEST_FIRST = ("started", "updated", "steps")
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
    console = console_for(options)
    for name, kept in ((options.keep, True), (options.let_go, False)):
        if name is not None:
            return _mark(name, options.runs, console, kept=kept)
    found = _sorted(_chosen(list_runs(options.runs), options), by=options.sort)
    if options.json:
        print_json({"runs": [asdict(summary) for summary in found]})
    elif found:
        console.print(_table(found))
    else:
        is_filtered = options.state or options.verdict
        which = "such runs" if is_filtered else "runs"
        console.print(f"no {which} in {options.runs}", markup=False, soft_wrap=True)
    return 0


def _mark(name: str, runs_dir: Path, console: Console, *, kept: bool) -> int:
    opened = open_run(name, runs_dir)
    mark_kept(opened.path, kept=kept)
    what = (
        "is kept whole: its checkpoints are not thinned out"
        if kept
        else "is thinned out as [checkpoints] says"
    )
    console.print(f"{opened.id} {what} from now on", markup=False, soft_wrap=True)
    return 0


def _chosen(found: Sequence[RunSummary], options: Namespace) -> list[RunSummary]:
    states, verdicts = options.state or (), options.verdict or ()
    return [
        summary
        for summary in found
        if (not states or summary.state in states) and (not verdicts or summary.verdict in verdicts)
    ]


def _sorted(found: Sequence[RunSummary], *, by: str) -> list[RunSummary]:
    """Return the runs in order: newest or most steps first, lowest loss first; what is not known comes last."""
    if by in ("name", "state"):
        return sorted(found, key=lambda summary: (summary.state if by == "state" else "", summary.id))
    sign = -1.0 if by in _NEWEST_FIRST else 1.0

    def place(summary: RunSummary) -> tuple[float, str]:
        value = getattr(summary, by)
        return (math.inf if value is None or math.isnan(value) else sign * value, summary.id)

    return sorted(found, key=place)


def _table(found: Sequence[RunSummary]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("run", no_wrap=True, min_width=max(len(summary.id) for summary in found))
    for heading in ("state", "step", "loss", "held-out", "verdict", "started"):
        table.add_column(heading, justify="right" if heading in ("step", "loss", "held-out") else "left")
    for summary in found:
        colour = _COLOURS.get(summary.state, "default")
        steps = f"{summary.steps:,}" + (f"/{summary.planned_steps:,}" if summary.planned_steps else "")
        table.add_row(
            escape(summary.id),
            f"[{colour}]{summary.state}[/]" + (" kept" if summary.kept else ""),
            steps,
            _number(summary.loss),
            _number(summary.probe),
            escape(summary.verdict or ""),
            _started(summary),
        )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else "nan" if math.isnan(value) else f"{value:.3f}"


def _started(summary: RunSummary) -> str:
    return f"{datetime.fromtimestamp(summary.started):%Y-%m-%d %H:%M}" if summary.started else ""
