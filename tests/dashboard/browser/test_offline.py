"""A start without a network: every page and all it is made of come from this machine's disk."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from twosignal.dashboard.assets import PAGES

from .story import halted_run
from .test_pages import PLACES

NO_WAY_OUT = """
import socket

connect = socket.socket.connect


def inside(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
        raise OSError(101, "Network is unreachable")
    return connect(self, address)


socket.socket.connect = inside
"""
NOWHERE = "http://127.0.0.1:9"


def namespace() -> list[str]:
    """Return the command in front of another that takes its network away, empty where the system does not let us."""
    wanted = ["unshare", "--map-root-user", "--net"]
    is_allowed = shutil.which("unshare") and subprocess.run([*wanted, "true"], check=False).returncode == 0
    return wanted if is_allowed else []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium on this machine")
def test_every_page_is_there_without_a_network(tmp_path: Path) -> None:
    runs, away = tmp_path / "runs", tmp_path / "away"
    halted_run(runs)
    away.mkdir()
    # For systems without namespaces, and harmless elsewhere: Python may connect to nobody but this machine.
    (away / "sitecustomize.py").write_text(NO_WAY_OUT, encoding="utf-8")
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    done = subprocess.run(
        [
            *namespace(),
            sys.executable,
            Path(__file__).with_name("offline_visit.py"),
            runs,
            json.dumps(PLACES),
        ],
        env=os.environ
        | proxies
        | {"PYTHONPATH": str(away), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "unreachable" in told["network"]
    outside = [url for url, _ in told["asked"] if not url.startswith(told["url"])]
    assert not outside
    assert {status for _, status in told["asked"]} <= {200, 304}
    served = {url.removeprefix(told["url"]).partition("?")[0] for url, _ in told["asked"]}
    scripts = {path.relative_to(PAGES).as_posix() for path in (PAGES / "js").rglob("*.js")}
    assert scripts - served == {"js/pages/document.js"}
    assert "vendor/uPlot.iife.min.js" in served
