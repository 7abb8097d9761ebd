"""The served grading page: a grader opens a link, grades every text, reloads on the way, and submits."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.audits.grading.conftest import KNOWN, drawn
from twosignal.audits.grading.bundle import Bundle, seal
from twosignal.audits.grading.folder import publish, read_graded
from twosignal.audits.grading.page import grading_page

HOSTILE = "<img src=x onerror='window.hacked=1'></script><script>window.hacked=1</script>"


@pytest.fixture(scope="module")
def bundle(halted: str, runs: Path) -> Bundle:
    """Five texts, with their controls and repeats, of which one is hostile."""
    told = drawn(num_samples=5)
    told = replace(told, samples=tuple(replace(one, text=f"{HOSTILE} {one.text}") for one in told.samples))
    made, key = seal(told, KNOWN)
    publish(runs / halted, made, key, page=grading_page(made))
    return made


@pytest.fixture
def server(
    bundle: Bundle, halted: str, runs: Path
) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """A server of that bundle, and what it says."""
    words = ["grade", "serve", halted, "--runs", str(runs), "--graders", "Ada", "--port", "0", "--json"]
    words += ["--renew", "Ada", "--bundle", bundle.bundle]
    with subprocess.Popen(
        [sys.executable, "-m", "twosignal", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield process, json.loads(process.stdout.readline())
        process.terminate()


@pytest.mark.slow
def test_a_grader_grades_all_texts_and_submits(
    page: Page,
    browser: Browser,
    server: tuple["subprocess.Popen[str]", dict[str, Any]],
    bundle: Bundle,
    halted: str,
    runs: Path,
    tmp_path: Path,
) -> None:
    process, told = server
    link, total = told["graders"][0]["url"], len(bundle.items)
    page.goto(link)
    expect(page.locator("#grader")).to_have_value("Ada")
    assert "#" not in page.url
    submit = page.get_by_role("button", name="Submit all grades")
    expect(submit).to_be_disabled()
    half = total // 2
    for _ in range(half):
        page.keyboard.press("7")
        page.keyboard.press("Enter")
    page.keyboard.press("a")
    expect(page.locator("#kept")).to_have_text("Kept on the server.")
    page.screenshot(path=tmp_path / "grading.png", full_page=True)

    page.evaluate("localStorage.clear()")
    page.reload()
    expect(page.locator("#count")).to_have_text(f"{half} graded")
    expect(page.locator("#place")).to_have_text(f"Text {half + 1} of {total}")

    other = browser.new_context().new_page()
    other.on("dialog", lambda dialog: dialog.dismiss())
    other.goto(link)
    expect(other.locator("#told")).to_contain_text("This link was opened in another browser before")
    other.context.close()

    for _ in range(total - half):
        page.keyboard.press("3")
        page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text(f"{total} graded")
    submit.click()
    expect(page.get_by_role("status")).to_have_text(
        f"Your {total} grades are in. Thank you; you may close this page."
    )
    page.keyboard.press("5")
    process.wait(timeout=30)
    grades = read_graded(runs / halted, bundle.bundle).grades
    scores = [one.score for one in sorted(grades[0].grades, key=lambda one: one.position)]
    assert (grades[0].grader, scores) == ("Ada", [7] * half + [3] * (total - half))
