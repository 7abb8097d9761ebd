"""Grading pages as a process: takes graders' sittings and an open socket, answers until nobody is left to wait for."""

import socket
import threading
import time
from typing import Final

import uvicorn

from twosignal.audits.grading.sittings import Sittings
from twosignal.dashboard.grading_app import grading_app
from twosignal.dashboard.serve import config_of

WATCH_SECONDS: Final = 0.5


def serve_grading(sittings: Sittings, opened: socket.socket, *, hosts: frozenset[str]) -> None:
    """Answer at a socket until all grades are in or all links have expired, or the process is interrupted."""
    server = uvicorn.Server(config_of(grading_app(sittings, hosts=hosts)))
    threading.Thread(target=_end_when_over, args=(sittings, server), daemon=True).start()
    server.run(sockets=[opened])


def _end_when_over(sittings: Sittings, server: uvicorn.Server) -> None:
    while not sittings.is_over():
        time.sleep(WATCH_SECONDS)
    server.should_exit = True
