"""Pages beside a run that goes on: what comes is shown without loading again, live and in a public copy."""

import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Page, expect

from twosignal.records.writer import RunWriter

from .conftest import Serve
from .story import begin, sample, tell_step, verdict


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[RunWriter]:
    """A run of 50 steps so far."""
    folder = tmp_path / "runs"
    folder.mkdir()
    writer = begin(folder, "growing")
    for step in range(1, 51):
        tell_step(writer, step, 5.0)
    writer.append(sample(50, "The first words of the keeper, written on a calm and clear morning."))
    writer.heartbeat(state="running")
    yield writer
    writer.close()


def go_on(writer: RunWriter) -> None:
    """Record ten more steps, a sample and a verdict."""
    for step in range(51, 61):
        tell_step(writer, step, 2.0)
    writer.append(sample(60, "The second words of the keeper, written on the evening of that day."))
    writer.append(verdict(60, "pivot", "the words have changed"))
    writer.heartbeat(state="running")


@pytest.mark.slow
def test_steps_samples_and_verdicts_appear_as_they_come(
    page: Page, serve: Serve, growing: RunWriter, tmp_path: Path
) -> None:
    url = serve(tmp_path / "runs")
    page.goto(f"{url}#/run/{growing.path.name}/signals")
    expect(page.locator(".summary").first).to_contain_text("at step 50;")
    expect(page.locator(".live")).to_have_text("Live")
    go_on(growing)
    expect(page.locator(".summary").first).to_contain_text("2 at step 60;")
    page.get_by_role("link", name="Samples", exact=True).click()
    expect(page.locator(".samples")).to_contain_text("The second words")
    page.get_by_role("link", name="Timeline", exact=True).click()
    expect(page.locator(".timeline")).to_contain_text("the words have changed")


@pytest.mark.slow
def test_the_newest_sampling_is_shown_when_it_comes(
    page: Page, serve: Serve, growing: RunWriter, tmp_path: Path
) -> None:
    url = serve(tmp_path / "runs")
    page.goto(f"{url}#/run/{growing.path.name}/samples")
    expect(page.locator(".samples")).to_contain_text("The first words")
    expect(page.locator(".live")).to_have_text("Live")
    go_on(growing)
    expect(page.locator(".samples")).to_contain_text("The second words")
    expect(page.locator(".scrubber output")).to_contain_text("sampling 2 of 2")


class Quiet(SimpleHTTPRequestHandler):
    """Any web server, without its log."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.slow
def test_a_public_copy_is_read_from_any_web_server(
    page: Page, runs: Path, halted: str, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "twosignal",
        "dashboard",
        str(runs),
        "--public",
        str(tmp_path / "www"),
        "--once",
    ]
    subprocess.run(command, check=True, capture_output=True)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *given: Quiet(*given, directory=str(tmp_path / "www"))
    )
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        look_around(page, f"http://127.0.0.1:{server.server_port}/", halted)
    finally:
        server.shutdown()
        server.server_close()


def look_around(page: Page, url: str, halted: str) -> None:
    """Visit what a public copy has, and what it has not."""
    page.goto(url)
    expect(page.locator(".live")).to_have_text("Asks again every 10 s")
    expect(page.get_by_role("link", name="System")).to_be_hidden()
    page.get_by_role("link", name="halted", exact=True).click()
    expect(page.locator(".summary").first).to_contain_text("highest 60")
    page.goto(f"{url}#/run/{halted}/signals?from=100&to=300")
    expect(page.locator(".summary").first).to_contain_text(re.compile("at step 1[0-9][0-9]"))
    page.goto(f"{url}#/run/{halted}/samples")
    expect(page.locator(".samples")).to_contain_text("calm on day 2000")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".samples")).to_contain_text("calm on day 1600")
    page.goto(f"{url}#/run/{halted}/audit")
    expect(page.locator(".audit")).to_contain_text("Findings")
