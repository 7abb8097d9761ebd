"""Live pages beside a run: takes a command's options, starts the dashboard unless it is not wanted, and says where it is."""

import os
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from twosignal.dashboard.beside import start_beside
from twosignal.errors import InputError, StorageError

SWITCH = "TWOSIGNAL_DASHBOARD"
"""Environment variable; `off` stands for --no-dashboard in every command."""


def show_pages(options: Namespace, runs_dir: Path, console: Console) -> None:
    """Start the dashboard over a runs folder; a run goes on without it where it cannot be started."""
    if options.no_dashboard or os.environ.get(SWITCH) == "off":
        return
    try:
        url = start_beside(runs_dir, is_kept=options.keep_dashboard)
    except (InputError, StorageError, OSError) as error:
        console.print(f"no live pages: {error}", markup=False, soft_wrap=True)
        return
    ends = (
        "they stay"
        if options.keep_dashboard
        else "they end with this command; --keep-dashboard leaves them on"
    )
    console.print(f"live pages: {url} ({ends})", markup=False, soft_wrap=True)
