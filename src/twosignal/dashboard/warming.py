"""The first look at a long run should not be a slow one: takes the runs, reads the newest before anybody asks."""

from typing import Final

from twosignal.audits.degeneration import score
from twosignal.dashboard.shelf import Shelf
from twosignal.dashboard.view import RunView
from twosignal.errors import RunError

NEWEST: Final = 3
FIRST_SEEN: Final = ("loss", "smma10", "smma100", "smma1000")
WIDTH: Final = 1024


def warm_up(shelf: Shelf) -> None:
    """Read what the pages of the newest runs show first, and what texts are judged by; a damaged run is left out."""
    for view in shelf.views()[:NEWEST]:
        try:
            _read(view)
        except RunError:
            continue
    score("A text.")


def _read(view: RunView) -> None:
    with view.lock:
        view.refresh()
    for name in FIRST_SEEN:
        with view.lock:
            track = view.track()
            view.curves.buckets(name, track, width=WIDTH, span=range(track.count))
    with view.lock:
        view.notes.samples(view.track())
