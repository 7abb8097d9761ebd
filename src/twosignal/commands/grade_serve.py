"""`twosignal grade serve RUN`: takes a bundle and who is invited, serves the blind page to them, and takes in their grades."""

import os
import socket
import sys
import time
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from twosignal.audits.grading.folder import FOLDER, choose_bundle, read_bundle
from twosignal.audits.grading.invitations import Seat, invite, read_seats, write_seats
from twosignal.audits.grading.sittings import Sittings
from twosignal.commands.console import console_for, print_json
from twosignal.dashboard.grading_serve import serve_grading
from twosignal.dashboard.guard import names_of
from twosignal.dashboard.sockets import listen, url_of
from twosignal.errors import InputError
from twosignal.records.lock import FolderLock
from twosignal.records.reader import open_run

LOCK = ".serving.lock"


def run(options: Namespace) -> int:
    """Run the command."""
    found = open_run(options.run, options.runs)
    bundle = read_bundle(found.path, choose_bundle(found.path, options.bundle))
    place = found.path / FOLDER / bundle.bundle
    console = console_for(options)
    with ExitStack() as held:
        held.callback(FolderLock(place, name=LOCK).release)
        # The place to listen at comes first: a link is shown only once, and must not be lost to a busy port.
        opened = held.enter_context(listen(options.host, options.port))
        seats, tokens = _invited(place, options)
        sittings = Sittings(
            run=found.path,
            bundle=bundle,
            seats={one.seat: one for one in seats},
            told=lambda text: console.print(text, markup=False, soft_wrap=True),
        )
        _announce(sittings, tokens, url=url_of(opened, options.host), options=options, console=console)
        held.callback(_conclude, sittings, run=found.id, options=options, console=console)
        if not sittings.is_over():
            hosts = names_of([options.host, socket.gethostname(), *options.allow_host])
            serve_grading(sittings, opened, hosts=hosts)
            if not sittings.is_over():
                # Where the shell that began this ignores Ctrl-C, the server ends by it without raising.
                raise KeyboardInterrupt
    return 0


def _invited(place: Path, options: Namespace) -> tuple[tuple[Seat, ...], dict[str, str]]:
    """Return everybody invited, those of earlier calls too, and the tokens of those who are new."""
    before = read_seats(place)
    graders = options.graders.split(",") if options.graders is not None else []
    graders += [f"Grader {number}" for number in range(1, (options.invite or 0) + 1)]
    invited = invite(before, graders, until=time.time() + 3600 * options.hours, renew=options.renew)
    if not invited.seats:
        message = "nobody is invited"
        raise InputError(message, where="grade serve", expected="--graders Ada,Ben,Cleo or --invite 3")
    write_seats(place, invited.seats)
    return invited.seats, invited.tokens


def _announce(
    sittings: Sittings, tokens: dict[str, str], *, url: str, options: Namespace, console: Console
) -> None:
    """Say who is invited and by which link; a link is shown here and nowhere else, and never again."""
    told = [
        {
            "grader": one.grader,
            "url": f"{url}{one.seat}/#{tokens[one.seat]}" if one.seat in tokens else None,
            "state": _state(sittings, one),
            "until": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.until)),
        }
        for one in sittings.seats.values()
    ]
    if options.json:
        print_json({"url": url, "pid": os.getpid(), "bundle": sittings.bundle.bundle, "graders": told})
        sys.stdout.flush()
        return
    lines = [
        f"bundle {sittings.bundle.bundle}, {len(sittings.bundle.items)} texts, at {url}; one link for each grader:"
    ]
    lines += [f"{one['grader']}: {one['url'] or one['state']}" for one in told]
    if len(tokens) < len(told):
        lines.append("An earlier link goes on working; --renew NAME makes a new one in its place.")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _conclude(sittings: Sittings, *, run: str, options: Namespace, console: Console) -> None:
    """Say what came in."""
    told = [
        {
            "grader": one.grader,
            "state": _state(sittings, one),
            "grades": sittings.num_submitted(one),
            "kept": sittings.num_drafted(one),
        }
        for one in sittings.seats.values()
    ]
    if options.json:
        print_json({"run": run, "bundle": sittings.bundle.bundle, "graders": told})
        return
    for one in told:
        console.print(f"{one['grader']}: {one['state']}", markup=False, soft_wrap=True)
    if any(one["grades"] for one in told):
        console.print(f"See what they say: twosignal grade report {run}", markup=False, soft_wrap=True)


def _state(sittings: Sittings, seat: Seat) -> str:
    """Return how far a grader is, in words."""
    if sittings.num_submitted(seat):
        return f"{sittings.num_submitted(seat)} grades are in"
    kept = sittings.num_drafted(seat)
    told = (
        f"{kept} of {len(sittings.bundle.items)} texts graded, not submitted"
        if kept
        else "nothing graded yet"
    )
    return f"{told}; the link has expired" if sittings.has_expired(seat) else told
