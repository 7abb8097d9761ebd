"""`twosignal prove CONFIG|RUN`: takes a run file or a run, gives the receipt; nothing is trained."""

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from twosignal.commands.console import console_for, print_json
from twosignal.config import Config
from twosignal.errors import ConfigError, RunError
from twosignal.prove.again import changes
from twosignal.prove.page import write_page
from twosignal.prove.proof import prove
from twosignal.prove.receipt import Receipt
from twosignal.prove.rows import ROWS_INVERTED
from twosignal.prove.show import show_receipt
from twosignal.records.reader import Run, open_run
from twosignal.runfile import load_config
from twosignal.train.run import run_config
from twosignal.train.setup import build

MOST_SHOWN = 12
"""Differences from a stored receipt that are printed; all are in the JSON."""


def run(options: Namespace) -> int:
    """Run the command."""
    console = console_for(options)
    repeated = _run_of(options)
    config, folder = run_config(repeated) if repeated else _from_file(options)
    setup = build(config, folder=folder, runs_dir=options.runs, say=console.print)
    receipt = prove(setup, most_rows=options.rows or ROWS_INVERTED)
    show_receipt(receipt, console)
    whole = receipt.as_dict()
    if repeated:
        stored = _stored(repeated)
        whole["stored"] = {"same": not (found := changes(stored, whole)), "changed": found}
        _show_changes(found, console, run=repeated.id)
    if options.html is not None:
        write_page(whole, options.html, title=f"Proof of {repeated.id if repeated else config.run.name}")
        console.print(f"wrote {options.html}", markup=False, soft_wrap=True)
    if options.json:
        print_json(whole)
    receipt.raise_if_refused()
    return 0


def prove_file(config: Path | str, *, settings: Sequence[str] = (), runs_dir: Path | str = "runs") -> Receipt:
    """Return the receipt of a run file; nothing is trained, and a fault is in the receipt, not raised."""
    path = Path(config)
    loaded = load_config(path, settings)
    return prove(build(loaded, folder=path.parent, runs_dir=Path(runs_dir), say=_say_nothing))


def _say_nothing(line: str) -> None:
    del line


def _run_of(options: Namespace) -> Run | None:
    """Return the run whose proof is to be repeated; None when a run file is given."""
    path = Path(options.config)
    if path.suffix == ".toml" or path.is_file():
        return None
    if options.set:
        message = "a run's own proof is repeated with the settings it was started with"
        raise ConfigError(
            message, where=f"--set {options.set[0]}", remedy="Give a run file instead of a run."
        )
    return open_run(options.config, options.runs)


def _from_file(options: Namespace) -> tuple[Config, Path]:
    path = Path(options.config)
    return load_config(path, options.set), path.parent


def _stored(repeated: Run) -> Mapping[str, Any]:
    path = repeated.path / "receipt.json"
    try:
        receipt: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = "the run's receipt cannot be read"
        raise RunError(message, where=str(path), found=str(error)[:120]) from error
    return receipt


def _show_changes(found: Sequence[str], console: Console, *, run: str) -> None:
    if not found:
        console.print(f"the receipt is the one that {run} has stored, figure for figure", soft_wrap=True)
        return
    console.print(f"the receipt differs from the one that {run} has stored:", soft_wrap=True)
    for line in found[:MOST_SHOWN]:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if len(found) > MOST_SHOWN:
        console.print(f"  and {len(found) - MOST_SHOWN} more values")
