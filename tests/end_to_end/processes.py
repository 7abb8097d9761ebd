"""Commands as processes of their own: takes arguments, gives a process that can be killed at any moment.

The processes are forked from a server that has imported everything, so each starts at once: a
test that kills a run twenty times would otherwise wait for imports twenty times.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from twosignal.cli import main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["twosignal.commands.train"])
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that came to its end."""

    code: int
    """Its exit code; minus the signal's number when one ended it."""
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """Its one line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("twosignal: ")
        return lines[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A command while it runs."""

    process: BaseProcess
    log: Path
    """What it printed; `.err` beside it for stderr."""

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; harmless when it has ended."""
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, number)

    def kill_when(self, is_time: Callable[[], bool], number: int = signal.SIGKILL) -> bool:
        """Send a signal as soon as something holds; return whether it was in time."""
        given_up = time.monotonic() + PATIENCE_SECONDS
        while self.process.is_alive() and time.monotonic() < given_up:
            if is_time():
                self.kill(number)
                return True
            time.sleep(0.001)
        return False

    def ended(self) -> Ended:
        """Wait for the end."""
        self.process.join(PATIENCE_SECONDS)
        assert self.process.exitcode is not None, "the command did not end"
        files = [self.log.with_suffix(suffix) for suffix in (".out", ".err")]
        # A process that was killed at once has printed nothing anywhere.
        out, err = (file.read_text() if file.exists() else "" for file in files)
        return Ended(code=self.process.exitcode, out=out, err=err)


def start(arguments: Sequence[str | Path], *, folder: Path, log: Path) -> Life:
    """Start a command in `folder`."""
    words = [str(argument) for argument in arguments]
    process = _CONTEXT.Process(target=live, args=(words, str(folder), str(log)))
    process.start()
    return Life(process=process, log=log)


def run(arguments: Sequence[str | Path], *, folder: Path, log: Path) -> Ended:
    """Run a command in `folder` to its end."""
    return start(arguments, folder=folder, log=log).ended()


def live(arguments: Sequence[str], folder: str, log: str) -> None:
    """Be the command: the whole life of a process."""
    for descriptor, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(Path(log).with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
    os.chdir(folder)
    sys.argv = ["twosignal", *arguments]
    sys.exit(main(arguments))
