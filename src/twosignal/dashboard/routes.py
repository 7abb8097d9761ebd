"""Every address of the server: takes requests, gives answers made by the module of each address's name.

See docs/dashboard-api.md for the shapes.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from twosignal.audits.run_audit import audit_run
from twosignal.dashboard import compatible, queries, series
from twosignal.dashboard.assets import Assets
from twosignal.dashboard.checkpoints import checkpoint_list
from twosignal.dashboard.comparison import comparison
from twosignal.dashboard.desk import Desk
from twosignal.dashboard.documents import document
from twosignal.dashboard.encoding import finite
from twosignal.dashboard.live import MOST_BUCKETS, MOST_VIEWERS, Cursor, House, Scene
from twosignal.dashboard.overview import run_line, run_summary
from twosignal.dashboard.refusals import refusal
from twosignal.dashboard.samples import sample_columns, sampling
from twosignal.dashboard.system import System
from twosignal.dashboard.timeline import event_list, timeline
from twosignal.dashboard.view import FILES, RunView
from twosignal.errors import InputError, TwosignalError
from twosignal.records.folder import EVENTS

MOST_EVENTS: Final = 1000
_EVENTS: Final = (EVENTS,)

Query = Mapping[str, str]
Make = Callable[[RunView, Query], Any]


@dataclass(slots=True, kw_only=True)
class Routes:
    """What answers at every address."""

    desk: Desk
    """Makes the answers."""
    system: System
    """The machine."""
    house: House = field(default_factory=House)
    """Those who watch live."""
    pages: Assets = field(default_factory=Assets)
    """The files of the pages."""

    def all(self) -> list[Route]:
        """Return the addresses; whatever is none of them is a file of the pages, or nothing."""
        of_run = [
            Route(f"/api/runs/{{run}}{path}", self._of_run(make, files=files))
            for path, (make, files) in OF_RUN.items()
        ]
        return [
            Route("/api/runs", self.runs),
            *of_run,
            Route("/api/runs/{run}/samples/{step}", self.sampling),
            Route("/api/runs/{run}/audit", self.audit),
            Route("/api/runs/{run}/live", self.live),
            Route("/api/compare", self.compare),
            Route("/api/system", self.machine),
            Route("/loss", self.losses),
            Route("/loss/{model}", self._of_model(compatible.loss_points)),
            Route("/samples/{model}", self._of_model(compatible.sample_texts)),
            Route("/checkpoints", self.checkpoints),
            Route("/system", self.plain_machine),
            Route("/data/public.json", self.not_a_copy),
            Route("/{path:path}", self.pages.answer),
        ]

    async def runs(self, request: Request) -> Response:
        """Answer with the list of runs."""
        shelf = self.desk.shelf
        return await self.desk.of(
            request,
            lambda: {"title": shelf.title, "runs": [run_line(view) for view in shelf.views()]},
            depends=shelf.signature(),
        )

    async def sampling(self, request: Request) -> Response:
        """Answer with all texts of one sampling."""
        step = {"step": request.path_params["step"]}
        return await self.desk.of_view(
            request,
            lambda: self._view(request, "run"),
            lambda view: sampling(view, queries.required(step, "step")),
            files=_EVENTS,
        )

    async def audit(self, request: Request) -> Response:
        """Answer with the audit of a window; the run is not held meanwhile, for it takes a while."""
        try:
            view, window = self._view(request, "run"), queries.window(request.query_params)
        except TwosignalError as error:
            return self.desk.refusal(error)
        return await self.desk.of(
            request,
            lambda: finite(audit_run(view.run, steps=window).as_dict()),
            depends=view.signature(_EVENTS),
        )

    async def compare(self, request: Request) -> Response:
        """Answer with what two runs have in common."""
        query = request.query_params
        try:
            a, b = (self.desk.shelf.view(query.get(name, "")) for name in ("a", "b"))
        except TwosignalError as error:
            return self.desk.refusal(error)

        def make() -> dict[str, Any]:
            first, second = sorted((a, b), key=lambda view: view.id)
            with first.lock, second.lock:
                return comparison(a, b)

        return await self.desk.of(request, make, depends=(a.signature(), b.signature()))

    async def machine(self, request: Request) -> Response:
        """Answer with the figures of the machine."""
        return await self.desk.of(request, self.system.told, depends=self.system.period())

    async def plain_machine(self, request: Request) -> Response:
        """Answer with the figures of the machine under the names that other boards know."""
        return await self.desk.of(
            request,
            lambda: compatible.system_figures(self.system.told()),
            depends=self.system.period(),
        )

    async def not_a_copy(self, request: Request) -> Response:
        """Answer the pages' first question: these files are served live, and are no public copy."""
        return await self.desk.of(request, lambda: {"public": False}, depends=())

    async def losses(self, request: Request) -> Response:
        """Answer with how many losses every run has."""
        shelf = self.desk.shelf
        return await self.desk.of(request, lambda: compatible.loss_counts(shelf), depends=shelf.signature())

    async def checkpoints(self, request: Request) -> Response:
        """Answer with the checkpoints of all runs."""
        shelf = self.desk.shelf
        return await self.desk.of(
            request, lambda: compatible.all_checkpoints(shelf), depends=shelf.signature()
        )

    async def live(self, request: Request) -> Response:
        """Answer with a stream of what happens."""
        query = request.query_params
        try:
            view = self._view(request, "run")
            cursor = request.headers.get("last-event-id") or query.get("cursor")
            at = Cursor.parse(cursor) if cursor else None
            width = queries.number(query, "width") or 1
            names = tuple(queries.names(query))
            asked = series.Question(names=names or ("loss",), width=width, buckets=MOST_BUCKETS)
        except TwosignalError as error:
            return self.desk.refusal(error)
        if self.house.num_viewers >= MOST_VIEWERS:
            return refusal(503, "too many watch already", remedy="Ask for /series now and then instead.")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        if request.method == "HEAD":
            return Response(headers=headers, media_type="text/event-stream")
        scene = Scene(view.id, tuple(asked.names) if names else (), asked.width)
        stream = self.house.watch(view, scene, at=at)
        return StreamingResponse(stream, headers=headers, media_type="text/event-stream")

    def _view(self, request: Request, name: str) -> RunView:
        return self.desk.shelf.view(request.path_params[name])

    def _of_run(self, make: Make, *, files: tuple[str, ...]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await self.desk.of_view(
                request,
                lambda: self._view(request, "run"),
                lambda view: make(view, request.query_params),
                files=files,
            )

        return answer

    def _of_model(self, make: Callable[[RunView], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            name = request.path_params["model"]
            return await self.desk.of_view(request, lambda: self.desk.shelf.newest_of(name), make)

        return answer


def _samples(view: RunView, query: Query) -> dict[str, Any]:
    first, last = queries.number(query, "from"), queries.number(query, "to")
    return sample_columns(view, first_step=first, last_step=last, heads=query.get("heads") == "1")


def _document(view: RunView, query: Query) -> dict[str, Any]:
    step, index, match = (queries.required(query, name) for name in ("step", "index", "match"))
    return document(view, step=step, index=index, match=match)


def _events(view: RunView, query: Query) -> dict[str, Any]:
    after, limit = queries.number(query, "after"), queries.number(query, "limit")
    kinds = {kind for kind in query.get("kinds", "").split(",") if kind}
    begin = 0 if after is None else after + 1
    lines = [
        line for line in view.tail.lines[begin:] if line.kind != "fork" and (not kinds or line.kind in kinds)
    ]
    most = min(200 if limit is None else limit, MOST_EVENTS)
    newest = query.get("newest") == "1"
    chosen = lines[::-1][:most] if newest else lines[:most]
    next_after = None if newest or len(lines) <= most else chosen[-1].number if chosen else None
    return {"run": view.id, "events": event_list(view, [line.number for line in chosen]), "next": next_after}


def _bandit(view: RunView, _: Query) -> dict[str, Any]:
    steps, shares = view.notes.shares(view.track())
    return {**_file(view, "bandit.json"), "history": finite({"steps": steps, "shares": shares})}


def _file(view: RunView, name: str) -> dict[str, Any]:
    """Return a JSON file of the run folder; empty before there is one. Raises InputError where it is damaged."""
    try:
        found = json.loads((view.run.path / name).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(
            "a file of the run cannot be read", where=f"{view.id}/{name}", found=str(error)
        ) from error
    told: dict[str, Any] = finite(found) if isinstance(found, dict) else {}
    return told


OF_RUN: Final[dict[str, tuple[Make, tuple[str, ...]]]] = {
    "": (lambda view, _: run_summary(view) | {"cursor": series.cursor(view, view.track())}, FILES),
    "/series": (lambda view, query: series.answer(view, queries.question(query)), FILES),
    "/samples": (_samples, _EVENTS),
    "/document": (_document, _EVENTS),
    "/events": (_events, _EVENTS),
    "/verdicts": (lambda view, _: timeline(view), _EVENTS),
    "/bandit": (_bandit, (EVENTS, "bandit.json")),
    "/receipt": (lambda view, _: _file(view, "receipt.json"), ("receipt.json",)),
    "/checkpoints": (lambda view, _: checkpoint_list(view), (EVENTS, "checkpoints")),
}
"""What answers under the address of a run, and the files that decide whether it changed."""
