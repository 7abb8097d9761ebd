"""Telling somebody: takes what happened to a run, sends it to a webhook and a command in the background.

Nothing here may stop or slow a run: one thread sends one alert after the other, each for as long as the run file allows,
and the end of a run waits a few seconds at most for those that are left. What was sent and what failed stands in
`alerts.jsonl` in the run folder; the records have no word of it, for they tell what a resumed run repeats. An alert may
come twice, when a run is killed just after it was sent.
"""

import os
import queue
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from twosignal.config import AlertsTable
from twosignal.records.values import Json, compact, encode

CLOSING_SECONDS: Final = 5.0
"""How long the end of a run waits for alerts that are not out yet."""
MOST_PENDING: Final = 100
LEDGER: Final = "alerts.jsonl"


@dataclass(slots=True, kw_only=True)
class Alerts:
    """Sends alerts of one run; does nothing unless the run file asks for it."""

    table: AlertsTable = field(default_factory=AlertsTable)
    folder: Path = Path()
    """The run folder."""
    say: Callable[[str], None] = field(default=lambda _: None)
    """Told once when an alert could not be sent."""
    _pending: "queue.Queue[dict[str, Any]]" = field(default_factory=lambda: queue.Queue(MOST_PENDING))
    _thread: threading.Thread | None = None
    _noted: set[str] = field(default_factory=set)
    _has_failed: bool = False

    def send(
        self, kind: str, *, step: int, reason: str, evidence: Mapping[str, object] | None = None
    ) -> None:
        """Send an alert if the run file asks for its kind; returns at once."""
        if kind not in self.table.on or not (self.table.webhook or self.table.command):
            return
        message = {
            "text": f"twosignal: {self.folder.name}, step {step}: {kind}: {reason}",
            "run": self.folder.name,
            "kind": kind,
            "step": step,
            "reason": reason,
            "evidence": dict(evidence or {}),
            "folder": str(self.folder),
            "time": time.time(),
        }
        try:
            self._pending.put_nowait(message)
        except queue.Full:
            self._note(message, way="none", error=f"more than {MOST_PENDING} alerts are waiting")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
            self._thread.start()

    def note(self, rule: str, *, step: int, reason: str, evidence: Mapping[str, object]) -> None:
        """Send an alert of a verdict that is only noted, once for each rule."""
        if rule not in self._noted:
            self._noted.add(rule)
            self.send("note", step=step, reason=reason, evidence=evidence)

    def close(self, *, seconds: float = CLOSING_SECONDS) -> None:
        """Wait a little for what is still to be sent."""
        until = time.monotonic() + seconds
        while self._pending.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.02)
        if left := self._pending.unfinished_tasks:
            self.say(f"{left} alert{'s' if left > 1 else ''} given up: not out after {seconds:g} seconds")

    def _work(self) -> None:
        while True:
            message = self._pending.get()
            if self.table.webhook:
                self._try(message, way="webhook", send=self._post)
            if self.table.command:
                self._try(message, way="command", send=self._run)
            self._pending.task_done()

    def _try(self, message: dict[str, Any], *, way: str, send: Callable[[bytes], None]) -> None:
        began = time.monotonic()
        error = None
        try:
            send(compact(encode(message, where="alert", escape=False)))
        except (OSError, ValueError, HTTPException, subprocess.SubprocessError) as fault:
            error = str(fault) or type(fault).__name__
        self._note(message, way=way, error=error, seconds=time.monotonic() - began)

    def _post(self, body: bytes) -> None:
        address = self.table.webhook or ""
        if address.startswith("$"):
            address = os.environ.get(address[1:], "")
        if not address.startswith(("http://", "https://")):
            message = f"{self.table.webhook} holds no address of a webhook"
            raise ValueError(message)
        request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=self.table.timeout):
            pass

    def _run(self, body: bytes) -> None:
        subprocess.run(
            self.table.command,
            input=body,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=self.table.timeout,
            check=True,
            start_new_session=True,
        )

    def _note(self, message: Mapping[str, Any], *, way: str, error: str | None, seconds: float = 0.0) -> None:
        line: dict[str, Json] = {
            "time": time.time(),
            "kind": message["kind"],
            "step": message["step"],
            "way": way,
            "seconds": round(seconds, 3),
            "error": error,
        }
        if error is not None and not self._has_failed:
            self._has_failed = True
            self.say(f"an alert could not be sent by {way}: {error}; see {LEDGER} in the run folder")
        try:
            with (self.folder / LEDGER).open("a", encoding="utf-8") as file:
                file.write(compact(line).decode() + "\n")
        except OSError as fault:
            self.say(f"{LEDGER} cannot be written: {fault.strerror}")
