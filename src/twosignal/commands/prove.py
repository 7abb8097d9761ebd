"""`twosignal prove CONFIG|RUN`: takes a run file or a run, gives the receipt; nothing is trained."""

from argparse import Namespace
from pathlib import Path

from twosignal.commands.console import console_for, print_json
from twosignal.config import Config
from twosignal.errors import ConfigError
from twosignal.prove.proof import prove
from twosignal.prove.show import show_receipt
from twosignal.records.reader import open_run
from twosignal.runfile import load_config
from twosignal.train.run import run_config
from twosignal.train.setup import build


def run(options: Namespace) -> int:
    """Run the command."""
    console = console_for(options)
    config, folder = _configuration(options)
    receipt = prove(build(config, folder=folder, runs_dir=options.runs, say=console.print))
    show_receipt(receipt, console)
    if options.json:
        print_json(receipt.as_dict())
    receipt.raise_if_refused()
    return 0


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
