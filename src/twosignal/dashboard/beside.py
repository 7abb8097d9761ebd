"""A dashboard beside a run: takes the runs folder, starts a process of its own there, gives the address to open.

Training shares nothing with it but the files: the socket is opened here, so that the address is known at once, and
handed over.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from twosignal.dashboard.sockets import PORT, listen, url_of

HOST: Final = "127.0.0.1"


def start_beside(runs_dir: Path, *, is_kept: bool = False) -> str:
    """Start a dashboard over a runs folder and return its address.

    It ends with this process, or stays where `is_kept` says so. Raises InputError where no port is free, OSError
    where no process can be started.
    """
    runs_dir.mkdir(parents=True, exist_ok=True)
    with listen(HOST, PORT) as opened:
        descriptor = opened.fileno()
        parent = 0 if is_kept else os.getpid()
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "twosignal.dashboard.serve",
                str(runs_dir.resolve()),
                str(descriptor),
                str(parent),
            ],
            pass_fds=(descriptor,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return url_of(opened, HOST)
