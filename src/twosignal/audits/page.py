"""The audit as a page to read: takes a `Report` and the run's `History`, gives one HTML file that needs nothing else.

No script runs on it and nothing is fetched: what a model wrote is hostile until shown otherwise, and enters as text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

import jinja2
from markupsafe import Markup

from twosignal.audits.chart import Chart, Dot, Shape, key_svg, svg
from twosignal.audits.checklist import WORDS, check_rows, status_of
from twosignal.audits.history import History
from twosignal.audits.marking import marks_of, pieces_of, visible
from twosignal.audits.page_sheet import SHEET, STYLE
from twosignal.audits.profiles import DATA, profiles_of
from twosignal.audits.reading import read_page
from twosignal.audits.report import Report, Window
from twosignal.audits.sample_audit import TextCheck, worth_reading
from twosignal.audits.tiers import TIERS, Tiers

MOST_TEXTS = 240
"""Texts on a page."""
WIDE, NARROW = 880, 360
"""Widths of the pictures, for a desk and for a telephone."""
KEY: tuple[tuple[Shape, str], ...] = (
    ("sound", "sound"),
    ("broken", "broken"),
    ("copied", "copied from the training text"),
    ("low", "to investigate for its loss"),
    ("short", "too short to judge alone"),
)
MOST_DOTS = 600
ASIDE = 18
"""Pixels between a sample in a picture and its step, at most."""
LONGEST_PROMPT = 1_200
"""Characters of a prompt that are shown."""
GLYPHS = {"fine": "&#9679;", "warning": "&#9650;", "alarm": "&#9632;", "unknown": "&#9675;"}
"""A filled circle, a triangle, a square and an empty circle: no state is told by its colour alone."""
TAGS = {"broken": "", "copied": "copied from ", "shared": "also in "}
STANDING = {"INVESTIGATE": "alarm", "ACCEPT_WITH_NOTE": "warning", "ACCEPT": "fine"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What of a window's texts is on the page."""

    texts: tuple[TextCheck, ...]
    """Newest first."""
    left_out: int
    """Texts of the window that are not on the page."""
    filters: tuple[tuple[str, str, int], ...]
    """Class, name and number of the texts that can be looked at alone."""


def audit_page(report: Report, history: History, *, tiers: Tiers = TIERS, threshold: float = 30.0) -> str:
    """Return the page; `tiers` and `threshold` are the run's."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "figure": figure,
        "step": lambda number: f"{number:,}",
        "visible": visible,
        "shortened": shortened,
        "classes": lambda text: " ".join(classes_of(text)),
        "pieces": pieces_of,
        "marks": marks_of,
        "is_code": is_code,
        "sentence": sentence,
        "status": status_of,
        "key": lambda shape: Markup(key_svg(shape)),
    }
    shown = shown_texts(report.checks.texts)
    by_step = [group for _, group in _by_step(shown.texts)]
    return environment.from_string(SHEET).render(
        report=report,
        style=Markup(STYLE),
        glyphs={name: Markup(glyph) for name, glyph in GLYPHS.items()},
        words=WORDS,
        tags=TAGS,
        standing=STANDING,
        key=KEY,
        verdict_status={"halt": "alarm", "pivot": "warning"}.get(report.verdict.kind, "fine"),
        num_samplings=len({text.step for text in report.checks.texts}),
        rows=check_rows(report),
        history=history,
        pictures=_pictures(report, history, tiers=tiers, threshold=threshold),
        shown=shown,
        anchors={group[0].step: f"step-{group[0].step}" for group in by_step},
        items=[
            (text, "" if place else f"step-{text.step}")
            for group in by_step
            for place, text in enumerate(group)
        ],
    )


def _pictures(
    report: Report, history: History, *, tiers: Tiers, threshold: float
) -> list[tuple[str, Markup, Markup]]:
    """Return name, wide and narrow form of every picture."""

    def draw(chart: Chart, number: int, width: int) -> Markup:
        name = f"picture-{number}-{width}"
        return Markup(svg(chart, tiers=tiers, threshold=threshold, width=width, name=name))

    return [
        (chart.title, draw(chart, number, WIDE), draw(chart, number, NARROW))
        for number, chart in enumerate(charts(report, history))
    ]


def shown_texts(texts: Sequence[TextCheck], most: int = MOST_TEXTS) -> Shown:
    """Return the texts of a page, newest first: all of them, or half the newest suspects and the newest of the rest."""
    chosen = tuple(reversed(worth_reading(texts, most)))
    counts = [
        ("investigate", "to investigate", [one.action == "INVESTIGATE" for one in chosen]),
        ("broken", "broken", [bool(one.degenerate) for one in chosen]),
        ("copied", "copied", ["copied" in classes_of(one) for one in chosen]),
        ("accept", "accepted", [one.action.startswith("ACCEPT") for one in chosen]),
    ]
    return Shown(
        texts=chosen,
        left_out=len(texts) - len(chosen),
        filters=tuple((name, label, sum(held)) for name, label, held in counts),
    )


def classes_of(text: TextCheck) -> list[str]:
    """Return what a text can be looked up by."""
    found = []
    if text.action == "INVESTIGATE":
        found.append("investigate")
    if text.action.startswith("ACCEPT"):
        found.append("accept")
    if text.degenerate:
        found.append("broken")
    if (text.copied or {}).get("verdict") == "memorized":
        found.append("copied")
    return found


def shape_of(text: TextCheck) -> Shape:
    """Return the shape that stands for a text in pictures."""
    classes = classes_of(text)
    if "copied" in classes:
        return "copied"
    if "broken" in classes:
        return "broken"
    if "investigate" in classes:
        return "low"
    return "sound" if text.judged_total is not None else "short"


def is_code(text: TextCheck) -> bool:
    """Return whether a text is code, a table or records, to be read in letters of one width."""
    return bool(text.text) and int(profiles_of(read_page([text.text]))[0]) == DATA


def charts(report: Report, history: History) -> list[Chart]:
    """Return the picture of the run up to the window's end and, where that is much longer, of the window alone."""
    last = report.steps[1]
    steps = [step for step, _ in history.probes] + [point.step for point in history.samplings]
    if not steps:
        return []
    whole = (min(steps), max(last, *steps))
    found = [_run_chart(report, history, whole)]
    window = _window_chart(report, history)
    if window is not None and 2 * (last - report.steps[0]) < whole[1] - whole[0]:
        found.append(window)
    return found


def _run_chart(report: Report, history: History, steps: Window) -> Chart:
    flagged = [point for point in history.samplings if point.num_broken or point.num_copied]
    return Chart(
        title="The run so far",
        summary=_summary(history),
        steps=steps,
        held_out=history.probes,
        losses=[(point.step, point.loss) for point in history.samplings],
        totals=[(point.step, point.total) for point in history.samplings],
        dots=[
            Dot(
                step=point.step,
                loss=point.loss,
                total=point.total,
                shape="copied" if point.num_copied else "broken",
                label=f"step {point.step:,}: {point.num_broken} broken and {point.num_copied} copied of "
                f"{point.num_texts} texts",
            )
            for point in flagged
        ],
        window=report.steps,
    )


def _window_chart(report: Report, history: History) -> Chart | None:
    first, last = report.steps
    texts = report.checks.texts
    if len({text.step for text in texts}) < 2:
        return None
    by_step = _by_step(texts)
    totals = [
        (
            step,
            median(known)
            if (known := [t.judged_total for t in group if t.judged_total is not None])
            else None,
        )
        for step, group in by_step
    ]
    return Chart(
        title="This window",
        summary=f"{len(texts)} texts of steps {first:,} to {last:,}; each is described below.",
        steps=(min(first, texts[0].step), max(last, texts[-1].step)),
        held_out=[(step, loss) for step, loss in history.probes if first <= step <= last],
        losses=[],
        totals=totals,
        dots=[
            _dot(text, place - (len(group) - 1) / 2)
            for _, group in _by_step(worth_reading(texts, MOST_DOTS))
            for place, text in enumerate(group)
        ],
    )


def _by_step(texts: Sequence[TextCheck]) -> list[tuple[int, list[TextCheck]]]:
    return [(step, list(group)) for step, group in groupby(texts, key=lambda text: text.step)]


def _dot(text: TextCheck, place: float) -> Dot:
    loss = "not recorded" if text.loss is None else f"{text.loss:.2f}"
    return Dot(
        step=text.step,
        loss=text.loss,
        total=text.judged_total,
        shape=shape_of(text),
        aside=max(-ASIDE, min(ASIDE, 9 * place)),
        label=f"step {text.step:,}, {visible(text.domain)}, loss {loss} {text.tier}, {', '.join(text.faults) or 'sound'}",
    )


def _summary(history: History) -> str:
    said = []
    losses = [(step, loss) for step, loss in history.probes if math.isfinite(loss)]
    if losses:
        (first, start), (last, end) = losses[0], losses[-1]
        said.append(
            f"The held-out loss went from {start:.2f} at step {first:,} to {end:.2f} at step {last:,}."
        )
    totals = [point.total for point in history.samplings if point.total is not None]
    if totals:
        said.append(f"Coherence is {totals[-1]:.0f} at the end and was {min(totals):.0f} at the lowest.")
    broken = sum(point.num_broken > 0 for point in history.samplings)
    copied = sum(point.num_copied > 0 for point in history.samplings)
    said.append(f"{broken} samplings have broken texts and {copied} have copies.")
    return " ".join(said)


def figure(number: object, places: int = 2) -> str:
    """Return a number for people; a dash for what cannot be said."""
    if not isinstance(number, (int, float)) or not math.isfinite(number):
        return "not finite" if isinstance(number, float) else "-"
    return f"{number:,.{places}f}"


def shortened(prompt: str) -> str:
    """Return a prompt with its middle left out where it is long: what was asked last stands at its end."""
    if len(prompt) <= LONGEST_PROMPT:
        return prompt
    head, tail = LONGEST_PROMPT // 4, LONGEST_PROMPT * 3 // 4
    return f"{prompt[:head]} [{len(prompt) - head - tail:,} more characters] {prompt[-tail:]}"


def sentence(words: str) -> str:
    """Return words as a sentence that is safe to show."""
    words = visible(words.strip())
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", '"')) else ".")
