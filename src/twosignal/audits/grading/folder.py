"""Where grading lies in a run: takes bundles and graders' files, keeps them in `grading/`, append-only, and reads them back.

    grading/ledger.jsonl            one line per bundle and per grader, each chained to the line before by its hash
    grading/BUNDLE/bundle.json      what graders see
    grading/BUNDLE/page.html        the same as a page
    grading/BUNDLE/key.json         sealed: what each item is; its SHA-256 stands in bundle, page and ledger
    grading/BUNDLE/grades-0001.json a grader's file, as it came

Everything is checked against the ledger's hashes when it is read, and the ledger against itself.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twosignal.audits.grading.bundle import Bundle, Key, sha256
from twosignal.audits.grading.grades import Grades, check_items, parse_grades
from twosignal.errors import InputError, RunError
from twosignal.records.events import chain, chain_hash
from twosignal.records.lock import FolderLock
from twosignal.records.room import storage_error
from twosignal.records.storage import append_record, sync_folder, write_durable

FOLDER: Final = "grading"
LEDGER: Final = "ledger.jsonl"

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """A bundle with its key, opened, and everything graders said."""

    bundle: Bundle
    key: Key
    grades: tuple[Grades, ...]
    """In the order they were imported."""


def publish(run: Path, bundle: Bundle, key: Key, *, page: str) -> Path:
    """Store a bundle in a run and note it in the ledger; return its folder. Raises StorageError."""
    place = run / FOLDER / bundle.bundle
    files = {"bundle.json": bundle.to_bytes(), "page.html": page.encode("utf-8"), "key.json": key.to_bytes()}
    try:
        place.mkdir(parents=True)
        for name, data in files.items():
            write_durable(place / name, data)
        (place / "key.json").chmod(0o600)
        sync_folder(place)
    except OSError as error:
        raise storage_error(place, error) from error
    entry = {"kind": "export", "bundle": bundle.bundle, "items": len(bundle.items), "run": key.fingerprint}
    hashes = {f"{name.split('.')[0]}_sha256": sha256(data) for name, data in files.items()}
    with _held(run):
        _note(run, [entry | {"seed": key.seed} | hashes])
    return place


def bundles(run: Path) -> list[str]:
    """Return the names of a run's bundles, oldest first."""
    return [line["bundle"] for line in read_ledger(run) if line["kind"] == "export"]


def choose_bundle(run: Path, name: str | None = None, *, graded: bool = False) -> str:
    """Return the bundle of that name or beginning, else the newest (with grades, if `graded`); raise RunError."""
    known = bundles(run)
    if not known:
        message = "no bundle was exported from this run"
        raise RunError(message, where=str(run), remedy=f"Export one with: twosignal grade export {run.name}.")
    has_grades = {line["bundle"] for line in read_ledger(run) if line["kind"] == "import"}
    matching = [one for one in known if (one.startswith(name) if name else one in has_grades or not graded)]
    if name and len(matching) != 1:
        message = "there is no such bundle" if not matching else "this is the beginning of several bundles"
        raise RunError(message, where=str(run / FOLDER), found=name, expected=f"one of {', '.join(known)}")
    if not matching:
        remedy = f"Import graders' files with: twosignal grade import {run.name} FILE."
        raise RunError("nobody has graded a bundle of this run yet", where=str(run / FOLDER), remedy=remedy)
    return matching[-1]


def read_bundle(run: Path, name: str) -> Bundle:
    """Return a bundle as it was published; raise RunError where it is gone or was changed."""
    line = _export_line(run, name)
    place = run / FOLDER / name / "bundle.json"
    return Bundle.from_bytes(_unchanged(place, line["bundle_sha256"]), where=str(place))


def read_graded(run: Path, name: str) -> Graded:
    """Return a bundle with its key and all grades; raise RunError where anything is gone or was changed."""
    line = _export_line(run, name)
    place = run / FOLDER / name
    bundle = read_bundle(run, name)
    key = Key.from_bytes(_unchanged(place / "key.json", line["key_sha256"]), where=str(place / "key.json"))
    if bundle.key_sha256 != line["key_sha256"]:
        message = "the bundle was published with the hash of another key"
        raise RunError(message, where=str(place), found=bundle.key_sha256, expected=line["key_sha256"])
    imports = [one for one in read_ledger(run) if one["kind"] == "import" and one["bundle"] == name]
    grades = [
        parse_grades(_unchanged(place / one["file"], one["sha256"]), name=str(place / one["file"]))
        for one in imports
    ]
    return Graded(bundle=bundle, key=key, grades=tuple(grades))


def import_grades(run: Path, files: Sequence[tuple[str, bytes]], *, partial: bool = False) -> list[Grades]:
    """Check graders' files, (name, content) each, and store them all, or none; return what they say.

    `partial` lets graders leave items out. Raises InputError naming file and line, RunError, StorageError.
    """
    known = bundles(run)
    if not known:
        message = "no bundle was exported from this run, so nobody can have graded it"
        raise RunError(message, where=str(run), remedy=f"Export one with: twosignal grade export {run.name}.")
    with _held(run):
        checked = _checked(run, files, known=known, partial=partial)
        _store(run, checked)
    return [grades for grades, _ in checked]


def _checked(
    run: Path, files: Sequence[tuple[str, bytes]], *, known: Sequence[str], partial: bool
) -> list[tuple[Grades, bytes]]:
    imports = [line for line in read_ledger(run) if line["kind"] == "import"]
    taken = {(one["bundle"], one["grader"].casefold()): "this run" for one in imports}
    checked = []
    for name, data in files:
        grades = parse_grades(data, name=name)
        _check(grades, run, known=known, name=name, data=data, partial=partial)
        who = (grades.bundle, grades.grader.casefold())
        if who in taken:
            raise InputError(
                "this grader has graded the bundle already",
                where=f"{name}:1",
                found=f"{grades.grader}, in {taken[who]}",
                expected="one file for each grader",
                remedy="Give another name to another person; the first file of a grader stands.",
            )
        taken[who] = name
        checked.append((grades, data))
    return checked


def read_ledger(run: Path) -> list[Line]:
    """Return the ledger's lines, oldest first; raise RunError at one that was changed. A torn last line is not there."""
    path = run / FOLDER / LEDGER
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(
            "the ledger cannot be read", where=str(path), found=error.strerror or str(error)
        ) from error
    lines: list[Line] = []
    previous = ""
    for number, raw in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        line = _line(raw)
        if line is None or chain_hash(line, previous) != line["hash"]:
            remedy = "Grades after this line cannot be trusted; restore the ledger from a copy."
            raise RunError("the ledger was changed here", where=f"{path}:{number}", remedy=remedy)
        lines.append(line)
        previous = line["hash"]
    return lines


def _line(raw: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("hash"), str) else None


def _check(grades: Grades, run: Path, *, known: Sequence[str], name: str, data: bytes, partial: bool) -> None:
    if grades.bundle not in known:
        raise InputError(
            "these are grades of another bundle",
            where=f"{name}:1",
            found=grades.bundle[:80],
            expected=f"one of {', '.join(known)}",
            remedy="Give the run that the bundle was exported from.",
        )
    items = [item.item for item in read_bundle(run, grades.bundle).items]
    check_items(grades, set(items), name=name, data=data)
    missing = grades.missing(items)
    if missing and not partial:
        raise InputError(
            f"{len(missing)} of {len(items)} items were not graded",
            where=f"{name}:{data.count(10) or 1}",
            found=f"no grade for {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}",
            expected="a grade for every item",
            remedy="Finish grading, or take what there is with --partial.",
        )


def _store(run: Path, checked: Sequence[tuple[Grades, bytes]]) -> None:
    entries = []
    for grades, data in checked:
        place = run / FOLDER / grades.bundle
        number = len(list(place.glob("grades-*.json"))) + 1
        path = place / f"grades-{number:04}.json"
        try:
            write_durable(path, data)
            sync_folder(place)
        except OSError as error:
            raise storage_error(path, error) from error
        entry = {"kind": "import", "bundle": grades.bundle, "grader": grades.grader, "rater": grades.rater}
        entries.append(entry | {"file": path.name, "sha256": sha256(data), "grades": len(grades.grades)})
    _note(run, entries)


@contextmanager
def _held(run: Path) -> Iterator[None]:
    """Keep other commands from writing to the grading of a run meanwhile."""
    lock = FolderLock(run / FOLDER)
    try:
        yield
    finally:
        lock.release()


def _note(run: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Append lines to the ledger, each chained to the line before; the folder is held."""
    path = run / FOLDER / LEDGER
    lines = read_ledger(run)
    previous = lines[-1]["hash"] if lines else ""
    data = b""
    for entry in entries:
        link = chain(entry, previous, clock={"time": time.time()})
        data, previous = data + link.line, link.hash
    try:
        with path.open("ab+", buffering=0) as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            append_record(file.fileno(), data, path=path)
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(path, error) from error


def _export_line(run: Path, name: str) -> Line:
    return next(line for line in read_ledger(run) if line["kind"] == "export" and line["bundle"] == name)


def _unchanged(path: Path, expected: str) -> bytes:
    """Return a file whose hash is `expected`; raise RunError where it is gone or was changed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        message = "a file of the grading cannot be read"
        raise RunError(message, where=str(path), found=error.strerror or str(error)) from error
    if sha256(data) != expected:
        raise RunError(
            "this file was changed after it was published",
            where=str(path),
            found=f"SHA-256 {sha256(data)}",
            expected=expected,
            remedy="Restore it from a copy.",
        )
    return data
