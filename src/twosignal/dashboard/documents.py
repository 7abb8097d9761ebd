"""From a copied passage to the document it stands in: takes a sample and the run's copy index, gives the text around it.

Nothing in a request names a file. The index is found by what the run recorded of its own sources, and the text comes
from the index, so only what the run was trained on can be seen.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from twosignal.audits.copying import CopyIndex, index_key
from twosignal.dashboard.view import RunView
from twosignal.errors import RunError

AROUND: Final = 1500
"""Bytes shown before and behind a passage."""


def document(view: RunView, *, step: int, index: int, match: int) -> dict[str, Any]:
    """Return the training text around a copied passage of a sample.

    Raises RunError where the run has no such passage, or no copy index any more.
    """
    passage, place = _passage(view, step=step, index=index, match=match)
    index_of_run = _opened(_index_folder(view))
    found = index_of_run.runs(passage.encode("utf-8", "surrogatepass"))
    if not found:
        raise RunError("the passage is not in the run's copy index", where=f"{view.id}, step {step:,}")
    longest = max(found, key=lambda run: run.length)
    excerpt = index_of_run.excerpt(longest.place, length=longest.length, around=AROUND)
    told = {name: place.get(name) for name in ("source", "document", "file", "line", "occurrences")}
    return told | {
        "kind": "index",
        "before": excerpt.before,
        "copied": excerpt.passage,
        "after": excerpt.after,
        "starts_here": excerpt.is_beginning,
        "ends_here": excerpt.is_end,
    }


def _passage(view: RunView, *, step: int, index: int, match: int) -> tuple[str, Mapping[str, Any]]:
    """Return a copied passage of a sample and where it was found."""
    lines = view.notes.lines_at("sample", view.track(), step)
    where = f"{view.id}, step {step:,}"
    if not 0 <= index < len(lines):
        raise RunError("there is no such sample", where=where, found=f"index {index} of {len(lines)}")
    body = view.tail.event(lines[index]).body
    copied = body.get("copied")
    matches = copied.get("matches") if isinstance(copied, Mapping) else None
    if (
        not isinstance(matches, list)
        or not 0 <= match < len(matches)
        or not isinstance(matches[match], Mapping)
    ):
        raise RunError("the sample has no such copied passage", where=where, found=f"match {match}")
    place = matches[match]
    return str(body.get("text", ""))[place.get("start", 0) : place.get("end", 0)], place


def _index_folder(view: RunView) -> Path:
    start = view.notes.first("start")
    inputs = start.body.get("inputs") if start else None
    key = index_key({str(k): str(v) for k, v in inputs.items()}) if isinstance(inputs, Mapping) else ""
    folder = view.run.path.parent / ".cache" / f"copies-{key}"
    if not folder.is_dir():
        message = "this run has no copy index any more, or never had one"
        raise RunError(
            message, where=view.id, remedy="Build one from its run file: twosignal index RUN_FILE."
        )
    return folder


@lru_cache(maxsize=2)
def _opened(folder: Path) -> CopyIndex:
    """Return the index in a folder, kept open: it holds memory, and the next passage is often of the same run."""
    return CopyIndex(folder)
