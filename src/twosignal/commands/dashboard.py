"""`twosignal dashboard RUNS_DIR`: takes a folder of runs, serves live pages of them, or writes a copy for a web server."""

import os
import secrets
import socket
import sys
import threading
import time
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from twosignal.commands.console import console_for, print_json
from twosignal.dashboard.guard import Door, is_loopback, names_of
from twosignal.dashboard.public import EVERY_SECONDS, PublicCopy
from twosignal.dashboard.serve import serve
from twosignal.dashboard.shelf import Shelf
from twosignal.dashboard.sockets import listen, url_of
from twosignal.errors import InputError, RunError, StorageError

TOKEN = "TWOSIGNAL_TOKEN"
LEAST_TOKEN = 16
"""Characters of a token that cannot be guessed."""


def run(options: Namespace) -> int:
    """Run the command."""
    if not options.runs.is_dir():
        message = "there is no such folder"
        raise RunError(message, where=str(options.runs), remedy="Give the folder that holds the runs.")
    console = console_for(options)
    copy = _copy(options)
    if options.once:
        return _write_once(copy, options, console)
    token = _token(options.host)
    door = Door(hosts=names_of([options.host, socket.gethostname(), *options.allow_host]), token=token)
    opened = listen(options.host, options.port)
    _announce(opened, options, token=token, console=console)
    if copy is not None:
        threading.Thread(target=_keep_writing, args=(copy, console), daemon=True).start()
    serve(options.runs.resolve(), opened, door=door)
    return 0


def _copy(options: Namespace) -> PublicCopy | None:
    if options.public is None:
        if options.once:
            message = "there is nothing to write"
            raise InputError(message, where="--once", expected="--public DIR with it")
        return None
    copy = PublicCopy(folder=options.public, shelf=Shelf(runs_dir=options.runs.resolve()))
    copy.check()
    return copy


def _write_once(copy: PublicCopy | None, options: Namespace, console: Console) -> int:
    assert copy is not None
    written = copy.write()
    if options.json:
        print_json({"public": str(copy.folder), "written": written})
    console.print(f"{written} files written to {copy.folder}", markup=False, soft_wrap=True)
    return 0


def _keep_writing(copy: PublicCopy, console: Console) -> None:
    """Write the copy every 10 seconds; a disk that is full now may have room later."""
    while True:
        try:
            copy.write()
        except StorageError as error:
            console.print(f"the public copy was not written: {error}", markup=False, soft_wrap=True)
        time.sleep(EVERY_SECONDS)


def _token(host: str) -> str | None:
    """Return the token that viewers must show; None where only this machine can reach the server."""
    given = os.environ.get(TOKEN)
    if given is not None and len(given) < LEAST_TOKEN:
        message = "the token is too short to be safe"
        raise InputError(
            message, where=TOKEN, found=f"{len(given)} characters", expected=f"{LEAST_TOKEN} or more"
        )
    return given or (None if is_loopback(host) else secrets.token_urlsafe(24))


def _announce(opened: socket.socket, options: Namespace, *, token: str | None, console: Console) -> None:
    """Say where the pages are; the token is shown here and nowhere else."""
    url = url_of(opened, options.host)
    port = opened.getsockname()[1]
    if options.port not in (0, port):
        console.print(f"port {options.port} is busy, so this is {port}", soft_wrap=True)
    shown = f"{url}?token={token}" if token else url
    if options.json:
        print_json({"url": shown, "port": port, "pid": os.getpid(), "runs": str(options.runs)})
        sys.stdout.flush()
    console.print(f"dashboard of {options.runs}: {shown}", markup=False, soft_wrap=True)
    if options.public is not None:
        console.print(f"a copy for other web servers: {Path(options.public)}", markup=False, soft_wrap=True)
