import json
import math
from datetime import datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.dashboard.conftest import CLOCK, HOSTILE, begin, finish, numbers, rolled_back, sample
from twosignal.audits.copying import index_key, index_sources
from twosignal.config import SourceTable
from twosignal.dashboard.app import dashboard_app
from twosignal.dashboard.guard import Door
from twosignal.records.columns import learning_columns
from twosignal.records.events import Event
from twosignal.records.writer import RunWriter
from twosignal.text.corpus import SourceReader


def browser(runs_dir: Path) -> TestClient:
    return TestClient(dashboard_app(runs_dir, door=Door()), base_url="http://127.0.0.1")


def test_the_list_shows_both_signals_and_says_what_is_damaged(finished_run: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / finished_run.name).symlink_to(finished_run)
    (runs / "bad-20260101-000000-abcdef").mkdir()
    (runs / "bad-20260101-000000-abcdef" / "events.jsonl").write_text("nonsense\n")
    lines = browser(runs).get("/api/runs").json()["runs"]
    assert [line["state"] for line in lines] == ["halted", "damaged"]
    run, damaged = lines
    assert run["name"] == "toy"
    assert (run["step"], run["steps"], run["samples"]) == (100, 100, 10)
    assert run["loss"] == pytest.approx(1.0)
    assert run["coherence"] == 40.0
    assert (run["verdict"], run["reason"]) == ("halt", "five strikes")
    assert len(run["spark"]) == 60
    assert "cannot be read" in damaged["reason"]


def test_a_summary_names_what_can_be_drawn_and_marked(client: TestClient, finished_run: Path) -> None:
    told = client.get(f"/api/runs/{finished_run.name}").json()
    names = {one["name"] for one in told["series"]}
    assert {
        "loss",
        "smma1000",
        "loss[chat]",
        "memory_bytes",
        "probe[books]",
        "coherence",
        "share[chat]",
    } <= names
    assert [mark["label"] for mark in told["marks"]] == ["halt", "halted"]
    assert told["phases"][0] == {"name": "warmup", "from": 1, "to": 10}
    assert told["bands"][-1]["below"] == "inf"
    assert (told["first_step"], told["last_step"], told["rows"]) == (1, 100, 100)
    assert told["config"]["sources"]["chat"]["path"] == "chat.jsonl"


def test_curves_keep_the_spike_and_name_what_is_broken(client: TestClient, finished_run: Path) -> None:
    for buckets in (1, 7, 50, 4000):
        told = client.get(
            f"/api/runs/{finished_run.name}/series?names=loss,probe,nope&buckets={buckets}"
        ).json()
        loss = told["series"]["loss"]
        assert max(one for one in loss["max"] if one is not None) == 90.0
        assert len(loss["last"]) == len(told["steps"]) <= buckets
        assert sum(count for _, count in loss["nonfinite"]) == 1
        assert told["missing"] == ["nope"]
        assert told["series"]["probe"]["steps"] == [20, 40, 60, 80, 100]
    near = client.get(f"/api/runs/{finished_run.name}/series?names=loss&from=49&to=51").json()
    assert near["steps"] == [49, 50, 51]
    assert near["series"]["loss"]["last"] == pytest.approx([3.04, None, 2.96])
    assert near["series"]["loss"]["nonfinite"] == [[1, 1]]


def test_attempts_are_apart(runs_dir: Path) -> None:
    run = rolled_back(runs_dir).name
    client = browser(runs_dir)
    live = client.get(f"/api/runs/{run}/series?names=loss").json()
    ghost = client.get(f"/api/runs/{run}/series?names=loss&attempt=0").json()
    assert live["series"]["loss"]["last"][-1] == 2.0
    assert ghost["series"]["loss"]["last"][-1] == 9.0
    assert client.get(f"/api/runs/{run}").json()["attempts"] == [{"attempt": 1, "parent": 0, "step": 41}]
    assert client.get(f"/api/runs/{run}/series?names=loss&attempt=9").status_code == 400
    texts = client.get(f"/api/runs/{run}/samples/60").json()["samples"]
    assert [one["text"] for one in texts] == ["Right this time."]
    events = client.get(f"/api/runs/{run}/events?kinds=sample").json()["events"]
    assert [one["live"] for one in events] == [True, False, True]


def test_every_sample_is_listed_and_read(client: TestClient, finished_run: Path) -> None:
    base = f"/api/runs/{finished_run.name}/samples"
    told = client.get(f"{base}?heads=1").json()
    assert told["count"] == 10
    assert told["index"] == [0, 1] * 5
    assert told["words"]["domain"] == ["talk", "books"]
    assert told["loss"][:2] == [1.5, None]
    assert client.get(f"{base}?from=41&to=60").json()["step"] == [60, 60]
    read = client.get(f"{base}/59").json()
    assert (read["step"], read["previous"], read["next"]) == (40, 20, 60)
    assert read["samples"][1]["text"] == HOSTILE
    assert read["samples"][1]["loss"] == "nan"
    assert client.get(f"{base}/1").json()["step"] == 20


def test_places_in_a_text_count_as_a_browser_counts(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    text = "\U0001f600\U0001f600 copied words"
    match = {
        "start": 3,
        "end": 9,
        "bytes": 6,
        "tokens": 2,
        "source": "books",
        "file": "b.txt",
        "line": 3,
        "occurrences": 2,
    }
    writer.append(sample(1, text, copied={"verdict": "suspect", "matches": [match]}))
    writer.append(
        sample(1, "short", copied={"verdict": "suspect", "matches": [match | {"end": 99}, {"start": "x"}, 5]})
    )
    run = finish(writer, 1).name
    samples = browser(runs_dir).get(f"/api/runs/{run}/samples/1").json()["samples"]
    spans = [one for one in samples[0]["spans"] if one["kind"] == "copied"]
    assert [(one["start"], one["end"], one["match"]) for one in spans] == [(5, 11, 0)]
    assert "b.txt:3, 2 times" in spans[0]["reason"]
    assert [one for one in samples[1]["spans"] if one["kind"] == "copied"] == []


def test_a_copied_passage_leads_to_its_document(runs_dir: Path) -> None:
    document = "It was a bright cold day in April, and the clocks were striking thirteen, as nobody had expected of them."
    (runs_dir / "books.txt").write_text("Something else entirely stands here.\n\n\n\n" + document + "\n")
    reader = SourceReader("books", SourceTable(path="books.txt"), folder=runs_dir)
    inputs = {"books": "f00d"}
    key = index_key(inputs)
    index_sources([reader], runs_dir / ".cache" / f"copies-{key}", key=key)
    run = copier(runs_dir, inputs, document)
    base = f"/api/runs/{run}/document"
    told = browser(runs_dir).get(f"{base}?step=1&index=0&match=0").json()
    assert told["copied"] == document[20:90]
    assert told["before"].endswith(document[:20])
    assert told["after"].startswith(document[90:])
    assert (told["source"], told["file"]) == ("books", "../../etc/passwd"), (
        "what was recorded is told, and never opened"
    )
    for wrong in ("step=1&index=1&match=0", "step=1&index=0&match=1", "step=9&index=0&match=0"):
        assert browser(runs_dir).get(f"{base}?{wrong}").status_code == 404
    assert browser(runs_dir).get(f"{base}?step=1").status_code == 400


def copier(runs_dir: Path, inputs: dict[str, str], document: str) -> str:
    """Return the id of a run whose one sample copies from its training text."""
    columns = learning_columns(["books"])
    writer = RunWriter.create(runs_dir, "copier", run_toml="", columns=columns, now=datetime(2026, 1, 3))
    body = {"model": "m", "vocab": 9, "steps": 1, "sources": ["books"], "inputs": inputs}
    writer.append(Event(kind="start", step=0, body=body))
    match = {"start": 4, "end": 74, "bytes": 70, "tokens": 20, "source": "books", "document": 2, "line": 4}
    copied = {"verdict": "suspect", "matches": [match | {"file": "../../etc/passwd", "occurrences": 1}]}
    writer.append(sample(1, "I: \u201c" + document[20:90] + "\u201d indeed", copied=copied))
    return finish(writer, 1).name


def test_decisions_lead_to_their_sample(client: TestClient, finished_run: Path) -> None:
    items = client.get(f"/api/runs/{finished_run.name}/verdicts").json()["items"]
    assert [(one["title"], one["count"], one["severity"]) for one in items] == [
        ("continue", 5, "note"),
        ("halt", 1, "halt"),
        ("halted", 1, "halt"),
    ]
    assert items[0]["from"] == 20
    assert items[1]["sample"] == {"step": 100, "index": 1}, "the text of least coherence"


def test_a_change_of_the_mix_is_told_by_its_cause(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    body = {"cause": "operator", "reason": "chat is short", "shares": {"books": 1.0}, "evidence": {"rows": 3}}
    writer.append(Event(kind="switch", step=7, body=body))
    run = finish(writer, 7).name
    client = browser(runs_dir)
    item = client.get(f"/api/runs/{run}/verdicts").json()["items"][0]
    assert [item[name] for name in ("title", "reason", "evidence")] == [
        "operator",
        "chat is short",
        {"rows": 3},
    ]
    mark = client.get(f"/api/runs/{run}").json()["marks"][0]
    assert (mark["kind"], mark["label"], mark["step"]) == ("switch", "operator", 7)


def test_events_can_be_read_on(client: TestClient, finished_run: Path) -> None:
    base = f"/api/runs/{finished_run.name}/events"
    first = client.get(f"{base}?limit=3&kinds=probe").json()
    rest = client.get(f"{base}?kinds=probe&after={first['next']}").json()
    assert len(first["events"]) == 3
    assert len(rest["events"]) == 2
    assert rest["next"] is None
    assert client.get(f"{base}?newest=1&limit=1").json()["events"][0]["kind"] == "end"


def test_two_runs_are_compared(finished_run: Path, runs_dir: Path) -> None:
    (runs_dir / finished_run.name).symlink_to(finished_run)
    other = rolled_back(runs_dir).name
    told = browser(runs_dir).get(f"/api/compare?a={finished_run.name}&b={other}").json()
    assert told["equal"] is False
    assert told["first_difference"]["step"] == 0
    assert told["config"] == []
    assert "loss" in told["series"]
    assert "probe" not in told["series"]


def test_any_window_is_audited(client: TestClient, finished_run: Path) -> None:
    told = client.get(f"/api/runs/{finished_run.name}/audit?steps=20:60").json()
    assert told["steps"] == [20, 60]
    assert client.get(f"/api/runs/{finished_run.name}/audit?steps=60:20").status_code == 400


def test_other_boards_find_their_addresses(client: TestClient, finished_run: Path) -> None:
    run = finished_run.name
    assert client.get("/loss").json() == {"live": {}, "saved": {run: 100}}
    told = client.get("/loss/toy").json()
    assert told["count"] == len(told["points"]) == 99
    assert [77, 90.0] in told["points"]
    samples = client.get(f"/samples/{run}").json()["samples"]
    assert samples[0] == {"step": 100, "text": HOSTILE, "loss": None}
    assert client.get("/checkpoints").json() == {"checkpoints": []}
    assert client.get("/system").json()["cpu_cores"] >= 1


def test_receipt_bandit_checkpoints_and_system(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    (writer.path / "bandit.json").write_text(json.dumps({"policy": "fixed"}))
    saved = writer.path / "checkpoints" / "step-00000001"
    saved.mkdir()
    (saved / "model.bin").write_bytes(b"12345")
    run = finish(writer, 1).name
    client = browser(runs_dir)
    assert client.get(f"/api/runs/{run}/receipt").json() == {}
    bandit = client.get(f"/api/runs/{run}/bandit").json()
    assert bandit == {
        "policy": "fixed",
        "history": {"steps": [0], "shares": {"books": [0.75], "chat": [0.25]}},
    }
    told = client.get(f"/api/runs/{run}/checkpoints").json()
    assert [(one["step"], one["size_bytes"]) for one in told["checkpoints"]] == [(1, 5)]
    (runs_dir / run / "bandit.json").write_text("{half")
    assert client.get(f"/api/runs/{run}/bandit").status_code == 400
    assert client.get("/api/system").json()["host"]["memory_total"] > 0


def test_nothing_new_is_said_in_no_bytes(client: TestClient, finished_run: Path) -> None:
    for path in (
        "/api/runs",
        f"/api/runs/{finished_run.name}/series?names=loss",
        f"/api/runs/{finished_run.name}/samples",
    ):
        first = client.get(path)
        again = client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_what_has_grown_is_told_at_once(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    client = browser(runs_dir)
    path = f"/api/runs/{writer.path.name}/samples"
    tags = set()
    for step in range(1, 4):
        writer.append(sample(step))
        answer = client.get(path)
        assert answer.json()["count"] == step
        tags.add(answer.headers["etag"])
    writer.close()
    assert len(tags) == 3


@pytest.mark.parametrize(
    "path",
    ["/api/runs/none", "/api/runs/..", "/api/runs/%2e%2e/series", "/nothing", "/api/runs/.cache/samples", "/loss/none",
     "/api/compare?a=x&b=y", "/..%2f..%2fetc/passwd", "/data/none.json"],
)  # fmt: skip
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "query",
    ["", "names=", "names=loss&buckets=0", "names=loss&buckets=4001", "names=loss&from=x", "names=loss&to=-1",
     "names=loss&width=3", "names=loss&from=99999999999999999999", "names=" + ",".join(map(str, range(25)))],
)  # fmt: skip
def test_impossible_questions_are_400(client: TestClient, finished_run: Path, query: str) -> None:
    assert client.get(f"/api/runs/{finished_run.name}/series?{query}").status_code == 400


def test_a_run_that_was_deleted_is_gone(runs_dir: Path) -> None:
    folder = finish(begin(runs_dir), 0)
    client = browser(runs_dir)
    assert client.get(f"/api/runs/{folder.name}").status_code == 200
    folder.rename(runs_dir.parent / "elsewhere")
    assert client.get(f"/api/runs/{folder.name}").status_code == 404


def test_infinite_columns_and_huge_numbers_stay_strict_json(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    for step, loss in enumerate([1e300, -math.inf, 2.0], start=1):
        writer.step_row(step, numbers(loss), clock=CLOCK)
    run = finish(writer, 3).name
    told = browser(runs_dir).get(f"/api/runs/{run}/series?names=loss,ppl,smma10").json()
    assert told["series"]["loss"]["last"] == [1e300, None, 2.0]
    assert told["series"]["ppl"]["nonfinite"] == [[0, 1]]


def test_records_of_others_that_lack_what_ours_have_are_still_shown(runs_dir: Path) -> None:
    writer = begin(runs_dir)
    folder = finish(writer, 0)
    line = {
        "kind": "sample",
        "step": 3,
        "attempt": 0,
        "text": 5,
        "scores": [],
        "copied": "no",
        "hash": "0" * 32,
    }
    bare = {"kind": "verdict", "step": 4, "attempt": 0, "hash": "0" * 32}
    with (folder / "events.jsonl").open("a") as file:
        for record in (line, bare, bare | {"kind": "finding", "steps": "all"}):
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
    client = browser(runs_dir)
    base = f"/api/runs/{folder.name}"
    for path in ("", "/samples?heads=1", "/samples/3", "/verdicts", "/events", "/checkpoints",
                 "/series?names=coherence,sample_loss,degenerate,copied,breadth"):  # fmt: skip
        assert client.get(base + path).status_code == 200, path
    assert client.get(f"/samples/{folder.name}").json()["samples"] == [{"step": 3, "text": 5, "loss": None}]


def test_a_fault_of_ours_is_json_without_its_traceback(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(begin(runs_dir), 0)

    def broken(_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("twosignal.dashboard.routes.run_line", broken)
    app = dashboard_app(runs_dir, door=Door())
    answer = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False).get("/api/runs")
    assert answer.status_code == 500
    assert answer.json()["error"] == "a fault of ours"
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
