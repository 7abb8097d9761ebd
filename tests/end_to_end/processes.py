"""Commands as processes of their own: takes arguments, gives a process that can be killed at any moment.

The processes are forked from a server that has imported everything, so each starts at once: a
test that kills a run twenty times would otherwise wait for imports twenty times. A process strikes
itself down, so that no busy machine makes the blow too late.
"""

import multiprocessing
import os
import pkgutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from twosignal.cli import main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["twosignal.commands.train"])
PATIENCE_SECONDS = 240.0
STEP = "twosignal.train.recorder.Recorder.step"
"""Called when a step is done, with its figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A signal that a process is to send itself."""

    number: int = signal.SIGKILL
    call: str = ""
    """Dotted name of the function that has just returned; without it, the start of the process."""
    step: int = 0
    """First step at which it may be, where the call is `STEP`."""
    delay: float = 0.0
    """Seconds later, at whatever is being done then."""
    times: int = 1
    """How often."""

    def arm(self) -> None:
        """Make this process strike at its moment."""
        if not self.call:
            self.fall()
            return
        owner_name, name = self.call.rsplit(".", 1)
        owner: Any = pkgutil.resolve_name(owner_name)
        setattr(owner, name, self._followed(getattr(owner, name)))

    def fall(self) -> None:
        """Strike, now or later."""
        if self.delay:
            threading.Timer(self.delay, self._send).start()
        else:
            self._send()

    def _followed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        left = [self]

        def followed(*given: Any, **named: Any) -> Any:
            result = call(*given, **named)
            if left and (self.call != STEP or given[1].step >= self.step):
                left.pop().fall()
            return result

        return followed

    def _send(self) -> None:
        for _ in range(self.times):
            os.kill(os.getpid(), self.number)


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
    """What it printed, with `.out` and `.err`."""

    def kill(self) -> None:
        """End it; harmless when it has ended."""
        self.process.kill()

    def ended(self) -> Ended:
        """Wait for the end."""
        self.process.join(PATIENCE_SECONDS)
        assert self.process.exitcode is not None, "the command did not end"
        files = [self.log.with_suffix(suffix) for suffix in (".out", ".err")]
        # A process that was killed at once has printed nothing anywhere.
        out, err = (file.read_text() if file.exists() else "" for file in files)
        return Ended(code=self.process.exitcode, out=out, err=err)


def start(arguments: Sequence[str | Path], *, folder: Path, log: Path, stroke: Stroke | None = None) -> Life:
    """Start a command in `folder`."""
    words = [str(argument) for argument in arguments]
    for suffix in (".out", ".err"):
        log.with_suffix(suffix).unlink(missing_ok=True)
    process = _CONTEXT.Process(target=live, args=(words, str(folder), str(log), stroke))
    process.start()
    return Life(process=process, log=log)


def run(arguments: Sequence[str | Path], *, folder: Path, log: Path) -> Ended:
    """Run a command in `folder` to its end."""
    return start(arguments, folder=folder, log=log).ended()


def live(arguments: Sequence[str], folder: str, log: str, stroke: Stroke | None) -> None:
    """Be the command: the whole life of a process."""
    for descriptor, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(Path(log).with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
    os.chdir(folder)
    # A shell starts what it puts into the background with Ctrl-C ignored, and this command would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["twosignal", *arguments]
    if stroke is not None:
        stroke.arm()
    sys.exit(main(arguments))
