"""Answers for many viewers: takes a request and how to make its answer, gives the answer made once and shared.

Every answer carries a tag of the files it depends on. Who has that tag already gets 304 without a file being read;
the others get the bytes made for whoever asked first.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from twosignal.dashboard.encoding import tag, to_json
from twosignal.dashboard.refusals import refusal_of
from twosignal.dashboard.shelf import Shelf
from twosignal.dashboard.view import FILES, RunView
from twosignal.errors import TwosignalError

MOST_BYTES: Final = 1 << 26
"""Answers kept, in bytes."""

Make = Callable[[], Any]
JSON: Final = "application/json"


@dataclass(slots=True, kw_only=True)
class Desk:
    """Where answers are made and kept."""

    shelf: Shelf
    """The runs."""
    _kept: "OrderedDict[str, tuple[str, bytes]]" = field(default_factory=OrderedDict)
    _bytes: int = 0
    _making: dict[str, "asyncio.Task[bytes]"] = field(default_factory=dict)

    async def of_run(
        self, request: Request, make: Callable[[RunView], Any], *, files: Sequence[str] = FILES
    ) -> Response:
        """Answer from the records of the run in the address; `files` of it decide whether anything changed."""
        return await self.of_view(
            request, lambda: self.shelf.view(request.path_params["run"]), make, files=files
        )

    async def of_view(
        self,
        request: Request,
        find: Callable[[], RunView],
        make: Callable[[RunView], Any],
        *,
        files: Sequence[str] = FILES,
    ) -> Response:
        """Answer from the records of the run that `find` gives, holding it while the answer is made."""
        try:
            view = find()
            facts = (view.id, view.signature(files), view.state() if files is FILES else "")
        except TwosignalError as error:
            return self.refusal(error)

        def locked() -> Any:  # noqa: ANN401 (any JSON value)
            with view.lock:
                view.refresh()
                return make(view)

        return await self.of(request, locked, depends=facts)

    async def of(self, request: Request, make: Make, *, depends: object) -> Response:
        """Answer with what `make` gives, made in a thread of its own; `depends` tells whether it is still true."""
        address = f"{request.url.path}?{request.url.query}"
        known = tag(address, depends)
        headers = {"etag": known}
        if known in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        try:
            body = await self._body(address, known, make)
        except TwosignalError as error:
            return self.refusal(error)
        return Response(body, media_type=JSON, headers=headers)

    def refusal(self, error: TwosignalError) -> Response:
        """Return the answer for an error."""
        return refusal_of(error, home=str(self.shelf.runs_dir))

    async def _body(self, address: str, known: str, make: Make) -> bytes:
        """Return the bytes of an answer: those kept, those being made for somebody else, or new ones."""
        kept = self._kept.get(address)
        if kept and kept[0] == known:
            self._kept.move_to_end(address)
            return kept[1]
        task = self._making.get(known)
        if task is None:
            task = asyncio.ensure_future(run_in_threadpool(lambda: to_json(make())))
            self._making[known] = task
            task.add_done_callback(lambda _: self._making.pop(known, None))
        body = await asyncio.shield(task)
        self._keep(address, known, body)
        return body

    def _keep(self, address: str, known: str, body: bytes) -> None:
        older = self._kept.pop(address, ("", b""))
        self._kept[address] = (known, body)
        self._bytes += len(body) - len(older[1])
        while self._bytes > MOST_BYTES and len(self._kept) > 1:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= len(dropped)
