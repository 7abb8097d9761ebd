"""Is anybody still writing? Takes a run folder and its last sign of life, gives yes or no.

Silence is judged by the run's own pace: nobody is missed before 120 seconds or ten times the slowest recent step have
passed. On the machine that writes the run more can be known: whether the process is there, however young its last
sign of life, and whether it still holds the run, however long a step may take.
"""

import os
import socket
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from twosignal.errors import RunError
from twosignal.records.columns import read_rows
from twosignal.records.folder import CLOCK, Heartbeat, read_sessions
from twosignal.records.lock import is_locked, process_lives

SILENCE_SECONDS: Final = 120.0
"""Silence that every run may keep; a heartbeat comes every few seconds and after every sampling."""
SLOW_STEPS: Final = 10
"""Steps at the pace of the slowest recent one that a run may be silent for."""
LONGEST_SILENCE_SECONDS: Final = 86_400.0
_RECENT: Final = 20
_CLOCK_SLACK_SECONDS: Final = 5.0


def is_alive(folder: Path, beat: Heartbeat) -> bool:
    """Return whether the process behind a heartbeat still runs, as far as can be told."""
    newest: dict[str, Any] = (read_sessions(folder) or [{}])[-1]
    pid, began = newest.get("pid"), newest.get("time")
    is_silent = time.time() - beat.time > longest_silence(folder)
    if newest.get("host") != socket.gethostname() or not isinstance(pid, int):
        return not is_silent
    return process_lives(pid) and not _is_younger(pid, began) and (not is_silent or is_locked(folder))


def longest_silence(folder: Path) -> float:
    """Return the seconds of silence behind which a run counts as dead."""
    try:
        recent = read_rows(folder / CLOCK)["seconds"][-_RECENT:]
    except RunError:
        return SILENCE_SECONDS
    slowest = float(np.nanmax(recent, initial=0.0))
    return min(max(SILENCE_SECONDS, SLOW_STEPS * slowest), LONGEST_SILENCE_SECONDS)


def _is_younger(pid: int, began: object) -> bool:
    """Return whether a process began after the session that named it: its number was given to another one."""
    if not isinstance(began, (int, float)):
        return False
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
        booted = time.time() - float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return False
    return booted + ticks / os.sysconf("SC_CLK_TCK") > began + _CLOCK_SLACK_SECONDS
