"""Grading at a served page: takes tokens, browsers' secrets and grades as they come, gives drafts and imported files.

A link works for one grader and for the first browser that opens it, until it expires or its grades are in. Only the
bundle is read here, never the key. Every refusal is an InputError whose sentence is written for the grader.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from twosignal.audits.grading.bundle import Bundle, sha256
from twosignal.audits.grading.folder import FOLDER, import_grades, read_ledger
from twosignal.audits.grading.grades import Grades, check_items, parse_grades
from twosignal.audits.grading.invitations import TOKEN_BYTES, Seat, write_seats
from twosignal.errors import InputError
from twosignal.records.room import storage_error
from twosignal.records.storage import write_atomic

FILE_NAME: Final = "your grades"
"""What a grader's file is called in sentences; nobody at the page knows files."""


def _nothing_told(_: str) -> None:
    """Tell nobody."""


@dataclass(slots=True, kw_only=True)
class Sittings:
    """All graders of one bundle, while its page is served; safe to ask from several threads."""

    run: Path
    """Folder of the run."""
    bundle: Bundle
    """What is graded."""
    seats: dict[str, Seat]
    """Seat to who was invited, in order."""
    told: Callable[[str], None] = _nothing_told
    """Hears who came and what came in."""
    clock: Callable[[], float] = time.time
    """Unix time in seconds."""
    _submitted: dict[str, int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        """Look up whose grades are in already."""
        imports = {
            line["grader"].casefold(): line["grades"]
            for line in read_ledger(self.run)
            if line["kind"] == "import" and line["bundle"] == self.bundle.bundle
        }
        for seat in self.seats.values():
            if seat.grader.casefold() in imports:
                self._submitted[seat.seat] = imports[seat.grader.casefold()]

    def enter(self, seat: str, token: str, *, browser: str) -> str:
        """Return the secret of the browser that may sit down: its own, or a new one for the first to bring the token.

        Raises InputError for any other browser, another token, and a link that is spent or has expired.
        """
        with self._lock:
            found = self.seats.get(seat)
            if found is None or not (found.knows(token) or found.knows_browser(browser)):
                message = (
                    "this page opens by the link you were sent" if not token else "this link is not valid"
                )
                raise InputError(message, remedy="Open the whole link again, as you were sent it.")
            self._check_open(found)
            if found.knows_browser(browser):
                return browser
            if found.browser_sha256:
                raise InputError(
                    "this link was opened in another browser before",
                    remedy="Go on there, or ask for a new link.",
                )
            secret = secrets.token_urlsafe(TOKEN_BYTES)
            seated = self.seats | {seat: replace(found, browser_sha256=sha256(secret.encode()))}
            write_seats(self._place, list(seated.values()))
            self.seats = seated
            self.told(f"{found.grader} opened the page")
            return secret

    def seated(self, seat: str, browser: str) -> Seat:
        """Return the seat that a browser sits at; raise InputError where it does not, or no longer."""
        found = self.seats.get(seat)
        if found is None or not found.knows_browser(browser):
            message = "this page is open in another browser, or was never opened by its link"
            raise InputError(message, remedy="Open the link you were sent.")
        self._check_open(found)
        return found

    def draft(self, seat: Seat) -> Grades | None:
        """Return what a grader has graded so far; None before the first grade."""
        path = self._draft(seat)
        try:
            return parse_grades(path.read_bytes(), name=path.name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(path, error) from error

    def keep(self, seat: Seat, data: bytes) -> Grades:
        """Keep what a grader has graded so far, in place of what was kept before; raise InputError, StorageError."""
        with self._lock:
            self._check_open(seat)
            grades = self._checked(seat, data)
            write_atomic(self._draft(seat), data)
        return grades

    def submit(self, seat: Seat, data: bytes) -> Grades:
        """Put a grader's finished file where `grade import` puts it; the link is spent then. Raises as `import_grades`."""
        with self._lock:
            self._check_open(seat)
            self._checked(seat, data)
            grades = import_grades(self.run, [(FILE_NAME, data)])[0]
            self._submitted[seat.seat] = len(grades.grades)
            self._draft(seat).unlink(missing_ok=True)
        self.told(f"{seat.grader} submitted {len(grades.grades)} grades")
        return grades

    def num_submitted(self, seat: Seat) -> int:
        """Return how many grades of a grader are in; 0 before that."""
        return self._submitted.get(seat.seat, 0)

    def num_drafted(self, seat: Seat) -> int:
        """Return how many grades are kept that are not in yet."""
        draft = None if self.num_submitted(seat) else self.draft(seat)
        return len(draft.grades) if draft else 0

    def is_over(self) -> bool:
        """Return whether nobody is left whose link could be used."""
        return all(self.num_submitted(one) or self.has_expired(one) for one in self.seats.values())

    def has_expired(self, seat: Seat) -> bool:
        """Return whether a link is too old."""
        return self.clock() >= seat.until

    @property
    def _place(self) -> Path:
        return self.run / FOLDER / self.bundle.bundle

    def _draft(self, seat: Seat) -> Path:
        return self._place / f"draft-{seat.seat}.json"

    def _check_open(self, seat: Seat) -> None:
        if self.num_submitted(seat):
            raise InputError("your grades are in, and the link is spent", remedy="Thank you.")
        if self.has_expired(seat):
            raise InputError(
                "this link has expired", remedy="Ask for a new one; what you have graded is kept."
            )

    def _checked(self, seat: Seat, data: bytes) -> Grades:
        """Return the grades in a file that this grader may send; raise InputError where it is not theirs, or wrong."""
        grades = parse_grades(data, name=FILE_NAME)
        for message, found, expected in (
            ("these are grades of another bundle", grades.bundle[:80], self.bundle.bundle),
            ("these are grades of somebody else", grades.grader, seat.grader),
            ("the grades of a page are a person's", grades.rater, "person"),
        ):
            if found != expected:
                raise InputError(message, where=FILE_NAME, found=found, expected=expected)
        check_items(grades, {one.item for one in self.bundle.items}, name=FILE_NAME, data=data)
        return grades
