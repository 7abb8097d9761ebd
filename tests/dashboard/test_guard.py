from pathlib import Path

import pytest
from starlette.testclient import TestClient

from twosignal.dashboard.app import dashboard_app
from twosignal.dashboard.guard import BURST, COOKIE, Door, names_of

TOKEN = "a-token-of-enough-length"


def browser(folder: Path, *, token: str | None = None, host: str = "127.0.0.1:8765") -> TestClient:
    door = Door(hosts=names_of(["board.example"]), token=token)
    return TestClient(
        dashboard_app(folder.parent, door=door), base_url=f"http://{host}", follow_redirects=False
    )


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:9", "[::1]:8765", "192.168.1.7", "BOARD.example:80"]
)
def test_our_names_are_let_in(finished_run: Path, host: str) -> None:
    assert browser(finished_run, host=host).get("/api/runs").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "board.example.evil:80"]
)
def test_a_name_that_somebody_pointed_at_us_gets_nothing(finished_run: Path, host: str) -> None:
    answer = browser(finished_run, host=host).get("/api/runs")
    assert answer.status_code == 403
    assert finished_run.name not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_nothing_can_be_written(finished_run: Path, method: str) -> None:
    for path in ("/api/runs", f"/api/runs/{finished_run.name}", "/", "/loss"):
        assert browser(finished_run).request(method, path).status_code == 405


def test_no_route_answers_to_anything_but_get(finished_run: Path) -> None:
    guard = dashboard_app(finished_run.parent, door=Door())
    for route in guard.app.routes:  # type: ignore[attr-defined]
        assert route.methods == {"GET", "HEAD"}


def test_without_the_token_there_is_nothing(finished_run: Path) -> None:
    client = browser(finished_run, token=TOKEN)
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"cookie": f"{COOKIE}=wrong"},
        {"authorization": "Bearer"},
    ):
        for path in ("/", "/api/runs", "/api/system", f"/api/runs/{finished_run.name}/live", "/?token=wrong"):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 401
            assert finished_run.name not in answer.text
            assert TOKEN not in answer.text


def test_the_token_opens_by_header_and_by_address_once(finished_run: Path) -> None:
    client = browser(finished_run, token=TOKEN)
    assert client.get("/api/runs", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    away = client.get(f"/?a=b&token={TOKEN}")
    assert (away.status_code, away.headers["location"]) == (303, "/?a=b")
    cookie = away.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/api/runs").status_code == 200, "the cookie was kept"


def test_an_address_with_a_token_leads_nowhere_else(finished_run: Path) -> None:
    away = browser(finished_run, token=TOKEN).get(f"//evil.example/x?token={TOKEN}")
    assert not away.headers.get("location", "/").startswith("//")


def test_every_answer_forbids_scripts_frames_and_guessing(finished_run: Path) -> None:
    client = browser(finished_run, token=None)
    for path in ("/", "/api/runs", "/nothing", f"/api/runs/{finished_run.name}/samples/20"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers


def test_what_the_model_wrote_is_json_and_never_a_page(finished_run: Path) -> None:
    answer = browser(finished_run).get(f"/api/runs/{finished_run.name}/samples/20")
    assert "<script>" in answer.text
    assert answer.headers["content-type"] == "application/json"


def test_what_is_too_large_is_refused(finished_run: Path) -> None:
    client = browser(finished_run)
    assert client.get("/api/runs?" + "a" * 5000).status_code == 414
    assert client.get("/api/runs", headers={"x-large": "a" * 20000}).status_code == 431
    assert client.request("GET", "/api/runs", content=b"body").status_code == 413


def test_too_many_requests_are_refused_and_allowed_again(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("twosignal.dashboard.guard.time.monotonic", lambda: now[0])
    guard = dashboard_app(finished_run.parent, door=Door())
    scope = {"client": ("10.0.0.1", 1)}
    assert all(guard._has_room(scope) for _ in range(int(BURST)))
    assert not guard._has_room(scope)
    assert guard._has_room({"client": ("10.0.0.2", 1)})
    now[0] = 0.02
    assert guard._has_room(scope)
