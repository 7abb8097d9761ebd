import errno
import json
import re
from pathlib import Path

import pytest
from httpx2 import InvalidURL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.audits.grading.conftest import Sealed, by_sort, grade_all, run_folder, sealed
from twosignal.audits.grading.folder import FOLDER, read_graded
from twosignal.audits.grading.invitations import Invited, invite, write_seats
from twosignal.audits.grading.sittings import Sittings
from twosignal.dashboard.grading_app import COOKIE, grading_app
from twosignal.dashboard.guard import names_of
from twosignal.records.room import storage_error

__all__ = ["run_folder", "sealed"]
HOST = "http://127.0.0.1:8770"
SAME_SITE = {"origin": HOST}


@pytest.fixture
def invited() -> Invited:
    return invite((), ["Ada", "Ben"], until=1e12)


@pytest.fixture
def sittings(run_folder: Path, sealed: Sealed, invited: Invited) -> Sittings:
    write_seats(run_folder / FOLDER / sealed[0].bundle, invited.seats)
    return Sittings(run=run_folder, bundle=sealed[0], seats={one.seat: one for one in invited.seats})


def browser(sittings: Sittings) -> TestClient:
    app = grading_app(sittings, hosts=names_of([]))
    return TestClient(app, base_url=HOST, headers=SAME_SITE, raise_server_exceptions=False)


@pytest.fixture
def ada(sittings: Sittings, invited: Invited) -> tuple[TestClient, str]:
    """A browser that has opened its link, and its address."""
    client = browser(sittings)
    seat, token = next(iter(invited.tokens.items()))
    answer = client.post(f"/{seat}/enter", content=token)
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", f"path=/{seat}/", "max-age="))
    assert token not in cookie
    return client, f"/{seat}"


def whole(sealed: Sealed, grader: str = "Ada") -> bytes:
    return grade_all(sealed[1], by_sort(6), grader=grader).to_bytes()


def test_the_page_is_the_exported_one_and_only_for_who_sits_there(
    ada: tuple[TestClient, str], sittings: Sittings, sealed: Sealed
) -> None:
    client, seat = ada
    answer = client.get(f"{seat}/")
    data = re.search(r'<script type="application/json" id="bundle">(.*?)</script>', answer.text, re.DOTALL)
    assert data is not None
    assert {one["item"] for one in json.loads(data[1])["items"]} == {one.item for one in sealed[0].items}
    policy = answer.headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-\S+' 'self'; connect-src 'self'; img-src data:; "
        r"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        policy,
    )
    assert policy.removesuffix("; frame-ancestors 'none'") in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    stranger = browser(sittings)
    for address in (f"{seat}/", "/nobody/"):
        assert "One moment." in stranger.get(address).text
        assert sealed[0].bundle not in stranger.get(address).text
    assert stranger.get(f"{seat}/draft").status_code == 403
    assert stranger.post(f"{seat}/submit", content=whole(sealed)).status_code == 403


def test_grades_are_kept_and_submitted_once(
    ada: tuple[TestClient, str], invited: Invited, sealed: Sealed, run_folder: Path
) -> None:
    client, seat = ada
    assert client.get(f"{seat}/draft").json() == {"grader": "Ada", "grades": []}
    assert client.post(f"{seat}/draft", content=whole(sealed)).json() == {"grades": 22}
    assert len(client.get(f"{seat}/draft").json()["grades"]) == 22
    refused = client.post(f"{seat}/submit", content=whole(sealed, "Ben"))
    assert (refused.status_code, refused.json()["error"]) == (400, "these are grades of somebody else")
    assert client.post(f"{seat}/submit", content=whole(sealed)).json() == {"grades": 22}
    stored = read_graded(run_folder, sealed[0].bundle).grades
    assert [(one.grader, len(one.grades)) for one in stored] == [("Ada", 22)]
    for answer in (
        client.post(f"{seat}/submit", content=whole(sealed)),
        client.get(f"{seat}/draft"),
        client.post(f"{seat}/enter", content=invited.tokens[seat.strip("/")]),
    ):
        assert (answer.status_code, answer.json()["error"]) == (
            403,
            "your grades are in, and the link is spent",
        )
    assert "One moment." in client.get(f"{seat}/").text


def test_a_full_disk_is_said_and_what_was_kept_stays(
    ada: tuple[TestClient, str], sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, seat = ada
    client.post(f"{seat}/draft", content=whole(sealed))

    def full(path: Path, _: bytes) -> None:
        raise storage_error(path, OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr("twosignal.audits.grading.sittings.write_atomic", full)
    answer = client.post(f"{seat}/draft", content=whole(sealed))
    assert (answer.status_code, answer.json()["error"]) == (507, "cannot write: No space left on device")
    assert answer.json()["where"] == answer.json()["remedy"] == ""
    assert len(client.get(f"{seat}/draft").json()["grades"]) == 22


def test_a_second_browser_is_refused_with_a_sentence(
    ada: tuple[TestClient, str], invited: Invited, sittings: Sittings
) -> None:
    seat = ada[1].strip("/")
    answer = browser(sittings).post(f"/{seat}/enter", content=invited.tokens[seat])
    assert answer.status_code == 403
    assert answer.json()["error"] == "this link was opened in another browser before"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"origin": "http://evil.example"}, b"", 403),
        ({"origin": "http://127.0.0.1:8771"}, b"", 403),
        ({"origin": "null"}, b"", 403),
        ({"origin": ""}, b"", 403),
        ({"origin": "http://[::1"}, b"", 403),
        ({"host": "evil.example", "origin": "http://evil.example"}, b"", 403),
        ({"content-length": "-1"}, b"", 411),
        ({"content-length": "9" * 40}, b"", 413),
        ({"transfer-encoding": "chunked"}, b"", 411),
        ({}, b"x" * (4096 + 16384 * 22 + 1), 413),
    ],
)
def test_what_other_sites_send_and_what_is_too_large_is_refused(
    ada: tuple[TestClient, str], headers: dict[str, str], content: bytes, status: int
) -> None:
    client, seat = ada
    for address in ("enter", "draft", "submit"):
        answer = client.post(f"{seat}/{address}", content=content, headers=headers)
        assert answer.status_code == status, answer.text
    assert client.get(f"{seat}/draft").json()["grades"] == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_else_can_be_asked(ada: tuple[TestClient, str], method: str) -> None:
    client, seat = ada
    for address in (f"{seat}/", f"{seat}/draft", "/served.js"):
        assert client.request(method, address).status_code == 405
    assert client.post("/served.js").status_code == 405


WORDS = [
    "..", ".", "%2e%2e", "..%2f", "%00", "\\", "//", "key.json", "bundle.json", "page.html", "invitations.json",
    "ledger.jsonl", "grading", "draft", "enter", "submit", "entry.html", "served.js", "pages", "index.html", "api", "runs", "",
]  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_address_gives_away_what_graders_must_not_know(
    ada: tuple[TestClient, str], sealed: Sealed, run_folder: Path, data: st.DataObject
) -> None:
    client, seat = ada
    word = st.sampled_from([*WORDS, seat.strip("/"), sealed[0].bundle]) | st.text(max_size=4)
    path = data.draw(st.sampled_from(["/", f"{seat}/"])) + "/".join(data.draw(st.lists(word, max_size=4)))
    method = data.draw(st.sampled_from(["GET", "GET", "HEAD", "POST"]))
    body = data.draw(st.binary(max_size=20)) if method == "POST" else b""
    try:
        request = client.build_request(method, path.encode("utf-8", "replace").decode(), content=body or None)
    except (ValueError, UnicodeError, InvalidURL):
        return  # no browser can send it either
    answer = client.send(request)
    assert answer.status_code in (200, 304, 400, 403, 404, 405), (path, answer.text)
    told = answer.text + repr(answer.headers)
    key = sealed[1]
    hidden = (
        key.secret,
        key.run,
        key.fingerprint,
        "chat-arm",
        "notes.txt",
        "token_sha256",
        str(run_folder),
        "Traceback",
    )
    assert not [one for one in hidden if one in told], path


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode), cookie=st.binary(max_size=30))
def test_nothing_that_is_posted_breaks_it(
    ada: tuple[TestClient, str], sittings: Sittings, content: bytes, cookie: bytes
) -> None:
    client, seat = ada
    for address in ("draft", "submit"):
        assert client.post(f"{seat}/{address}", content=content).status_code == 400
    stranger = browser(sittings)
    sent = [(b"cookie", COOKIE.encode() + b"=" + cookie), (b"origin", HOST.encode())]
    for address in ("enter", "draft", "submit"):
        answer = stranger.post(f"{seat}/{address}", content=content, headers=sent)
        assert answer.status_code == 403, answer.text


def test_a_hostile_name_travels_as_data(run_folder: Path, sealed: Sealed) -> None:
    name = '"><script>alert(1)</script>'
    invited = invite((), [name], until=1e12)
    client = browser(
        Sittings(run=run_folder, bundle=sealed[0], seats={one.seat: one for one in invited.seats})
    )
    seat, token = next(iter(invited.tokens.items()))
    assert client.post(f"/{seat}/enter", content=token).status_code == 200
    assert name not in client.get(f"/{seat}/").text
    kept = client.get(f"/{seat}/draft")
    assert (kept.json()["grader"], kept.headers["content-type"]) == (name, "application/json")
