"""`twosignal prove CONFIG|RUN`: takes a run file or a run, gives the receipt; nothing is trained."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from twosignal.commands.console import console_for, print_json
from twosignal.config import Config
from twosignal.errors import ConfigError
from twosignal.prove.proof import prove
from twosignal.prove.receipt import Receipt
from twosignal.prove.rows import ROWS_INVERTED
from twosignal.prove.show import show_receipt
from twosignal.records.reader import open_run
from twosignal.runfile import load_config
from twosignal.train.run import run_config
from twosignal.train.setup import build


def run(options: Namespace) -> int:
    """Run the command."""
    console = console_for(options)
    config, folder = _configuration(options)
    setup = build(config, folder=folder, runs_dir=options.runs, say=console.print)
    receipt = prove(setup, most_rows=options.rows or ROWS_INVERTED)
    show_receipt(receipt, console)
    if options.json:
        print_json(receipt.as_dict())
    receipt.raise_if_refused()
    return 0


def prove_file(config: Path | str, *, settings: Sequence[str] = (), runs_dir: Path | str = "runs") -> Receipt:
    """Return the receipt of a run file; nothing is trained, and a fault is in the receipt, not raised."""
    path = Path(config)
    loaded = load_config(path, settings)
    return prove(build(loaded, folder=path.parent, runs_dir=Path(runs_dir), say=_say_nothing))


def _say_nothing(line: str) -> None:
    del line


def _configuration(options: Namespace) -> tuple[Config, Path]:
    path = Path(options.config)
    if path.suffix == ".toml" or path.is_file():
        return load_config(path, options.set), path.parent
    if options.set:
        message = "a run's own proof is repeated with the settings it was started with"
        raise ConfigError(
            message, where=f"--set {options.set[0]}", remedy="Give a run file instead of a run."
        )
    return run_config(open_run(options.config, options.runs))
