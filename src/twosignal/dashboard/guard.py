"""Who may ask, and what: takes requests, lets through those that only read, are small, few, and from whom they may be.

Pure reading is the first defence: the dashboard has no route that writes. Where something is taken in all the same (the
grading page), it is small, and comes from our own page. Against other web sites open in the same browser, the
Host header must be one of ours, so that a name which an attacker points at this machine gets nothing; against anybody
else on the network there is a token. Whatever a page shows, its browser may run no script but ours.
"""

import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twosignal.dashboard.refusals import refusal

COOKIE: Final = "twosignal_token"
LONGEST_ADDRESS: Final = 4096
"""Bytes of path and query."""
LARGEST_HEADERS: Final = 16384
"""Bytes of all headers."""
BURST: Final = 1000.0
"""Requests that one address may send at once."""
PER_SECOND: Final = 300.0
"""Requests a second that one address may go on with."""
MOST_ADDRESSES: Final = 1024
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Who is let in."""

    hosts: frozenset[str] = frozenset({"localhost"})
    """Names that the Host header may carry, lower case; addresses in figures are always fine: nobody can own them."""
    token: str | None = None
    """What everybody must show; None: nobody is asked."""
    largest_body: int = 0
    """Bytes that may be posted at once, from our own pages; 0: nothing can be posted."""


@dataclass(slots=True)
class Guard:
    """ASGI middleware: the checks in front of every route."""

    app: ASGIApp
    """What is guarded."""
    door: Door
    """Who is let in."""
    _buckets: "OrderedDict[str, tuple[float, float]]" = field(default_factory=OrderedDict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        answer = self._refuse(scope) or self._ask_token(scope)
        await (answer or self.app)(scope, receive, shielded)

    def _refuse(self, scope: Scope) -> ASGIApp | None:
        """Return the refusal of a request that nobody may send; None to let it pass."""
        headers = Headers(scope=scope)
        if scope["method"] == "POST" and self.door.largest_body:
            return self._refuse_any(scope, headers) or self._refuse_post(headers)
        if scope["method"] not in ("GET", "HEAD"):
            return refusal(405, "the dashboard only reads", expected="GET or HEAD", found=scope["method"])
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            return refusal(413, "a request has no body here")
        return self._refuse_any(scope, headers)

    def _refuse_any(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """Return the refusal of a request that nobody may send, whatever its method."""
        length = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
        if length > LONGEST_ADDRESS:
            return refusal(414, "the address is too long", expected=f"at most {LONGEST_ADDRESS:,} bytes")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS:
            return refusal(431, "the headers are too large", expected=f"at most {LARGEST_HEADERS:,} bytes")
        if not self._is_ours(headers.getlist("host")):
            return refusal(
                403, "this server does not go by that name", remedy="Use --allow-host NAME to let it."
            )
        if not self._has_room(scope):
            return refusal(429, "too many requests", expected=f"at most {PER_SECOND:.0f} a second")
        return None

    def _refuse_post(self, headers: Headers) -> ASGIApp | None:
        """Return the refusal of something posted that is too large, or that another site's page sent."""
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal()) or "transfer-encoding" in headers:
            return refusal(411, "what is posted says how long it is")
        if len(length) > 18 or int(length) > self.door.largest_body:
            return refusal(413, "this is too large", expected=f"at most {self.door.largest_body:,} bytes")
        if headers.get("origin", "").lower() not in (
            f"{way}://{headers['host']}".lower() for way in ("http", "https")
        ):
            return refusal(403, "this was sent by another site's page")
        return None

    def _is_ours(self, hosts: list[str]) -> bool:
        """Return whether the one Host header names us."""
        if len(hosts) != 1:
            return False
        name = host_name(hosts[0])
        return name in self.door.hosts or is_address(name)

    def _has_room(self, scope: Scope) -> bool:
        """Take one request out of an address's allowance; return whether there was one."""
        client, now = (scope.get("client") or ("",))[0], time.monotonic()
        left, since = self._buckets.pop(client, (BURST, now))
        left = min(BURST, left + (now - since) * PER_SECOND)
        self._buckets[client] = (max(0.0, left - 1), now)
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return left >= 1

    def _ask_token(self, scope: Scope) -> ASGIApp | None:
        """Return what somebody without the token gets; None for those who have shown it."""
        if self.door.token is None or _same(_shown(Headers(scope=scope)), self.door.token):
            return None
        query = _query(scope)
        offered = [value for name, value in query if name == "token"]
        if not offered or not _same(offered[-1], self.door.token):
            return refusal(
                401,
                "a token is needed",
                remedy="Open the address that the dashboard printed when it started.",
            )
        # The token leaves the address bar at once: addresses end up in histories and logs.
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        away = RedirectResponse(
            "/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else ""), status_code=303
        )
        away.set_cookie(COOKIE, self.door.token, httponly=True, samesite="strict")
        return away


def host_name(host: str) -> str:
    """Return the name in a Host header, without port, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().rstrip(".")


def is_address(name: str) -> bool:
    """Return whether a name is an IP address in figures."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Return whether only this machine can reach an address."""
    return name == "localhost" or (is_address(name) and ipaddress.ip_address(name).is_loopback)


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=100) if _is_short(scope) else []


def _is_short(scope: Scope) -> bool:
    return int(scope["query_string"].count(b"&")) < 100


def _shown(headers: Headers) -> str:
    """Return the token that a request carries, empty without one."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return given.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def names_of(given: Iterable[str]) -> frozenset[str]:
    """Return names as the Host header is compared with them."""
    return frozenset({"localhost", *(host_name(name) for name in given)})
