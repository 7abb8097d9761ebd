"""The command, as a process: its address, its port, its end, and the copy it writes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.dashboard.conftest import begin, finish
from twosignal.cli import main
from twosignal.dashboard.sockets import listen, url_of


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    finish(begin(folder), 0)
    return folder


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        body: bytes = answer.read()
        return body


def test_a_busy_port_gives_way_to_the_next() -> None:
    with listen("127.0.0.1", 0) as first, listen("127.0.0.1", first.getsockname()[1]) as second:
        assert second.getsockname()[1] > first.getsockname()[1]
        assert url_of(second, "127.0.0.1") == f"http://127.0.0.1:{second.getsockname()[1]}/"


def test_answers_do_not_wait_for_the_one_who_asks() -> None:
    with (
        listen("127.0.0.1", 0) as opened,
        socket.create_connection(opened.getsockname()),
        opened.accept()[0] as accepted,
    ):
        assert accepted.proto == socket.IPPROTO_TCP, "asyncio sets TCP_NODELAY on no other socket"


def test_a_copy_is_written_once(runs_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", str(runs_dir), "--public", str(tmp_path / "public"), "--once", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] > 5
    assert (tmp_path / "public" / "data" / "runs.json").is_file()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["nowhere"], "no such folder"),
        ([".", "--host", "999.1.1.1"], "no such address"),
        ([".", "--once"], "nothing to write"),
        ([".", "--port", "70000"], "0 to 65535"),
    ],
)
def test_wrong_input_is_a_sentence(
    given: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["dashboard", *given])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    assert sentence in capsys.readouterr().err


def test_a_short_token_is_refused(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWOSIGNAL_TOKEN", "short")
    assert main(["dashboard", str(runs_dir)]) == 2
    assert "too short" in capsys.readouterr().err


@pytest.mark.slow
def test_other_machines_are_asked_for_a_token(runs_dir: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "twosignal",
        "dashboard",
        str(runs_dir),
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        address = f"http://127.0.0.1:{told['port']}/api/runs"
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(address)
        assert refused.value.code == 401
        refused.value.close()
        token = told["url"].partition("token=")[2]
        assert len(token) >= 32
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.loads(answer.read())["title"] == "runs"
        process.terminate()


@pytest.mark.slow
def test_a_server_that_is_stopped_ends_its_streams_and_says_nothing(runs_dir: Path) -> None:
    command = [sys.executable, "-m", "twosignal", "dashboard", str(runs_dir), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = json.loads(process.stdout.readline())["url"]
        run = json.loads(get(url + "api/runs"))["runs"][0]["id"]
        with urllib.request.urlopen(f"{url}api/runs/{run}/live", timeout=60) as stream:
            assert stream.readline().startswith(b"id: ")
            process.terminate()
            assert stream.read().endswith(b"\n\n"), "the stream ends behind a whole message"
        assert process.wait(timeout=60) in {0, -signal.SIGTERM}
        said = [line for line in process.stderr.read().splitlines() if not line.startswith("dashboard of ")]
        assert said == []


@pytest.mark.slow
def test_pages_beside_a_run_end_with_it(runs_dir: Path) -> None:
    code = (
        "from pathlib import Path; from twosignal.dashboard.beside import start_beside; "
        f"print(start_beside(Path({str(runs_dir)!r})), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        assert json.loads(get(url + "api/runs"))["runs"]
        run.kill()
    port = int(url.rstrip("/").rpartition(":")[2])
    for _ in range(300):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.1)
    pytest.fail(f"something still listens at {port}, pid of this test {os.getpid()}")
