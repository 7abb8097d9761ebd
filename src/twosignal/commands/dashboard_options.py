"""The options of live pages: takes a command's parser, adds where they are served, or whether they go with a run."""

from argparse import ArgumentParser
from pathlib import Path

from twosignal.commands.arguments import port


def serve_options(command: ArgumentParser) -> None:
    """Add the options of `twosignal dashboard`."""
    command.add_argument(
        "runs", type=Path, nargs="?", default=Path("runs"), metavar="RUNS_DIR", help="default: runs"
    )
    command.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="H",
        help="address to listen at (default: 127.0.0.1, this machine alone); any other asks viewers for a token",
    )
    command.add_argument(
        "--port", type=port, default=8765, metavar="P", help="port, or the next free one (default: 8765)"
    )
    command.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that viewers reach this server by",
    )
    command.add_argument(
        "--public",
        type=Path,
        metavar="DIR",
        help="write a copy for any web server as well, anew every 10 seconds",
    )
    command.add_argument("--once", action="store_true", help="with --public: write the copy and end")


def beside_options(command: ArgumentParser) -> None:
    """Add whether live pages are served beside a run."""
    shown = command.add_mutually_exclusive_group()
    shown.add_argument("--no-dashboard", action="store_true", help="start no live pages beside the run")
    shown.add_argument(
        "--keep-dashboard", action="store_true", help="leave the live pages on when the run has ended"
    )
