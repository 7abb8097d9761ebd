"""Alerts reach who asked for them, and one that fails or hangs is nobody's loss."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from twosignal.config import AlertsTable
from twosignal.errors import ConfigError
from twosignal.runfile import load_config
from twosignal.train.alerts import Alerts


class Server(ThreadingHTTPServer):
    """Answers every POST with one status, after a while if it is to hang."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, status: int, hang: threading.Event | None) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status, self.hang = status, hang
        self.received: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?key=secret"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        self.server.received.append(json.loads(body))
        if self.server.hang is not None:
            self.server.hang.wait(20)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(status: int = 200, hang: threading.Event | None = None) -> Iterator[Server]:
    server = Server(status, hang)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    if hang is not None:
        hang.set()
    server.shutdown()
    server.server_close()


def alerts_of(folder: Path, said: list[str] | None = None, **table: Any) -> Alerts:
    say = (lambda _: None) if said is None else said.append
    return Alerts(table=AlertsTable.model_validate(table), folder=folder, say=say)


def ledger(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "alerts.jsonl").read_text().splitlines()]


def test_a_webhook_gets_what_happened(tmp_path: Path) -> None:
    with serving() as server:
        alerts = alerts_of(tmp_path, webhook=server.address)
        alerts.send("halt", step=70, reason="loops", evidence={"loss": float("nan"), "strikes": 5})
        alerts.close()
        (got,) = server.received
    assert got["text"] == f"twosignal: {tmp_path.name}, step 70: halt: loops"
    assert (got["kind"], got["step"], got["run"]) == ("halt", 70, tmp_path.name)
    assert got["evidence"] == {"loss": "nan", "strikes": 5}
    (line,) = ledger(tmp_path)
    assert (line["kind"], line["way"], line["error"]) == ("halt", "webhook", None)
    assert "secret" not in (tmp_path / "alerts.jsonl").read_text()


def test_only_what_was_asked_for_is_sent_and_a_noted_rule_once(tmp_path: Path) -> None:
    with serving() as server:
        alerts = alerts_of(tmp_path, webhook=server.address, on=["note", "finished"])
        alerts.send("halt", step=1, reason="")
        for step in (2, 3):
            alerts.note("loop", step=step, reason="", evidence={})
        alerts.note("soup", step=4, reason="", evidence={})
        alerts.send("finished", step=9, reason="")
        alerts.close()
        assert [(one["kind"], one["step"]) for one in server.received] == [
            ("note", 2),
            ("note", 4),
            ("finished", 9),
        ]


def test_without_a_table_nothing_is_sent_and_no_thread_runs(tmp_path: Path) -> None:
    alerts = Alerts(folder=tmp_path)
    alerts.send("halt", step=1, reason="")
    alerts.close()
    assert not any(thread.name == "alerts" and thread.is_alive() for thread in [alerts._thread] if thread)
    assert list(tmp_path.iterdir()) == []


def test_a_command_gets_the_same_on_its_standard_input(tmp_path: Path) -> None:
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    place = tmp_path / "got.json"
    alerts = alerts_of(tmp_path, command=[sys.executable, "-c", code, str(place)])
    alerts.send("roll-back", step=3, reason='it said "no"')
    alerts.close()
    assert json.loads(place.read_text())["reason"] == 'it said "no"'
    assert ledger(tmp_path)[0]["way"] == "command"


def test_an_address_may_stand_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with serving() as server:
        monkeypatch.setenv("HOOK", server.address)
        alerts = alerts_of(tmp_path, said, webhook="$HOOK")
        alerts.send("halt", step=1, reason="")
        alerts.close()
        assert len(server.received) == 1
        monkeypatch.delenv("HOOK")
        alerts.send("halt", step=2, reason="")
        alerts.close()
    assert said == [
        "an alert could not be sent by webhook: $HOOK holds no address of a webhook; see alerts.jsonl in the run folder"
    ]


@pytest.mark.parametrize("way", ["500", "nobody", "no program", "bad exit", "slow program"])
def test_a_failing_alert_is_noted_and_said_once(way: str, tmp_path: Path) -> None:
    said: list[str] = []
    with serving(500) as server:
        tables: dict[str, dict[str, Any]] = {
            "500": {"webhook": server.address},
            "nobody": {"webhook": "http://127.0.0.1:1/"},
            "no program": {"command": ["no-such-program"]},
            "bad exit": {"command": [sys.executable, "-c", "raise SystemExit(3)"]},
            "slow program": {
                "command": [sys.executable, "-c", "import time; time.sleep(60)"],
                "timeout": 0.3,
            },
        }
        alerts = alerts_of(tmp_path, said, **tables[way])
        for step in (1, 2):
            alerts.send("halt", step=step, reason="")
        alerts.close()
    assert len(said) == 1
    assert said[0].startswith("an alert could not be sent by ")
    expected = {"500": "500", "nobody": "refused", "no program": "No such file", "bad exit": "exit status 3"}
    assert [expected.get(way, "timed out") in line["error"] for line in ledger(tmp_path)] == [True, True]


def test_a_server_that_hangs_holds_nothing_up(tmp_path: Path) -> None:
    """It is given 60 seconds; sending takes none, and the end waits as long as it is told to."""
    said: list[str] = []
    with serving(hang=threading.Event()) as server:
        alerts = alerts_of(tmp_path, said, webhook=server.address, timeout=60)
        began = time.monotonic()
        for step in range(200):
            alerts.send("halt", step=step, reason="")
        sending = time.monotonic() - began
        alerts.close(seconds=0.2)
        assert sending < 0.5
        assert time.monotonic() - began < 2
    assert said[0].startswith("an alert could not be sent by none: more than 100 alerts are waiting")
    assert "given up" in said[-1]


def test_a_server_that_hangs_is_given_up_after_the_time_allowed(tmp_path: Path) -> None:
    with serving(hang=threading.Event()) as server:
        alerts = alerts_of(tmp_path, webhook=server.address, timeout=0.3)
        alerts.send("halt", step=1, reason="")
        alerts.close()
    (line,) = ledger(tmp_path)
    assert "timed out" in line["error"]
    assert 0.2 < line["seconds"] < 3


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('webhook = "ftp://there"', "webhook must begin with http://, https:// or $"),
        ('command = [""]', "command must begin with the name of a program"),
        ('on = ["everything"]', "note"),
        ("timeout = 0", "greater than 0"),
        ('mail = "me@example.org"', "mail"),
    ],
)
def test_a_table_that_cannot_work_is_a_sentence(line: str, word: str, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        '[run]\nname = "x"\n[model]\npreset = "tiny"\n[sources.a]\npath = "a.txt"\n[alerts]\n' + line + "\n"
    )
    with pytest.raises(ConfigError, match=".*") as caught:
        load_config(file, [])
    assert word in str(caught.value)
