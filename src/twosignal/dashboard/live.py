"""A run as it goes on: takes a run and what viewers look at, gives one stream of news that all of them share.

Viewers who look at the same series of the same run form an audience. Once a second somebody looks whether the files
have grown; what is new is worked out and written once, however many watch. A viewer who was away says where its
records end and is first brought up to date.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from starlette.concurrency import run_in_threadpool

from twosignal.dashboard.encoding import to_json
from twosignal.dashboard.series import bucket_steps, told
from twosignal.dashboard.series import cursor as cursor_of
from twosignal.dashboard.view import RunView
from twosignal.errors import InputError, TwosignalError

LOOK_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 15.0
"""After so long without news a comment says that the connection is alive."""
MOST_VIEWERS: Final = 100
MOST_WAITING: Final = 8
"""Messages that a viewer may be behind; then its connection is closed, and it comes back with its cursor."""
MOST_EVENTS: Final = 200
MOST_BUCKETS: Final = 4000


class Cursor(NamedTuple):
    """Where somebody's copy of the records ends."""

    attempt: int
    rows: int
    events: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read `attempt.rows.events`; raise InputError for anything else."""
        parts = text.split(".")
        if len(parts) != 3 or not all(p.isascii() and p.isdecimal() and len(p) < 16 for p in parts):
            message = "a cursor must look like attempt.rows.events"
            raise InputError(message, where="cursor", found=repr(text[:40]))
        return cls(*map(int, parts))


class Scene(NamedTuple):
    """What an audience looks at."""

    run: str
    names: tuple[str, ...]
    width: int


@dataclass(slots=True, kw_only=True)
class Audience:
    """Everybody who looks at the same scene."""

    view: RunView
    """The run."""
    scene: Scene
    """What is looked at."""
    queues: set["asyncio.Queue[bytes | None]"] = field(default_factory=set)
    """One per viewer; None tells it to leave."""
    _at: Cursor | None = None
    _state: str = ""

    async def perform(self) -> None:
        """Tell the news, once a second, as long as somebody watches."""
        while self.queues:
            try:
                message = await run_in_threadpool(self._news)
            except TwosignalError:
                message = None
                self.dismiss()
            if message:
                self._tell(message)
            await asyncio.sleep(LOOK_SECONDS)

    def since(self, at: Cursor | None) -> bytes:
        """Return one message with everything behind a cursor; without one, where the records are now."""
        with self.view.lock:
            self.view.refresh()
            end = _end(self.view)
            if self._at is None:
                self._at, self._state = end, self.view.state()
            return _message(news(self.view, self.scene, at=at or end))

    def _news(self) -> bytes | None:
        with self.view.lock:
            self.view.refresh()
            end, state, before = _end(self.view), self.view.state(), self._at
            if before is None or (end, state) == (before, self._state):
                return None
            self._at, self._state = end, state
            return _message(news(self.view, self.scene, at=before))

    def _tell(self, message: bytes) -> None:
        for queue in list(self.queues):
            if queue.full():
                self.queues.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(message)

    def dismiss(self) -> None:
        """Send everybody away: the run is gone, or the server ends."""
        for queue in list(self.queues):
            self.queues.discard(queue)
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)


@dataclass(slots=True, kw_only=True)
class House:
    """All audiences."""

    audiences: dict[Scene, Audience] = field(default_factory=dict)
    """By what they look at."""
    _performances: set["asyncio.Task[None]"] = field(default_factory=set)
    _is_closed: bool = False

    @property
    def num_viewers(self) -> int:
        """Connections that are open."""
        return sum(len(one.queues) for one in self.audiences.values())

    async def watch(self, view: RunView, scene: Scene, *, at: Cursor | None) -> AsyncIterator[bytes]:
        """Yield what happens from a cursor on, until the viewer goes, falls too far behind, or the house closes."""
        if self._is_closed:
            return
        audience = self.audiences.setdefault(scene, Audience(view=view, scene=scene))
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=MOST_WAITING)
        audience.queues.add(queue)
        if len(audience.queues) == 1:
            self._begin(audience)
        try:
            yield await run_in_threadpool(audience.since, at)
            while message := await _next(queue):
                yield message
        finally:
            audience.queues.discard(queue)
            if not audience.queues and self.audiences.get(scene) is audience:
                del self.audiences[scene]

    def close(self) -> None:
        """End all streams, and let no other begin."""
        self._is_closed = True
        for one in list(self.audiences.values()):
            one.dismiss()

    def _begin(self, audience: Audience) -> None:
        task = asyncio.ensure_future(audience.perform())
        self._performances.add(task)
        task.add_done_callback(self._performances.discard)


async def _next(queue: "asyncio.Queue[bytes | None]") -> bytes | None:
    try:
        return await asyncio.wait_for(queue.get(), QUIET_SECONDS)
    except TimeoutError:
        return b": quiet\n\n"


def news(view: RunView, scene: Scene, *, at: Cursor) -> dict[str, Any]:
    """Return what was recorded behind a cursor: buckets that changed, and events."""
    track, lines = view.track(), view.tail.lines
    is_other = track.attempt != at.attempt or at.rows > track.count or at.events > len(lines)
    width = scene.width
    first = max(0, at.rows - 1) // width
    span = range(first * width, track.count)
    restart = is_other or -(-len(span) // width) > MOST_BUCKETS
    known = [] if restart else [name for name in scene.names if name in view.curves.formulas]
    fresh = (
        [] if restart or at.events == len(lines) else sorted(set(scene.names) & set(view.notes.names(track)))
    )
    series = {name: told(view.curves.buckets(name, track, width=width, span=span)) for name in known}
    for name in fresh:
        found = view.notes.series(name, track)
        series[name] = {"steps": found.steps, **told(found.buckets)}
    return {
        "run": view.id,
        "state": view.state(),
        "step": int(track.take(view.curves.learning, max(0, track.count - 1), track.count)["step"].sum()),
        "rows": track.count,
        "samples": len(view.notes.lines("sample", track)),
        "events": len(lines),
        "attempt": track.attempt,
        "restart": restart,
        "from": first,
        "width": width,
        "steps": bucket_steps(view, track, width=width, span=span) if known else [],
        "series": series,
        "new_events": [
            {"number": line.number, "kind": line.kind, "step": line.step}
            for line in lines[max(at.events, len(lines) - MOST_EVENTS) :]
        ],
        "cursor": cursor_of(view, track),
    }


def _end(view: RunView) -> Cursor:
    return Cursor.parse(cursor_of(view, view.track()))


def _message(update: dict[str, Any]) -> bytes:
    return b"id: %s\nevent: update\ndata: %s\n\n" % (update["cursor"].encode(), to_json(update))
