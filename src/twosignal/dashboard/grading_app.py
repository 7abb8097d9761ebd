"""The grading page's server: takes graders' sittings, gives the blind page to those invited, and takes in their grades.

    GET  /SEAT/        the page, or, to a browser that does not sit there, the one that asks for the link's token
    POST /SEAT/enter   a token; gives the browser its secret, as a cookie that scripts cannot read
    GET  /SEAT/draft   what was graded so far          POST /SEAT/draft   keeps it
    POST /SEAT/submit  the finished file; the link is spent then

Besides these there are the few files of `grading_pages/`. The key and everything else of the run has no address.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twosignal.audits.grading.grades import Grades
from twosignal.audits.grading.invitations import Seat
from twosignal.audits.grading.page import grading_page, page_policy
from twosignal.audits.grading.sittings import Sittings
from twosignal.dashboard.app import guarded
from twosignal.dashboard.assets import Assets
from twosignal.dashboard.encoding import finite, to_json
from twosignal.dashboard.guard import Door, Guard
from twosignal.dashboard.refusals import refusal
from twosignal.errors import InputError, StorageError

PAGES: Final = Path(__file__).parent / "grading_pages"
COOKIE: Final = "twosignal_grader"
LONGEST_TOKEN: Final = 200
HEAD_BYTES: Final = 4096
ITEM_BYTES: Final = 16384
"""Room for a grade with the longest note the page takes, 2,000 characters."""


@dataclass(slots=True, kw_only=True)
class GradingRoutes:
    """What answers at every address."""

    sittings: Sittings
    """The graders."""
    assets: Assets = field(default_factory=lambda: Assets(folder=PAGES))
    """The files beside the page."""
    _page: bytes = b""

    def __post_init__(self) -> None:
        """Make the page once; it is the same for all graders."""
        self._page = grading_page(self.sittings.bundle, served=True).encode()

    def all(self) -> list[Route]:
        """Return the addresses."""
        return [
            Route("/{seat}/", self.page),
            Route("/{seat}/enter", self.enter, methods=["POST"]),
            Route("/{seat}/draft", self.draft),
            Route("/{seat}/draft", self.take(self.sittings.keep), methods=["POST"]),
            Route("/{seat}/submit", self.take(self.sittings.submit), methods=["POST"]),
            Route("/{path:path}", self.assets.answer),
        ]

    async def page(self, request: Request) -> Response:
        """Answer with the page of texts, or with the one that asks for the token."""
        try:
            self._seat(request)
        except InputError:
            body = await run_in_threadpool((PAGES / "entry.html").read_bytes)
            return Response(body, media_type="text/html", headers={"cache-control": "no-store"})
        policy = f"{page_policy(served=True)}; frame-ancestors 'none'"
        headers = {"content-security-policy": policy, "cache-control": "no-store"}
        return Response(self._page, media_type="text/html", headers=headers)

    async def enter(self, request: Request) -> Response:
        """Let a browser sit down."""
        token = (await request.body())[:LONGEST_TOKEN].decode("ascii", "replace")
        seat, browser = request.path_params["seat"], request.cookies.get(COOKIE, "")
        try:
            secret = await run_in_threadpool(self.sittings.enter, seat, token, browser=browser)
        except InputError as error:
            return _refused(error, HTTPStatus.FORBIDDEN)
        left = max(0, int(self.sittings.seats[seat].until - self.sittings.clock()))
        answer = _answer({"seat": seat})
        answer.set_cookie(COOKIE, secret, path=f"/{seat}/", max_age=left, httponly=True, samesite="strict")
        return answer

    async def draft(self, request: Request) -> Response:
        """Answer with what was graded so far."""
        try:
            seat = self._seat(request)
            kept = await run_in_threadpool(self.sittings.draft, seat)
        except InputError as error:
            return _refused(error, HTTPStatus.FORBIDDEN)
        grades = [asdict(one) for one in kept.grades] if kept else []
        return _answer({"grader": seat.grader, "grades": grades})

    def take(self, put: Callable[[Seat, bytes], Grades]) -> Callable[[Request], Any]:
        """Return what answers a file of grades that `put` puts away."""

        async def answer(request: Request) -> Response:
            try:
                seat = self._seat(request)
            except InputError as error:
                return _refused(error, HTTPStatus.FORBIDDEN)
            try:
                grades = await run_in_threadpool(put, seat, await request.body())
            except InputError as error:
                return _refused(error, HTTPStatus.BAD_REQUEST)
            return _answer({"grades": len(grades.grades)})

        return answer

    def _seat(self, request: Request) -> Seat:
        return self.sittings.seated(request.path_params["seat"], request.cookies.get(COOKIE, ""))


def grading_app(sittings: Sittings, *, hosts: frozenset[str]) -> Guard:
    """Return the application of one bundle's graders, reachable by the names in `hosts`."""
    largest = HEAD_BYTES + ITEM_BYTES * len(sittings.bundle.items)
    return guarded(GradingRoutes(sittings=sittings).all(), door=Door(hosts=hosts, largest_body=largest))


def _answer(value: object) -> Response:
    return Response(
        to_json(finite(value)), media_type="application/json", headers={"cache-control": "no-store"}
    )


def _refused(error: InputError, status: HTTPStatus) -> Response:
    """Return the sentence for a grader: without the places in the run, which graders must not know."""
    if isinstance(error, StorageError):
        status = HTTPStatus.INSUFFICIENT_STORAGE
    remedy = error.remedy if status == HTTPStatus.FORBIDDEN else ""
    return refusal(status, error.message, found=error.found, expected=error.expected, remedy=remedy)
