"""What the browser tests share: takes the story's runs, gives a server, a browser, and pages that are watched.

A page that logs an error, throws one, or breaks the content-security policy fails its test.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from .story import copy_index, halted_run, sound_run

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
PATIENCE = 30_000
"""Milliseconds until something is missed; a busy machine is slow, not wrong."""
expect.set_options(timeout=PATIENCE)
Serve = Callable[[Path], str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: they run in a process of their own, where the browser's event loop disturbs nobody."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium as Debian packages it."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def serve() -> Iterator[Serve]:
    """Starts dashboards, and ends them."""
    started: list[subprocess.Popen[str]] = []

    def start(runs: Path) -> str:
        command = [sys.executable, "-m", "twosignal", "dashboard", str(runs), "--port", "0", "--json"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return address_of(started[-1])

    yield start
    for one in started:
        one.terminate()
        one.wait()
        if one.stdout:
            one.stdout.close()


def address_of(server: "subprocess.Popen[str]") -> str:
    """Return where a dashboard listens, once it answers."""
    assert server.stdout
    address = str(json.loads(server.stdout.readline())["url"])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{address}api/runs"):
                return address
        except OSError:
            time.sleep(0.05)
    pytest.fail("the dashboard does not answer")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the halted run and the sound one."""
    folder = tmp_path_factory.mktemp("browser") / "runs"
    folder.mkdir()
    halted_run(folder)
    sound_run(folder)
    copy_index(folder)
    return folder


@pytest.fixture(scope="session")
def halted(runs: Path) -> str:
    """Id of the halted run."""
    return next(runs.glob("halted-*")).name


@pytest.fixture(scope="session")
def sound(runs: Path) -> str:
    """Id of the run that went well."""
    return next(runs.glob("sound-*")).name


@pytest.fixture(scope="package")
def url(serve: Serve, runs: Path, browser: Browser) -> str:  # noqa: ARG001 (no server without a browser)
    """Address of the story's dashboard."""
    return serve(runs)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A wide page of its own profile; what goes wrong in it fails the test at its end."""
    yield from watched(browser, width=1280)


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A page as wide as a phone."""
    yield from watched(browser, width=400)


def watched(browser: Browser, *, width: int) -> Iterator[Page]:
    """Give a page that collects what goes wrong in it."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    opened.add_init_script(WATCH)
    faults: list[str] = []
    opened.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    faults += [f"policy: {one}" for one in opened.evaluate("window.violations ?? []")]
    hacked = opened.evaluate("window.hacked ?? null")
    context.close()
    assert not faults
    assert hacked is None
