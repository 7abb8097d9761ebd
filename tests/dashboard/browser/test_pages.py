"""Every page of a run that is over: what it shows, what it lets one do, and that what a model wrote stays text."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from .story import COPIED, HOSTILE, SPIKE_LOSS, SPIKE_STEP, STEPS

PLACES = {
    "signals": "Coherence",
    "loss": "Perplexity",
    "samples": "Follow this prompt",
    "mix": "Sources",
    "timeline": "a copied text",
    "proof": "answers are learned",
    "checkpoints": "This run has no checkpoint on disk.",
    "training": "Gradient norm",
    "audit": "Findings",
    "config": "Run file",
}
READY = ".chart canvas, .sample, .item, .notice, table, .facts"


@pytest.mark.slow
@pytest.mark.parametrize("tab", PLACES)
def test_a_page_shows_what_it_is_for_on_a_phone(phone: Page, url: str, halted: str, tab: str) -> None:
    phone.goto(f"{url}#/run/{halted}/{tab}")
    expect(phone.locator("main")).to_contain_text(PLACES[tab])
    phone.locator(READY).first.wait_for()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_runs_are_listed_with_status_verdict_and_both_signals(page: Page, url: str, halted: str) -> None:
    page.goto(url)
    row = page.get_by_role("row", name=re.compile("halted"))
    expect(row).to_contain_text("a copied text")
    expect(row.locator("svg.spark")).to_have_count(2)
    row.get_by_role("link", name="halted", exact=True).click()
    expect(page).to_have_url(f"{url}#/run/{halted}")


@pytest.mark.slow
def test_a_spike_of_one_step_is_in_every_zoom(page: Page, url: str, halted: str) -> None:
    near = {"": 780, "?from=100&to=1500": 778, f"?from={SPIKE_STEP - 5}&to={SPIKE_STEP + 5}": SPIKE_STEP}
    for question, step in near.items():
        page.goto(f"{url}#/run/{halted}/loss{question}")
        expect(page.locator(".summary").first).to_contain_text(f"highest {SPIKE_LOSS:.0f} near step {step}")


def test_a_drag_zooms_all_charts_and_a_double_click_shows_everything(
    page: Page, url: str, halted: str
) -> None:
    page.goto(f"{url}#/run/{halted}/signals")
    over = page.locator(".chart .u-over").first
    box = over.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=\d+&to=\d+"))
    start, end = map(int, re.findall(r"\d+", page.url.split("?")[1]))
    assert abs(start - STEPS / 4) < 20
    assert abs(end - STEPS / 2) < 20
    expect(page.locator(".summary").first).to_contain_text(f"at step {start:,}")
    page.locator(".chart .u-over").first.dblclick()
    expect(page).not_to_have_url(re.compile("from="))
    expect(page.locator(".summary").first).to_contain_text(f"at step {STEPS:,}")


@pytest.mark.slow
def test_the_cursor_is_one_for_all_charts(page: Page, url: str, halted: str) -> None:
    page.goto(f"{url}#/run/{halted}/signals")
    expect(page.locator(".chart canvas")).to_have_count(5)
    page.locator(".chart .u-over").first.hover()
    lines = [one.bounding_box() for one in page.locator(".u-cursor-x").all()]
    assert len(lines) > 3
    assert len({round(box["x"]) for box in lines if box}) == 1


@pytest.mark.slow
def test_charts_answer_the_keyboard_and_have_a_table(page: Page, url: str, halted: str) -> None:
    page.goto(f"{url}#/run/{halted}/loss")
    page.locator(".chart canvas").first.wait_for()
    plot = page.locator(".plot").first
    plot.focus()
    plot.press("Home")
    expect(page.locator(".near").first).to_contain_text("step 4")
    plot.press("+")
    expect(page).to_have_url(re.compile("from="))
    plot.press("0")
    expect(page).not_to_have_url(re.compile("from="))
    page.get_by_text("Table", exact=True).first.click()
    expect(page.locator(".as-table table").first).to_contain_text("SMMA 100")


@pytest.mark.slow
def test_lines_switched_off_stand_in_the_address(page: Page, url: str, halted: str) -> None:
    page.goto(f"{url}#/run/{halted}/loss")
    page.get_by_role("button", name="SMMA 100", exact=True).click()
    expect(page).to_have_url(re.compile("hide=.*smma100"))
    page.reload()
    expect(page.get_by_role("button", name="SMMA 100", exact=True)).to_have_attribute("aria-pressed", "false")


def test_the_scrubber_goes_through_the_samples(page: Page, url: str, halted: str) -> None:
    page.goto(f"{url}#/run/{halted}/samples")
    expect(page.locator(".scrubber output")).to_contain_text("step 2,000")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("step=1600"))
    expect(page.locator(".samples")).to_contain_text("calm on day 1600")
    page.keyboard.press("Home")
    expect(page.locator(".samples")).to_contain_text("calm on day 400")
    slider = page.get_by_role("slider")
    slider.fill("3")
    expect(page.locator(".samples")).to_contain_text("calm on day 1600")


@pytest.mark.slow
def test_loops_and_copies_are_marked_in_the_text(page: Page, url: str, halted: str) -> None:
    page.goto(f"{url}#/run/{halted}/samples?step=2000")
    expect(page.locator(".sample mark.faulty").first).to_contain_text("region region")
    expect(page.locator(".sample mark.copied")).to_contain_text(COPIED)
    page.get_by_label("Only flagged").check()
    expect(page.locator(".samples")).not_to_contain_text("calm on day")


@pytest.mark.slow
def test_one_prompt_is_followed_over_the_steps(page: Page, url: str, halted: str) -> None:
    page.goto(f"{url}#/run/{halted}/samples?step=400")
    page.get_by_role("button", name="Follow this prompt").first.click()
    expect(page.locator("article.sample")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(page.locator("article.sample")).to_contain_text("calm on day 800")


def test_a_verdict_leads_to_its_sample_and_on_to_its_training_document(
    page: Page, url: str, halted: str
) -> None:
    page.goto(f"{url}#/run/{halted}/timeline")
    item = page.locator(".item", has_text="a copied text").filter(has_text="verdict").first
    item.get_by_text("Evidence").click()
    expect(item).to_contain_text("flags")
    item.get_by_role("link", name="Read the sample").click()
    expect(page.locator(".samples")).to_contain_text(COPIED)
    page.get_by_role("link", name="Read its training document").click()
    expect(page.locator(".sample mark.copied")).to_have_text(COPIED)
    expect(page.locator("main")).to_contain_text("It was late in the year.")
    expect(page.locator("main")).to_contain_text("books.txt:1")


def test_two_runs_are_compared(page: Page, url: str, halted: str, sound: str) -> None:
    page.goto(url)
    for name in ("halted", "sound"):
        page.get_by_role("checkbox", name=f"choose {name}").check()
    page.get_by_role("link", name="Compare the two chosen").click()
    expect(page.locator("main")).to_contain_text("They differ from step 1 on")
    expect(page.locator("main")).to_contain_text("train.learning_rate")
    expect(page.locator(".chart canvas").first).to_be_visible()
    assert {halted, sound} <= set(re.split("[=&?]", page.url))


@pytest.mark.slow
def test_the_machine_is_shown_and_missing_sensors_are_named(page: Page, url: str) -> None:
    page.goto(f"{url}#/system")
    expect(page.locator(".machine").first).to_contain_text("memory")
    expect(page.locator(".machines")).to_contain_text(re.compile("no such sensor|NVIDIA|no power sensor"))


def test_what_models_and_names_hold_is_shown_as_text(page: Page, url: str, halted: str) -> None:
    page.goto(f"{url}#/run/{halted}/samples?step=800")
    expect(page.locator("article.sample", has_text=HOSTILE).first).to_be_visible()
    for tab in ("config", "timeline", "mix", "loss", "proof", "audit"):
        page.goto(f"{url}#/run/{halted}/{tab}")
        expect(page.locator("main")).to_contain_text("window.hacked=1")
    assert page.locator("main img, main script").count() == 0


@pytest.mark.slow
def test_dark_and_light_are_the_readers_choice(page: Page, url: str) -> None:
    page.goto(url)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    button = page.get_by_role("button", name=re.compile("^Theme"))
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    button.click()
    button.click()
    assert page.evaluate(ground) == "rgb(21, 23, 26)"
    page.reload()
    assert page.evaluate(ground) == "rgb(21, 23, 26)"


@pytest.mark.slow
def test_without_the_chart_library_charts_are_plain_and_say_how_to_get_it(
    page: Page, url: str, halted: str
) -> None:
    def empty(kind: str) -> Callable[[Route], None]:
        return lambda route: route.fulfill(body="", content_type=kind)

    page.route("**/vendor/*.js", empty("text/javascript"))
    page.route("**/vendor/*.css", empty("text/css"))
    page.goto(f"{url}#/run/{halted}/loss")
    expect(page.locator(".notice").first).to_contain_text("pip install")
    page.locator(".plot canvas").first.wait_for()
    painted = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(one => one > 0)"
    assert page.locator(".plot canvas").first.evaluate(painted)
    expect(page.locator(".summary").first).to_contain_text(f"highest {SPIKE_LOSS:.0f}")


@pytest.mark.slow
def test_wrong_addresses_are_answered_with_a_sentence(page: Page, url: str, halted: str) -> None:
    page.goto(f"{url}#/nowhere")
    expect(page.locator("main")).to_contain_text("There is no such page.")
    page.goto(f"{url}#/run/{halted}/nothing")
    expect(page.locator("main")).to_contain_text("There is no such page of a run.")


def test_the_pages_weigh_little_and_ask_nobody_else() -> None:
    pages = Path(__file__).parents[3] / "src" / "twosignal" / "dashboard" / "pages"
    files = [one for one in pages.rglob("*") if one.is_file() and not one.name.endswith((".txt", ".json"))]
    assert sum(len(gzip.compress(one.read_bytes())) for one in files) <= 100_000
    assert len(files) > 20
    for one in files:
        if "vendor" not in one.parts:
            text = one.read_text(encoding="utf-8")
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), one.name
            assert "innerHTML" not in text
