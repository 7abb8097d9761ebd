"""Every run of a folder: takes the folder, gives the `RunView` of a run by its id, and all of them, newest first."""

import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from twosignal.dashboard.view import RunView
from twosignal.errors import RunError
from twosignal.records.folder import EVENTS
from twosignal.records.reader import run_folders

LOOK_SECONDS: Final = 1.0
"""How long a list of run folders is believed."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


@dataclass(slots=True, kw_only=True)
class Shelf:
    """The runs under one folder."""

    runs_dir: Path
    """The folder."""
    _views: dict[str, RunView] = field(default_factory=dict)
    _looked: float = -LOOK_SECONDS
    _signed: tuple[float, tuple[object, ...]] = (-LOOK_SECONDS, ())
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def view(self, run_id: str) -> RunView:
        """Return the view of a run by its whole id; raise RunError where there is none."""
        if _ID.fullmatch(run_id) and (view := self._views.get(run_id)) and view.run.path.is_dir():
            return view
        folder = self.runs_dir / run_id
        # Only a name of the right form ever touches the disk: no path of a request leaves the runs folder.
        if not _ID.fullmatch(run_id) or not (folder / EVENTS).is_file():
            raise RunError(
                "there is no such run", where=self.runs_dir.name, remedy="The list of runs is at /api/runs."
            )
        with self._lock:
            return self._views.setdefault(run_id, RunView.of(folder))

    def views(self) -> list[RunView]:
        """Return the views of all runs, newest first by the time in their names."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_SECONDS:
                known = self._views
                self._views = {
                    path.name: known.get(path.name) or RunView.of(path) for path in run_folders(self.runs_dir)
                }
                self._looked = time.monotonic()
            return sorted(self._views.values(), key=lambda view: _age(view.id), reverse=True)

    @property
    def title(self) -> str:
        """How the folder is called."""
        return self.runs_dir.resolve().name

    def signature(self) -> tuple[object, ...]:
        """Return what tells whether any run changed, looked up at most once a second."""
        now = time.monotonic()
        if now - self._signed[0] >= LOOK_SECONDS:
            self._signed = (
                now,
                tuple((view.id, view.signature(), view.state_or_damaged()) for view in self.views()),
            )
        return self._signed[1]

    def newest_of(self, model: str) -> RunView:
        """Return the view of a run by its id, or of the newest run of a name; raise RunError where there is none."""
        named = [view for view in self.views() if view.id == model or name_of(view.id) == model]
        return named[0] if named else self.view(model)


def name_of(run_id: str) -> str:
    """Return the name that a run was given, without time and number."""
    return re.sub(r"-\d{8}-\d{6}-[0-9a-f]{6}$", "", run_id)


def _age(run_id: str) -> tuple[str, str]:
    time_at = re.search(r"-(\d{8}-\d{6})-[0-9a-f]{6}$", run_id)
    return (time_at[1] if time_at else "", run_id)
