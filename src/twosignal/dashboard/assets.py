"""The files of the pages: takes the folder they lie in, gives each by the address it has, and nothing else.

Only what was found in the folder can be asked for: an address is looked up in a list, and never becomes a path.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from twosignal.dashboard.encoding import tag
from twosignal.dashboard.refusals import refusal

PAGES: Final = Path(__file__).parent / "pages"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(slots=True, kw_only=True)
class Assets:
    """The files under one folder."""

    folder: Path = PAGES
    """The folder."""
    _files: dict[str, Path] = field(default_factory=dict)

    def files(self) -> dict[str, Path]:
        """Return every file by its address; / is index.html."""
        found = {
            f"/{path.relative_to(self.folder).as_posix()}": path
            for path in self.folder.rglob("*")
            if path.is_file() and path.suffix in TYPES and not path.name.startswith(".")
        }
        return found | ({"/": found["/index.html"]} if "/index.html" in found else {})

    async def answer(self, request: Request) -> Response:
        """Answer with a file of the pages, or 404."""
        address = request.url.path
        if address not in self._files:
            self._files = self.files()
        path = self._files.get(address)
        try:
            body = path.read_bytes() if path else None
        except OSError:
            body = None
        if path is None or body is None:
            return refusal(404, "there is nothing at this address")
        known = tag(address, body)
        if known in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"etag": known})
        return Response(body, media_type=content_type(path), headers={"etag": known})


def content_type(path: Path) -> str:
    """Return the type that a file is sent as."""
    return TYPES.get(path.suffix, "application/octet-stream")
