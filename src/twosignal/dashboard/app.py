"""The server's application: takes a folder of runs and who may ask, gives everything that answers, behind its guard."""

from collections.abc import Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twosignal.dashboard.desk import Desk
from twosignal.dashboard.guard import Door, Guard
from twosignal.dashboard.live import House
from twosignal.dashboard.refusals import refusal
from twosignal.dashboard.routes import Routes
from twosignal.dashboard.shelf import Shelf
from twosignal.dashboard.system import System


def dashboard_app(
    runs_dir: Path, *, door: Door, shelf: Shelf | None = None, house: House | None = None
) -> Guard:
    """Return the application over a folder of runs.

    `shelf` is that folder's, for somebody who reads ahead in it; `house` is for somebody who ends all streams.
    """
    routes = Routes(
        desk=Desk(shelf=shelf or Shelf(runs_dir=runs_dir)),
        system=System(disk=runs_dir),
        house=house or House(),
    )
    return guarded(routes.all(), door=door)


def guarded(routes: Iterable[Route], *, door: Door) -> Guard:
    """Return addresses behind the guard; whatever is none of them is answered in one sentence, too."""
    app = Starlette(
        routes=list(routes), exception_handlers={HTTPException: _no_such_address, Exception: _fault}
    )
    app.router.redirect_slashes = False
    return Guard(app, door)


async def _no_such_address(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, "there is nothing at this address")


async def _fault(_: Request, error: Exception) -> Response:
    return refusal(
        500, "a fault of ours", found=type(error).__name__, remedy="Please tell us what was asked."
    )
