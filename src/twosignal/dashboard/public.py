"""A copy of the dashboard that any web server can show: takes runs and a folder, gives the pages and their JSON as files.

The copy is made of files only: there is nothing on the other side that could be asked to write. Every file is replaced
at once, and only when what it tells has changed.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from twosignal.audits.run_audit import audit_run
from twosignal.dashboard import series
from twosignal.dashboard.assets import Assets
from twosignal.dashboard.encoding import finite, to_json
from twosignal.dashboard.overview import run_line, run_summary, series_names
from twosignal.dashboard.routes import OF_RUN
from twosignal.dashboard.samples import sample_columns, sampling
from twosignal.dashboard.shelf import Shelf
from twosignal.dashboard.view import RunView, Signature
from twosignal.errors import InputError, RunError, StorageError
from twosignal.records.storage import write_atomic

EVERY_SECONDS: Final = 10.0
MARK: Final = "data/public.json"
SAME_SHAPE: Final = ("verdicts", "bandit", "receipt", "checkpoints")
"""Files that hold what the address of the same name under a run answers."""


@dataclass(slots=True, kw_only=True)
class PublicCopy:
    """A folder with the pages and what they show, brought up to date by `write`."""

    folder: Path
    """Where it is written."""
    shelf: Shelf
    """The runs."""
    pages: Assets = field(default_factory=Assets)
    """The files of the pages."""
    _told: dict[str, bytes] = field(default_factory=dict)
    _signed: dict[str, tuple[Signature, str]] = field(default_factory=dict)
    _samplings: dict[str, dict[int, tuple[int, ...]]] = field(default_factory=dict)

    def check(self) -> None:
        """Raise InputError where the folder holds something else, StorageError where it cannot be made."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            is_ours = (self.folder / MARK).is_file() or not any(self.folder.iterdir())
        except OSError as error:
            message = f"the folder of the copy cannot be used: {error.strerror}"
            raise StorageError(message, where=str(self.folder)) from error
        if not is_ours:
            message = "the folder holds something that is no copy of a dashboard"
            raise InputError(message, where=str(self.folder), remedy="Give an empty folder, or a new one.")

    def write(self) -> int:
        """Bring the copy up to date and return how many files were replaced; raise StorageError."""
        written = 0
        for address, path in self.pages.files().items():
            written += self._put(address.lstrip("/") or "index.html", path.read_bytes())
        views = self.shelf.views()
        for view in views:
            with suppress(RunError):
                written += self._write_run(view)
        lines = {"title": self.shelf.title, "runs": [run_line(view) for view in views]}
        written += self._put("data/runs.json", to_json(lines))
        self._told.pop(MARK, None)
        return written + self._put(
            MARK, to_json({"public": True, "every": EVERY_SECONDS, "written": time.time()})
        )

    def _write_run(self, view: RunView) -> int:
        """Write what one run shows, if it has changed."""
        signed = (view.signature(), view.state())
        if self._signed.get(view.id) == signed:
            return 0
        with view.lock:
            view.refresh()
            told = self._answers(view)
            samplings = self._new_samplings(view)
        written = sum(self._put(f"data/{view.id}/{name}.json", to_json(one)) for name, one in told.items())
        for step, one in samplings.items():
            written += self._put(f"data/{view.id}/samples/{step}.json", one)
        audit = finite(audit_run(view.run).as_dict())
        written += self._put(f"data/{view.id}/audit.json", to_json(audit))
        self._signed[view.id] = signed
        return written

    def _answers(self, view: RunView) -> Mapping[str, Any]:
        track = view.track()
        names = [one["name"] for one in series_names(view.curves, view.notes, track=track)]
        parts = [names[at : at + series.MOST_NAMES] for at in range(0, len(names), series.MOST_NAMES)]
        answers = [series.answer(view, series.Question(names=part)) for part in parts]
        curves = answers[0] | {
            "series": {name: one for answer in answers for name, one in answer["series"].items()}
        }
        return {
            "run": run_summary(view) | {"cursor": series.cursor(view, track)},
            "series": curves,
            "samples": sample_columns(view, first_step=None, last_step=None, heads=True),
            **{name: OF_RUN[f"/{name}"][0](view, {}) for name in SAME_SHAPE},
        }

    def _new_samplings(self, view: RunView) -> dict[int, bytes]:
        """Return the texts of every sampling that is new, or was drawn anew, and of the one before."""
        track = view.track()
        lines = view.tail.lines
        found = {
            step: tuple(numbers)
            for step, numbers in groupby(view.notes.lines("sample", track), lambda number: lines[number].step)
        }
        known = self._samplings.get(view.id, {})
        steps = list(found)
        changed = {step for step in steps if known.get(step) != found[step]}
        last_known = [step for step in steps if step not in changed][-1:]
        self._samplings[view.id] = found
        return {step: to_json(sampling(view, step)) for step in [*last_known, *sorted(changed)]}

    def _put(self, name: str, body: bytes) -> bool:
        """Replace a file of the copy, if it is to hold something else than was written last."""
        digest = blake2b(body, digest_size=16).digest()
        if self._told.get(name) == digest:
            return False
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"the copy cannot be written: {error.strerror}"
            raise StorageError(message, where=str(path)) from error
        write_atomic(path, body)
        self._told[name] = digest
        return True
