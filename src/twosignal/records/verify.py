"""Are a run's records whole and unchanged? Takes a run folder, gives every fault with its place and what to do.

Checked are the hash chain and the schema of events.jsonl; shape and order of the files of steps; every file of every
checkpoint against the hash it was saved with, and the place in the records that it names, so that a cut end is found;
and the receipt against the proof that the records tell of. A run that goes on meanwhile may be checked, too.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

import twosignal.records.folder as places
from twosignal.errors import RunError
from twosignal.records.columns import Rows, read_header, read_rows
from twosignal.records.journal import Journal
from twosignal.records.reader import Run
from twosignal.records.storage import file_hash

RECEIPT: Final = "receipt.json"
STATE: Final = "state.json"
_FROM_COPY: Final = (
    "Restore the file from a copy: records are only ever appended, so an older copy is its beginning."
)
_DELETE_CHECKPOINT: Final = "Restore the file, or delete this folder to go on from the checkpoint before it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it was written."""

    where: str
    """File, with line or row."""
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was checked, and what was found."""

    run: str
    """Id of the run."""
    events: int = 0
    """Lines of events.jsonl after its header."""
    rows: int = 0
    """Rows of learning.bin."""
    checkpoints: int = 0
    faults: list[Fault] = field(default_factory=list)
    """In the order of the files; empty when all is well."""
    notes: list[str] = field(default_factory=list)
    """What is not finished but no fault, such as the line in flight when a process was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saved:
    """A checkpoint and what its state.json says; None where that cannot be read."""

    folder: Path
    state: Mapping[str, Any] | None


def verify(run: Run, *, checkpoints: bool = True) -> Verified:
    """Check a run; `checkpoints` includes the hashes of their files, which reads all of them."""
    # What points into a file is read before it: a run that goes on only ever gets longer.
    saved = [_Saved(folder=folder, state=_state(folder)) for folder in run.checkpoints()]
    faults, notes = _step_faults(run.path)
    rows = _rows(run.path / places.LEARNING)
    journal, broken = _journal(run.path / places.EVENTS)
    faults += broken
    if journal is not None and rows is not None:
        notes += _torn_line(journal)
        faults += [*_fork_faults(journal, rows, run.path), *_receipt_faults(run.path, journal)]
        for one in saved:
            faults += _place_fault(one, journal, rows)
    for one in saved:
        faults += _checkpoint_faults(one, whole=checkpoints)
    return Verified(
        run=run.id,
        events=len(journal.lines) if journal else 0,
        rows=0 if rows is None else len(rows),
        checkpoints=len(saved),
        faults=faults,
        notes=notes,
    )


def _journal(path: Path) -> tuple[Journal | None, list[Fault]]:
    """Return the journal if it can be read, and its faults: the first broken link, and every line that is no event."""
    try:
        journal = Journal.read(path)
    except RunError as error:
        return None, [_fault(error)]
    faults = []
    number = journal.first_broken_line()
    if number is not None:
        message = "this line was changed, or lines before it were lost or moved: its hash does not follow"
        faults.append(Fault(where=f"{path}:{number}", message=message, remedy=_FROM_COPY))
    for index, line in enumerate(journal.lines):
        if not line.startswith(b'{"fork":'):
            faults += _line_fault(journal, index)
    return journal, faults


def _line_fault(journal: Journal, index: int) -> list[Fault]:
    try:
        journal.event(index).check()
    except RunError as error:
        return [_fault(error)]
    except ValueError as error:
        return [Fault(where=f"{journal.path}:{index + 2}", message=str(error), remedy=_FROM_COPY)]
    return []


def _torn_line(journal: Journal) -> list[str]:
    torn = journal.path.stat().st_size - journal.num_bytes
    return [f"{journal.path}: {torn} bytes of a line in flight behind the last"] if torn else []


def _step_faults(folder: Path) -> tuple[list[Fault], list[str]]:
    faults: list[Fault] = []
    notes: list[str] = []
    for path in sorted({*(folder / "steps").glob("*.bin"), folder / places.LEARNING, folder / places.CLOCK}):
        try:
            header, rows = read_header(path), read_rows(path)
        except RunError as error:
            faults.append(_fault(error))
            continue
        torn = (path.stat().st_size - header.num_bytes) % header.dtype.itemsize
        notes += [f"{path}: {torn} bytes of a row in flight behind the last"] if torn else []
        if row := _first_out_of_order(rows):
            message = "the step or attempt of this row does not follow the row before it"
            faults.append(Fault(where=f"{path}, row {row}", message=message, remedy=_FROM_COPY))
    return faults, notes


def _first_out_of_order(rows: Rows) -> int | None:
    """Return the number, from 1, of the first row that falls back in attempts, or in steps within one."""
    attempts, steps = rows["attempt"].astype(np.int64), rows["step"].astype(np.int64)
    change = np.diff(attempts)
    wrong = np.flatnonzero((change < 0) | ((change == 0) & (np.diff(steps) <= 0)))
    return int(wrong[0]) + 2 if len(wrong) else None


def _fork_faults(journal: Journal, rows: Rows, folder: Path) -> list[Fault]:
    """Every attempt among the rows has its fork, and no fork leaves rows that are not there."""
    path = folder / places.LEARNING
    highest = int(rows["attempt"].max(initial=0))
    if highest > len(journal.forks):
        message = f"rows of attempt {highest}, but events.jsonl tells of {len(journal.forks)} returns"
        return [Fault(where=str(path), message=message, remedy=_FROM_COPY)]
    lacking = [fork for fork in journal.forks if fork.steps > len(rows)]
    message = "rows are missing: attempt {} began after row {}, and there are {}"
    return [
        Fault(where=str(path), message=message.format(fork.attempt, fork.steps, len(rows)), remedy=_FROM_COPY)
        for fork in lacking[:1]
    ]


def _place_fault(saved: _Saved, journal: Journal, rows: Rows) -> list[Fault]:
    """A checkpoint names the place of the records at which it was saved: they must reach it, unchanged."""
    cursor = saved.state.get("records") if saved.state else None
    if not isinstance(cursor, Mapping):
        return []
    where, name = str(journal.path), saved.folder.name
    events, steps = int(cursor["events"]), int(cursor["steps"])
    if events > len(journal.lines):
        message = f"lines are missing at the end: {name} was saved after {events}, and there are {len(journal.lines)}"
        return [Fault(where=where, message=message, remedy=_FROM_COPY)]
    if steps > len(rows) or (steps and int(rows["step"][steps - 1]) != int(cursor["step"])):
        message = (
            f"rows are missing or moved: {name} was saved after row {steps}, which is step {cursor['step']}"
        )
        return [Fault(where=str(journal.path.parent / places.LEARNING), message=message, remedy=_FROM_COPY)]
    try:
        is_same = journal.hash_after(events) == cursor["hash"]
    except RunError:
        is_same = False
    message = f"the lines before this one are not those that {name} was saved after"
    return [] if is_same else [Fault(where=f"{where}:{events + 1}", message=message, remedy=_FROM_COPY)]


def _checkpoint_faults(saved: _Saved, *, whole: bool) -> Iterator[Fault]:
    # A checkpoint may be thinned out while the others are read.
    if not saved.folder.exists():
        return
    files = saved.state.get("files") if saved.state else None
    if not isinstance(files, Mapping):
        message = "this cannot be read, so the checkpoint is not complete"
        remedy = "Delete this folder to go on from the checkpoint before it."
        yield Fault(where=str(saved.folder / STATE), message=message, remedy=remedy)
        return
    for name, expected in files.items():
        path = saved.folder / Path(name).name
        if not path.is_file():
            yield Fault(where=str(path), message="the file is missing", remedy=_DELETE_CHECKPOINT)
        elif whole and file_hash(path) != expected:
            message = "the file was changed after it was saved"
            yield Fault(where=str(path), message=message, remedy=_DELETE_CHECKPOINT)


def _receipt_faults(folder: Path, journal: Journal) -> list[Fault]:
    """The receipt must say what the records say was proved; times apart, which stand in the receipt alone."""
    path = folder / RECEIPT
    told = next((journal.event(index) for index in _indexes(journal, "prove")), None)
    if told is None:
        return []
    try:
        receipt: Any = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        message = f"the receipt of the proof cannot be read: {error}"
        return [
            Fault(where=str(path), message=message, remedy=f"Make it anew: twosignal prove {folder.name}.")
        ]
    body = {
        name: value for name, value in told.body.items() if name in ("passed", "tokens", "targets", "rows")
    }
    wrong = [name for name, value in body.items() if receipt.get(name) != value]
    message = "{} is {}, and the records say {}"
    remedy = "Restore the file from a copy; the records are the truth."
    return [
        Fault(where=str(path), message=message.format(name, receipt.get(name), body[name]), remedy=remedy)
        for name in wrong[:1]
    ]


def _indexes(journal: Journal, kind: str) -> Sequence[int]:
    begins = f'{{"kind":"{kind}"'.encode()
    return [index for index, line in enumerate(journal.lines) if line.startswith(begins)]


def _state(folder: Path) -> Mapping[str, Any] | None:
    try:
        state: Any = json.loads((folder / STATE).read_bytes())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def _rows(path: Path) -> Rows | None:
    try:
        return read_rows(path)
    except RunError:
        return None


def _fault(error: RunError) -> Fault:
    found = f": {error.found}" if error.found else ""
    return Fault(where=error.where, message=f"{error.message}{found}", remedy=error.remedy or _FROM_COPY)
