"""The dashboard as a process: takes a folder of runs and an open socket, answers there until it is told to end.

It takes the lowest priority: where training needs the processor, the dashboard waits.
"""

import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from twosignal.dashboard.app import dashboard_app
from twosignal.dashboard.guard import Door
from twosignal.dashboard.live import House
from twosignal.dashboard.shelf import Shelf
from twosignal.dashboard.warming import warm_up

WATCH_SECONDS: Final = 1.0
NICENESS: Final = 19
MOST_CONNECTIONS: Final = 1024


class _Server(uvicorn.Server):
    """Ends the streams before it waits for answers that are under way: a stream has no end of its own."""

    def __init__(self, config: uvicorn.Config, house: House) -> None:
        super().__init__(config)
        self._house = house

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._house.close()
        await super().shutdown(sockets)


def serve(runs_dir: Path, opened: socket.socket, *, door: Door, parent: int | None = None) -> None:
    """Answer at a socket until the process is interrupted, or until the process `parent` is gone."""
    with suppress(OSError):
        os.nice(NICENESS)
    shelf, house = Shelf(runs_dir=runs_dir), House()
    threading.Thread(target=warm_up, args=(shelf,), daemon=True).start()
    server = _Server(config_of(dashboard_app(runs_dir, door=door, shelf=shelf, house=house)), house)
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent, server), daemon=True).start()
    server.run(sockets=[opened])


def config_of(app: ASGIApp) -> uvicorn.Config:
    """Return how an application is served: quietly, with bounded connections."""
    return uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        lifespan="off",
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=1,
    )


def _end_with(parent: int, server: uvicorn.Server) -> None:
    """Stop the server once the process that started this one is gone."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    server.should_exit = True


def main() -> None:
    """Serve as `beside.py` asks: folder, descriptor of the socket, and the process to end with, or 0 to stay."""
    runs_dir, descriptor, parent = sys.argv[1:]
    serve(Path(runs_dir), socket.socket(fileno=int(descriptor)), door=Door(), parent=int(parent) or None)


if __name__ == "__main__":
    main()
