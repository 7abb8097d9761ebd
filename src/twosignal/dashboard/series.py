"""The curves of a page: takes a run and a question, gives aligned columns of last, lowest and highest value per bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twosignal.dashboard.buckets import Buckets, Series, width_for
from twosignal.dashboard.encoding import column
from twosignal.dashboard.tracks import Track
from twosignal.dashboard.view import RunView
from twosignal.errors import InputError

MOST_NAMES: Final = 24
MOST_BUCKETS: Final = 4000
DEFAULT_BUCKETS: Final = 800
WIDEST: Final = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which curves, from where to where, how fine."""

    names: Sequence[str]
    """Names of the series."""
    first_step: int | None = None
    """First step shown; None: from the beginning."""
    last_step: int | None = None
    """Last step shown; None: to the end."""
    buckets: int = DEFAULT_BUCKETS
    """Most buckets wanted."""
    width: int = 1
    """Fewest rows in a bucket."""
    attempt: int | None = None
    """The attempt whose path is shown; None: the newest."""

    def __post_init__(self) -> None:
        if not 0 < len(self.names) <= MOST_NAMES:
            message = "the number of series is out of bounds"
            raise InputError(
                message, where="names", found=str(len(self.names)), expected=f"1 to {MOST_NAMES}"
            )
        if not 0 < self.buckets <= MOST_BUCKETS:
            message = "the number of buckets is out of bounds"
            raise InputError(
                message, where="buckets", found=str(self.buckets), expected=f"1 to {MOST_BUCKETS}"
            )
        if not 0 < self.width <= WIDEST or self.width & (self.width - 1):
            message = "a bucket must hold a power of two of rows"
            raise InputError(message, where="width", found=str(self.width))


def answer(view: RunView, question: Question) -> dict[str, Any]:
    """Return the series asked for; raise InputError for an attempt that never was."""
    track = track_of(view, question.attempt)
    span = view.curves.span(track, first_step=question.first_step, last_step=question.last_step)
    width = width_for(span, limit=question.buckets, wanted=question.width)
    first = span.start // width
    known = [name for name in question.names if name in view.curves.formulas]
    by_event = [name for name in question.names if name not in view.curves.formulas]
    series = {name: told(view.curves.buckets(name, track, width=width, span=span)) for name in known}
    events = {name: one for name in by_event if (one := _by_event(view, name, track, question=question))}
    return {
        "run": view.id,
        "attempt": track.attempt,
        "width": width,
        "first": first,
        "steps": bucket_steps(view, track, width=width, span=span) if known else [],
        "series": series | events,
        "missing": [name for name in by_event if name not in events],
        "cursor": cursor(view, track),
    }


def track_of(view: RunView, attempt: int | None) -> Track:
    """Return the track to an attempt; raise InputError where it never was."""
    try:
        return view.track(attempt)
    except IndexError as error:
        message = "there was no such attempt"
        raise InputError(
            message, where="attempt", found=str(attempt), expected=f"0 to {len(view.tail.forks)}"
        ) from error


def bucket_steps(view: RunView, track: Track, *, width: int, span: range) -> Any:  # noqa: ANN401 (a numpy column)
    """Return the last step of every bucket that holds rows of a span."""
    ends = np.arange(span.start // width, -(-span.stop // width), dtype=np.int64) * width + width - 1
    return view.curves.steps(track, np.minimum(ends, track.count - 1)) if len(ends) else []


def told(buckets: Buckets) -> dict[str, Any]:
    """Return the columns of a series, and which buckets hold values that are not finite."""
    broken = np.flatnonzero(buckets.broken)
    return {
        "last": column(buckets.last),
        "min": column(buckets.low),
        "max": column(buckets.high),
        "nonfinite": [[place, int(buckets.broken[place])] for place in broken.tolist()],
    }


def cursor(view: RunView, track: Track) -> str:
    """Return where the records end: attempt, rows and event lines."""
    return f"{track.attempt}.{track.count}.{len(view.tail.lines)}"


def _by_event(view: RunView, name: str, track: Track, *, question: Question) -> dict[str, Any] | None:
    """Return a series with steps of its own, in as many buckets as wanted; None where there is no such series."""
    try:
        found = view.notes.series(name, track)
    except KeyError:
        return None
    steps: Series = np.array(found.steps, dtype=np.int64)
    first = 0 if question.first_step is None else int(np.searchsorted(steps, question.first_step))
    stop = (
        len(steps)
        if question.last_step is None
        else int(np.searchsorted(steps, question.last_step, side="right"))
    )
    shown, figures = steps[first:stop], found.buckets.figures[first:stop]
    return {"steps": shown, **told(Buckets(figures=figures))}
