"""What is known of runs already: takes run folders, gives summaries without reading again what has not changed.

`.catalogue.json` beside the runs holds what was found in each, with the sizes and times of the files it was found in.
It is disposable: what is missing, stale or unreadable is found anew, and a folder that cannot be written has none.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import twosignal.records.folder as places
from twosignal.records.values import Json, compact, decode, encode

CATALOGUE: Final = ".catalogue.json"
_VERSION: Final = 1
_WATCHED: Final = (places.EVENTS, places.LEARNING, places.HEARTBEAT)

Facts = dict[str, Any]
"""Plain values by name; floats may be nan or infinite."""


class Catalogue:
    """The facts of every run of a folder."""

    def __init__(self, runs_dir: Path) -> None:
        self._path = runs_dir / CATALOGUE
        self._known = _read(self._path)
        self._seen: dict[str, Json] = {}

    def facts(self, run: Path, find: Callable[[], Facts]) -> Facts:
        """Return what is known of a run, or else what `find` gives; it holds as long as the run's files do not change."""
        # The stamp is taken first: what is written while the facts are found makes them stale, not wrong for good.
        stamp = _stamp(run)
        known = self._known.get(run.name)
        if isinstance(known, Mapping) and known.get("stamp") == stamp:
            self._seen[run.name] = known
            return _decoded(known["facts"])
        found = find()
        self._seen[run.name] = {"stamp": stamp, "facts": encode(found, where=run.name)}
        return found

    def save(self) -> None:
        """Keep what was found for the next time, if anything is new and the folder can be written."""
        if self._seen == self._known:
            return
        hidden = self._path.with_name(f"{CATALOGUE}.{os.getpid()}.partial")
        with suppress(OSError):
            try:
                hidden.write_bytes(compact({"version": _VERSION, "runs": self._seen}))
                hidden.replace(self._path)
            finally:
                hidden.unlink(missing_ok=True)


def _read(path: Path) -> Mapping[str, Json]:
    try:
        stored: Any = json.loads(path.read_bytes())
        runs: Any = stored["runs"] if stored["version"] == _VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return runs if isinstance(runs, dict) else {}


def _decoded(facts: Any) -> Facts:  # noqa: ANN401 (JSON)
    return {name: decode(value) for name, value in facts.items()}


def _stamp(run: Path) -> list[Json]:
    """Return size and time of change of every file that facts are found in; None where there is none."""
    stamp: list[Json] = []
    for name in _WATCHED:
        try:
            status = (run / name).stat()
        except OSError:
            stamp.append(None)
        else:
            stamp.extend((status.st_size, status.st_mtime_ns, status.st_ino))
    return stamp
