"""The picture shows every item once, in its place, and the page of results escapes what models and graders write."""

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

from tests.audits.grading.conftest import Sealed, by_sort, grade_all
from twosignal.audits.grading.folder import Graded
from twosignal.audits.grading.plot import COLUMNS, Point, points, svg, text_plot
from twosignal.audits.grading.report_page import figure, results_page, worst_and_best
from twosignal.audits.grading.results import Results, results_of


def results(sealed: Sealed) -> Results:
    grades = tuple(grade_all(sealed[1], by_sort(8), grader=name) for name in ("Ada", "Ben"))
    return results_of(Graded(bundle=sealed[0], key=sealed[1], grades=grades), loss=2.0)


def test_controls_have_a_coherence_but_no_loss(sealed: Sealed) -> None:
    items = results(sealed).items
    assert {dot.sort for dot in points(items, "loss")} == {"sample"}
    assert {dot.sort for dot in points(items, "coherence")} >= {"sample", "sound"}
    odd = [replace(items[-1], loss=math.nan), replace(items[-1], loss=None)]
    assert points(odd, "loss") == []


def test_points_stand_where_their_numbers_are() -> None:
    found = [
        Point(0.0, 1.0, "sample", "a"),
        Point(100.0, 10.0, "broken", "b"),
        Point(50.0, 5.5, "sound", "c"),
    ]
    root = ElementTree.fromstring(svg(found, "coherence"))
    circle = root.find("g[@class='sample']/circle")
    assert circle is not None
    assert (circle.get("cx"), circle.get("cy")) == ("40.0", "260.0")
    assert [group.findtext("title") for group in root.findall("g")] == ["a", "b", "c"]
    marks = [mark.get("d") for mark in root.iter("path")]
    assert marks == ["M432.0 20.0l8 8M440.0 20.0l-8 8", "M233.0 142.0h10M238.0 137.0v10"]


def test_one_point_and_equal_points_have_an_axis_too() -> None:
    for found in ([Point(2.0, 3.0, "sample", "a")], [Point(2.0, 3.0, "sample", "a")] * 2):
        for axis in ("loss", "step", "coherence"):
            ElementTree.fromstring(svg(found, axis))
            assert len(text_plot(found, axis)) == 13
    assert text_plot([], "loss") == []


def test_the_text_plot_marks_rows_and_columns() -> None:
    found = [Point(0.0, 10.0, "sample", ""), Point(99.9, 1.0, "broken", ""), Point(0.0, 10.0, "sound", "")]
    lines = text_plot(found, "coherence")
    assert lines[0] == " 10 |#" + " " * (COLUMNS - 1)
    assert lines[9] == "  1 |" + " " * (COLUMNS - 1) + "x"
    assert lines[11].split() == ["0", "100"]


def test_hostile_words_stay_words_on_the_page_of_results(sealed: Sealed) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    found = results(sealed)
    items = tuple(
        replace(one, text=hostile, prompt=hostile, source=hostile, notes=(hostile,)) for one in found.items
    )
    graders = tuple(replace(card, grader=hostile) for card in found.graders)
    page = results_page(replace(found, items=items, graders=graders, run=hostile))
    assert not re.search("<script|<img", page)
    assert page.count("&lt;script&gt;") > 10
    assert page.count("<svg") == 3


def test_the_worst_and_the_best_are_shown(sealed: Sealed) -> None:
    samples = [replace(one, grade=float(n)) for n, one in enumerate(results(sealed).samples)]
    assert [one.grade for one in worst_and_best(samples, 5)] == [0, 1, 7, 8, 9]
    assert len(worst_and_best(samples, 40)) == 10
    assert (figure(math.nan), figure(None), figure(1.239)) == ("-", "-", "1.24")
