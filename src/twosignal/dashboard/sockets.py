"""A place to listen at: takes an address and a port, gives an open socket there or at the next free port."""

import socket
from typing import Final

from twosignal.errors import InputError

PORT: Final = 8765
TRIES: Final = 100
"""Ports that are tried, one after the other."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at `host`, at `port` or the first free one behind it; 0 takes any.

    Raises InputError where the address is not of this machine, or no port is free.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        message = "there is no such address"
        raise InputError(message, where="--host", found=host, expected="for example 127.0.0.1") from error
    last: OSError | None = None
    for number in range(port, min(port + TRIES, 65536) if port else 1):
        # asyncio turns off Nagle's waiting only where a socket says that it is TCP; else every answer takes 40 ms.
        opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((address[0], number, *address[2:]))
            opened.listen(512)
        except OSError as error:
            opened.close()
            last = error
            continue
        return opened
    reason = last.strerror if last else "no port is left"
    raise InputError("the dashboard cannot listen there", where=f"{host}:{port}", found=str(reason))


def url_of(opened: socket.socket, host: str) -> str:
    """Return the address to open in a browser."""
    port = opened.getsockname()[1]
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
