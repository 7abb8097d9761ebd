"""Who may grade on a served page: takes names, gives a `Seat` each with a token, and keeps the seats beside the bundle.

    grading/BUNDLE/invitations.json  one seat per grader: hashes of its token and of its browser's secret, and until when
    grading/BUNDLE/draft-SEAT.json   what that grader has graded so far, as a grader's file

A token is drawn once, handed out once, and only its SHA-256 is kept: whoever reads the folder can grade for nobody.
"""

import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from twosignal.audits.grading.bundle import sha256
from twosignal.audits.grading.grades import LONGEST_NAME
from twosignal.errors import InputError, RunError
from twosignal.records.room import storage_error
from twosignal.records.storage import write_atomic

FILE: Final = "invitations.json"
VERSION: Final = 1
MOST_SEATS: Final = 1000
TOKEN_BYTES: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One invited grader."""

    seat: str
    """Random name; part of the grader's address."""
    grader: str
    """The name the grades will carry."""
    token_sha256: str
    """SHA-256 of the token in the grader's link."""
    until: float
    """When the link stops working, Unix time in seconds."""
    browser_sha256: str = ""
    """SHA-256 of the secret that the first browser got; empty until the link was opened."""

    def knows(self, token: str) -> bool:
        """Return whether this is the seat's token."""
        return _same(token, self.token_sha256)

    def knows_browser(self, secret: str) -> bool:
        """Return whether this secret was given to the browser that opened the link."""
        return bool(self.browser_sha256) and _same(secret, self.browser_sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """Seats after an invitation, and the tokens drawn for it."""

    seats: tuple[Seat, ...]
    """In the order they were invited."""
    tokens: dict[str, str]
    """Seat to its new token; a seat that had one before is not in it."""


def invite(
    seats: Sequence[Seat], graders: Iterable[str], *, until: float, renew: Iterable[str] = ()
) -> Invited:
    """Return the seats with those of new graders; a name in `renew` gets a new token, and keeps what it has graded.

    Raises InputError where a name cannot be used, or there is nobody of that name to renew.
    """
    found, tokens = list(seats), {}
    known = {one.grader.casefold() for one in seats}
    for grader in (grader_name(one) for one in graders):
        if grader.casefold() not in known:
            known.add(grader.casefold())
            token = secrets.token_urlsafe(TOKEN_BYTES)
            seat = Seat(
                seat=secrets.token_hex(6), grader=grader, token_sha256=sha256(token.encode()), until=until
            )
            found.append(seat)
            tokens[seat.seat] = token
    for name in (grader_name(one) for one in renew):
        at = next((n for n, one in enumerate(found) if one.grader.casefold() == name.casefold()), None)
        if at is None:
            names = ", ".join(one.grader for one in found) or "nobody yet"
            message = "nobody of that name is invited"
            raise InputError(message, where="--renew", found=name, expected=f"one of {names}")
        token = secrets.token_urlsafe(TOKEN_BYTES)
        found[at] = replace(found[at], token_sha256=sha256(token.encode()), browser_sha256="", until=until)
        tokens[found[at].seat] = token
    if len(found) > MOST_SEATS:
        message = "too many graders are invited"
        raise InputError(message, found=f"{len(found):,}", expected=f"at most {MOST_SEATS:,}")
    return Invited(seats=tuple(found), tokens=tokens)


def grader_name(given: str) -> str:
    """Return a name as grades carry it; raise InputError where it cannot be used."""
    name = " ".join(given.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(
            "a grader's name cannot be used",
            where="--graders",
            found=ascii(given[:LONGEST_NAME]),
            expected=f"1 to {LONGEST_NAME} printable characters",
        )
    return name


def read_seats(place: Path) -> tuple[Seat, ...]:
    """Return the seats beside a bundle, none where nobody was invited; raise RunError where the file is damaged."""
    path = place / FILE
    try:
        values = json.loads(path.read_bytes())
        seats = tuple(Seat(**one) for one in values["seats"])
        is_whole = values["version"] == VERSION and all(_is_whole(one) for one in seats)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise storage_error(path, error) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error
    if not is_whole:
        raise _damaged(path)
    return seats


def write_seats(place: Path, seats: Sequence[Seat]) -> None:
    """Keep the seats beside a bundle, whole at any moment; raise StorageError where that cannot be."""
    path = place / FILE
    head = {"twosignal": "grading invitations", "version": VERSION, "seats": [asdict(one) for one in seats]}
    write_atomic(path, json.dumps(head, indent=1).encode("ascii") + b"\n")


def _damaged(path: Path) -> RunError:
    return RunError(
        "these are no invitations",
        where=str(path),
        expected=f"a file of version {VERSION}",
        remedy="Delete it and invite again; what was graded is kept in the files beside it.",
    )


def _is_whole(seat: Seat) -> bool:
    words = (seat.seat, seat.grader, seat.token_sha256, seat.browser_sha256)
    # The name becomes part of a file's name: only what `invite` draws may.
    return (
        all(isinstance(one, str) for one in words)
        and len(seat.seat) == 12
        and all(letter in "0123456789abcdef" for letter in seat.seat)
        and isinstance(seat.until, (int, float))
    )


def _same(secret: str, digest: str) -> bool:
    return hmac.compare_digest(sha256(secret.encode("utf-8", "replace")).encode(), digest.encode())
