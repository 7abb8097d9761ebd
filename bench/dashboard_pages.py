"""How soon a page of a long run is painted: takes a length of run, gives milliseconds until its first chart is there.

    python bench/dashboard_pages.py [--steps 1000000] [--times 9]

A dashboard serves the run to Chromium without a window, on the same machine, every time with an empty cache. What counts
is the first frame in which the first chart is drawn and its sentence written. The answers of the server as a browser gets
them, over its socket, are timed besides. It needs playwright and Debian's chromium.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from playwright.sync_api import Browser, sync_playwright

from dashboard import high, make_run

TABS = ("signals", "loss")
REQUESTS = 200
WATCH = """
window.painted = 0;
const look = () => {
  const isThere = document.querySelector(".chart canvas");
  const sentence = document.querySelector(".summary")?.textContent ?? "";
  if (isThere && sentence.includes("at step")) window.painted = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1_000_000, help="length of the run")
    parser.add_argument("--times", type=int, default=9, help="how often each page is opened")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        run = make_run(Path(place), options.steps).name
        command = [sys.executable, "-m", "twosignal", "dashboard", place, "--port", "0", "--json"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as server:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            time.sleep(10)
            show_requests(url, run, server.pid)
            show_pages(url, run, options.times)
            server.terminate()
    return 0


def show_requests(url: str, run: str, pid: int) -> None:
    """Print how long a file of the pages and a series take over the socket."""
    connection, server = http.client.HTTPConnection(urlsplit(url).netloc), psutil.Process(pid)
    series = f"/api/runs/{run}/series?names=loss&buckets=2000&from="
    for what, path in (("a file of the pages", "/js/chart.js?"), ("a series of the whole run", series)):
        times, before = [], sum(server.cpu_times()[:2])
        for number in range(REQUESTS):
            began = time.perf_counter()
            connection.request("GET", f"{path}{number + 1}")
            connection.getresponse().read()
            times.append(1e3 * (time.perf_counter() - began))
        used = 1e3 * (sum(server.cpu_times()[:2]) - before) / REQUESTS
        print(
            f"{what}: p50 {statistics.median(times):.1f} ms, p95 {high(times):.1f} ms, processor {used:.2f} ms"
        )


def show_pages(url: str, run: str, count: int) -> None:
    """Print when the first chart of each page was there."""
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for tab in TABS:
            times = sorted(painted(browser, f"{url}#/run/{run}/{tab}") for _ in range(count))
            told = (
                f"least {times[0]:.0f} ms, median {statistics.median(times):.0f} ms, most {times[-1]:.0f} ms"
            )
            print(f"page {tab}: {told}; load {os.getloadavg()[0]:.1f}", flush=True)
        browser.close()


def painted(browser: Browser, address: str) -> float:
    """Return the milliseconds from asking for a page until its first chart is painted."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(address)
    # The pages' policy forbids what wait_for_function does.
    while not (found := float(page.evaluate("window.painted"))):
        page.wait_for_timeout(150)
    context.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
