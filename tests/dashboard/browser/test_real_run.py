"""A run that is really trained, seen in the browser while it goes on and when it is over."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import Serve
from .test_pages import PLACES, READY

RUN_FILE = """
[run]
name = "real"
steps = 60
[model]
preset = "tiny"
[tokenizer]
vocab = 512
[sources.arithmetic]
path = "builtin:chat-arithmetic"
limit = 300
[sources.listing]
path = "builtin:listing"
limit = 100
[rows]
tokens = 128
per_step = 4
[samples]
every = 10
tokens = 24
panel = 2
[probes]
every = 10
rows = 2
"""
TABS = {
    **PLACES,
    "timeline": "finished",
    "proof": "Every check of the proof holds.",
    "checkpoints": "on disk",
}


@pytest.mark.slow
def test_every_page_of_a_real_run_live_and_finished(page: Page, serve: Serve, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    (tmp_path / "real.toml").write_text(RUN_FILE, encoding="utf-8")
    url = serve(runs)
    page.goto(url)
    command = [sys.executable, "-m", "twosignal", "train", "real.toml", "--runs", str(runs), "--no-dashboard"]
    with (tmp_path / "log").open("wb") as log:
        training = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
        page.get_by_role("link", name="real", exact=True).click(timeout=120_000)
        expect(page.locator(".run-head")).to_contain_text("finished", timeout=300_000)
        assert training.wait() == 0, (tmp_path / "log").read_text(encoding="utf-8")
    expect(page.locator(".summary").first).to_contain_text("at step 60;")
    look_at_every_page(page, url, next(runs.glob("real-*")).name)


def look_at_every_page(page: Page, url: str, run: str) -> None:
    """Visit every page, and see that each holds what it is for."""
    for tab, words in TABS.items():
        page.goto(f"{url}#/run/{run}/{tab}")
        expect(page.locator("main")).to_contain_text(words)
        page.locator(READY).first.wait_for()
    page.goto(f"{url}#/run/{run}/samples")
    expect(page.locator("article.sample")).to_have_count(2)
    page.keyboard.press("Home")
    expect(page.locator(".scrubber output")).to_contain_text("step 10")
