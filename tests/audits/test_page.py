"""The audit's page works by itself, is whole, and nothing a model wrote can act in it."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.audits.conftest import HEALTHY
from tests.audits.run_folders import audit_window
from twosignal.audits.gate import Gate
from twosignal.audits.history import history_of
from twosignal.audits.page import MOST_TEXTS, audit_page, charts, shortened, shown_texts
from twosignal.audits.recorded import Sample
from twosignal.audits.report import Recording, Report, audit, read_recording
from twosignal.audits.run_audit import gate_of, recording_of
from twosignal.audits.sample_audit import check_text
from twosignal.records.reader import Run

HOSTILE = "</div></main></style><script>alert(1)</script><img src=x onerror=alert(1)> <!-- & \u202e \x00 \ud800 {{ 7 * 7 }}"
VOID = {"meta", "input", "br"}


class Balance(HTMLParser):
    """Notes elements that are not closed, or closed without being open, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag, attrs

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Balance:
    found = Balance()
    found.feed(page)
    assert (found.faults, found.open) == ([], [])
    assert len(found.ids) == len(set(found.ids))
    return found


def page_of(recording: Recording, gate: Gate | None = None) -> tuple[str, Report]:
    report = audit(recording, gate or Gate())
    history = history_of(recording.samples, recording.probes, until=report.steps[1])
    return audit_page(report, history), report


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = Run(path=audit_window(tmp_path_factory.mktemp("runs")))
    recording, _ = recording_of(run)
    return page_of(recording, gate_of(run))[0]


def test_verdict_checks_pictures_and_texts_stand_in_this_order(window: str) -> None:
    place = 0
    for part in (
        "Steps 111,996 to 112,668: 9",
        "continue</span>",
        "No rule fired and no alarm",
        "What to do.",
        "The five checks",
        "1 ALERT (possible copy)",
        "INVESTIGATE: 1 of 9 samples are copied from source repo-docstrings",
        "4.9 domains in effect",
        "No grades yet",
        "Both signals",
        "<svg",
        "What the model wrote, newest first",
        'id="step-112668"',
        "The Fourier transform takes",
        'id="step-112080"',
        '<mark class="copied"><span class="tag copied">copied from repo-docstrings: repo/table/rows.py:41</span>',
        "Return the number of rows",
        "loss 0.13, perplexity 1.14",
        "54 tokens in a row, 12 times in the training text",
        'id="step-111996"',
    ):
        place = window.index(part, place)
    parsed(window)


def test_a_finding_leads_to_its_sample(window: str) -> None:
    assert '<a href="#step-112080">112,080</a>' in window
    targets = set(re.findall(r'href="#([\w-]+)"', window))
    assert targets <= set(parsed(window).ids)


def test_nothing_runs_and_nothing_is_fetched(window: str) -> None:
    assert "<script" not in window
    assert "Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'" in window
    assert not re.search(r"https?://|\bsrc=|<link|@import|url\(|\bon\w+=", window)


def test_it_follows_the_theme_fits_a_phone_and_tells_no_state_by_colour_alone(window: str) -> None:
    assert "prefers-color-scheme: dark" in window
    assert "max-width: 44rem" in window
    for glyph, word in (("&#9679;", "accept"), ("&#9650;", "accept with note"), ("&#9632;", "investigate")):
        assert f'<span aria-hidden="true">{glyph}</span> {word}</span>' in window
    assert window.count('role="img"') == window.count("<desc id=") > 0


def test_texts_can_be_looked_at_by_what_they_are_without_a_script(window: str) -> None:
    assert 'id="only-investigate"><label for="only-investigate">1 to investigate</label>' in window
    assert "#only-investigate:checked ~ .list article:not(.investigate) { display: none; }" in window
    assert window.count('<article class="investigate copied"') == 1
    assert 'only-broken"' not in window


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    match = {"start": 0, "end": 20, "tokens": 60, "source": HOSTILE, "file": HOSTILE, "line": 3}
    body: dict[str, object] = {
        "prompt": HOSTILE,
        "text": HOSTILE + HEALTHY[0],
        "domain": HOSTILE,
        "source": HOSTILE,
        "loss": 0.1,
        "copied": {"verdict": "memorized", "longest_tokens": 60, "matches": [match]},
    }
    by_source = {HOSTILE: {"loss": 2.0, "targets": 10, "bytes": 40}}
    recording = read_recording(
        HOSTILE,
        [(step, body) for step in (100, 200)],
        probes=[(100, {"loss": 2.0, "by_source": by_source})],
        sources=(HOSTILE, "b"),
    )
    page, _ = page_of(recording)
    assert (page.count("<script"), page.count("<img"), page.count("</main>")) == (0, 0, 1)
    assert page.count("</style>") == 1
    assert "{{ 7 * 7 }}" in page
    assert not {"\x00", "\u202e", "\ud800"} & set(page)
    assert "<script>alert(1)</script>" in "".join(parsed(page).text)
    page.encode("utf-8")


def test_a_run_without_anything_still_has_a_page() -> None:
    page, _ = page_of(read_recording("r", [], probes=[]))
    parsed(page)
    assert "No samples in this window." in page
    assert '<svg viewBox="0 0 880' not in page


def test_empty_answers_and_missing_figures_are_said_in_words() -> None:
    page, _ = page_of(
        read_recording("r", [(100, {"text": " "}), (100, {"text": "Paris.", "loss": None})], probes=[])
    )
    parsed(page)
    assert "<em>(nothing)</em>" in page
    assert "loss not recorded" in page
    assert "loss not finite, perplexity not finite" in page
    assert "nan" not in page.lower().replace("nanosecond", "")


def test_twenty_thousand_texts_make_a_page_that_says_what_it_left_out() -> None:
    texts = [check_text(Sample(step=0, text=text, loss=1.0)) for text in HEALTHY]
    loop = check_text(Sample(step=0, text="region " * 140, loss=1.0))
    many = tuple(replace(loop if step % 1_000 == 7 else texts[step % 6], step=step) for step in range(20_000))
    recording = read_recording("r", [(step, {"text": HEALTHY[0]}) for step in (0, 19_999)], probes=[])
    report = audit(recording, Gate(), steps=(0, 19_999))
    report = replace(report, checks=replace(report.checks, texts=many))
    page = audit_page(report, history_of(recording.samples, (), until=19_999))
    parsed(page)
    assert page.count("<article") == MOST_TEXTS
    assert "240 of the 20,000 texts of this window" in page
    assert "19,760 are left out" in page
    assert page.index('id="step-19999"') < page.index('id="step-19007"') < page.index('id="step-7"')
    assert len(page) < 3_000_000
    assert shown_texts(many).left_out == 19_760


def test_a_short_window_of_a_long_run_has_a_picture_of_its_own() -> None:
    samples = [(step, {"text": HEALTHY[step // 100 % 6]}) for step in range(100, 3_100, 100)]
    recording = read_recording("r", samples, probes=[(0, {"loss": 9.0})])
    history = history_of(recording.samples, recording.probes, until=3_000)
    late = audit(recording, Gate(), steps=(2_500, 3_000))
    assert [chart.title for chart in charts(late, history)] == ["The run so far", "This window"]
    assert [chart.window for chart in charts(late, history)] == [(2_500, 3_000), None]
    whole = audit(recording, Gate(), steps=(0, 3_000))
    assert [chart.title for chart in charts(whole, history)] == ["The run so far"]


def test_at_most_300_samplings_are_drawn_and_the_page_says_so() -> None:
    samples = [Sample(step=step, text="Paris.") for step in range(400)]
    history = history_of(samples, [], until=349)
    assert (len(history.samplings), history.num_samplings) == (300, 350)
    steps = [point.step for point in history.samplings]
    assert steps == sorted(set(steps))
    assert steps[-1] <= 349
    recording = read_recording("r", [(one.step, {"text": one.text}) for one in samples], probes=[])
    page = audit_page(audit(recording, Gate(rule="andrea"), steps=(0, 349)), history)
    assert "300 of 350 samplings are drawn" in page


def test_long_prompts_keep_what_was_asked_last() -> None:
    told = shortened("a" * 2_000 + "last")
    assert told.startswith("aaa")
    assert told.endswith("last")
    assert "[804 more characters]" in told
    assert shortened("short") == "short"


def test_the_fixture_is_the_published_window() -> None:
    told = json.loads((Path(__file__).parent / "replays" / "audit_window.json").read_text(encoding="utf-8"))
    anchors = {112_080: 0.13, 112_248: 1.05, 112_500: 1.94, 112_584: 0.30, 112_668: 0.74}
    assert {one["step"]: one["loss"] for one in told["samples"] if one["step"] in anchors} == anchors
    assert told["weights"]["repo-docstrings"] == 1.546
