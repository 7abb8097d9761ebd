"""Opens every page of a run without a network: `unshare -rn python offline_visit.py RUNS_DIR PLACES`, PLACES as JSON.

Takes a folder with one run and the words that each of its pages must show, gives one line of JSON: whether the
network is away, and every request with its status. In a namespace of its own only the loopback interface
is there, and is brought up here.
"""

import fcntl
import json
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Request, expect, sync_playwright

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
OTHERS = {"": "Runs", "compare": "Compare", "system": "System"}
ELSEWHERE = ("192.0.2.1", 80)
"""An address that belongs to nobody (RFC 5737)."""


def bring_up_loopback() -> None:
    """Make 127.0.0.1 answer, which it does not in a new namespace."""
    with socket.socket() as asked:
        flags = struct.unpack("16sh", fcntl.ioctl(asked, SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))[1]
        if not flags & IFF_UP:
            fcntl.ioctl(asked, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def network() -> str:
    """Return how an address elsewhere is refused, in words."""
    try:
        socket.create_connection(ELSEWHERE, timeout=2).close()
    except OSError as error:
        return type(error).__name__ + f": {error}"
    return "there"


def of_run(run: str, places: dict[str, str]) -> dict[str, str]:
    """Return the words of a run's pages by their address."""
    return {f"run/{run}/{tab}": words for tab, words in places.items()}


def is_refused(request: Request) -> bool:
    """Return whether nobody answered; a question that the page itself took back as it went on is none."""
    return request.failure != "net::ERR_ABORTED"


def visit(browser: Browser, url: str, places: dict[str, str]) -> list[tuple[str, int]]:
    """Open every page, wait for its words, and return all requests with their status; 0 where nobody answered."""
    page = browser.new_page()
    asked: list[tuple[str, int]] = []
    page.on("response", lambda answer: asked.append((answer.url, answer.status)))
    page.on("requestfailed", lambda request: asked.append((request.url, 0)) if is_refused(request) else None)
    for address, words in places.items():
        page.goto("about:blank")
        page.goto(f"{url}#/{address}")
        expect(page.locator("main")).to_contain_text(words, timeout=60_000)
    return [one for one in asked if not one[0].startswith("about:") and "/live?" not in one[0]]


def main(runs_dir: Path, places: dict[str, str]) -> None:
    """Serve the runs, visit their pages, and tell."""
    bring_up_loopback()
    (run,) = (path.name for path in runs_dir.iterdir() if path.is_dir())
    command = [sys.executable, "-m", "twosignal", "dashboard", str(runs_dir), "--port", "0", "--json"]
    told: dict[str, Any] = {"network": network()}
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout
        url = json.loads(server.stdout.readline())["url"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        told |= {"url": url, "asked": visit(browser, url, of_run(run, places) | OTHERS)}
        browser.close()
        server.terminate()
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
