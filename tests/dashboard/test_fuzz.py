from pathlib import Path

import pytest
from httpx2 import InvalidURL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.dashboard.conftest import HOSTILE
from twosignal.dashboard.app import dashboard_app
from twosignal.dashboard.guard import Door

SECRET = "only-for-those-who-may-read-outside"
NASTY = [
    "..", ".", "%2e%2e", "..%2f", "%00", "%", "\\", "//", "etc/passwd", "secret.txt", ".cache", "run.toml", "events.jsonl",
    HOSTILE[:20], "nan", "-1", "1e9", "99999999999999999", "loss", "loss[chat]", "probe[", "share[", "²", "0x10", "20", "1",
]  # fmt: skip
PARTS = ["api", "runs", "series", "samples", "document", "events", "verdicts", "bandit", "receipt", "checkpoints",
         "audit", "compare", "system", "loss", "data"]  # fmt: skip
KEYS = ["names", "from", "to", "buckets", "width", "attempt", "steps", "step", "index", "match", "after", "limit", "kinds",
        "newest", "a", "b", "cursor", "heads", "token"]  # fmt: skip


@pytest.fixture(scope="module")
def fuzzed(finished_run: Path) -> TestClient:
    (finished_run.parent.parent / "secret.txt").write_text(SECRET)
    (finished_run.parent / "secret.txt").write_text(SECRET)
    app = dashboard_app(finished_run.parent, door=Door())
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_address_breaks_the_server_or_reads_what_it_should_not(
    fuzzed: TestClient, finished_run: Path, data: st.DataObject
) -> None:
    word = st.sampled_from([*NASTY, *PARTS, finished_run.name]) | st.text(max_size=6)
    run = f"/api/runs/{finished_run.name}/"
    lead = data.draw(st.sampled_from(["/", "/api/runs/", run, run, run + "samples/"]))
    path = lead + "/".join(data.draw(st.lists(word, max_size=3)))
    query = "&".join(
        f"{data.draw(st.sampled_from(KEYS))}={data.draw(word)}" for _ in range(data.draw(st.integers(0, 4)))
    )
    headers = {"if-none-match": "*", "range": "bytes=0-5", "cookie": "a=b; =;;twosignal_token"}
    try:
        address = (
            f"{path.split('?')[0]}?{query}".replace("/live", "/alive").encode("utf-8", "replace").decode()
        )
        request = fuzzed.build_request("GET", address, headers=headers)
    except (ValueError, UnicodeError, InvalidURL):
        return  # no browser can send it either
    answer = fuzzed.send(request)
    assert answer.status_code in (200, 304, 400, 403, 404, 414), (address, answer.text)
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    assert str(finished_run.parent.parent) not in answer.text


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["host", "cookie", "authorization", "if-none-match", "content-length", "x-any"]),
    value=st.binary(max_size=40),
)
def test_no_header_breaks_the_server(fuzzed: TestClient, name: str, value: bytes) -> None:
    try:
        request = fuzzed.build_request("GET", "/api/system")
        request.headers.raw  # noqa: B018
        given_headers = [(k, v) for k, v in request.headers.raw if k.lower() != name.encode()]
        request.headers = type(request.headers)([*given_headers, (name.encode(), value)])
    except (ValueError, UnicodeError):
        return
    answer = fuzzed.send(request)
    assert answer.status_code in (200, 304, 400, 403, 413), answer.text
