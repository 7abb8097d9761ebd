"""Tests of the picture of both signals: places by hand, gaps, and text that stays text."""

import math
import re
from xml.etree import ElementTree

import pytest

from twosignal.audits.chart import (
    COHERENCE_HEIGHT,
    GAP,
    INSET,
    LEFT,
    LOSS_HEIGHT,
    RIGHT,
    TOP,
    Axes,
    Chart,
    Dot,
    Shape,
    round_steps,
    svg,
)
from twosignal.audits.tiers import TIERS

AXES = Axes(width=500, steps=(100, 300), losses=(0.1, 10.0))


def drawn(chart: Chart, width: int = 500) -> str:
    picture = svg(chart, tiers=TIERS, threshold=30.0, width=width, name="p")
    ElementTree.fromstring(picture)
    return picture


def chart(**parts: object) -> Chart:
    told: dict[str, object] = {
        "title": "t",
        "summary": "s",
        "steps": (0, 100),
        "held_out": [],
        "losses": [],
        "totals": [],
        "dots": [],
    }
    return Chart(**(told | parts))  # type: ignore[arg-type]


def test_places_by_hand() -> None:
    first, last = LEFT + INSET, 500 - RIGHT - INSET
    assert [AXES.across(step) for step in (100, 200, 300)] == [first, (first + last) / 2, last]
    # On a logarithmic axis 1 is half way from 0.1 to 10.
    places = [TOP + LOSS_HEIGHT, TOP + LOSS_HEIGHT / 2, TOP]
    assert [AXES.loss(nats) for nats in (0.1, 1.0, 10.0)] == pytest.approx(places)
    assert (AXES.loss(0.0), AXES.loss(99.0)) == pytest.approx((TOP + LOSS_HEIGHT, TOP))
    floor = TOP + LOSS_HEIGHT + GAP + COHERENCE_HEIGHT
    assert [AXES.total(total) for total in (0, 50, 100)] == [
        floor,
        floor - COHERENCE_HEIGHT / 2,
        TOP + LOSS_HEIGHT + GAP,
    ]


def test_a_run_of_one_step_has_a_place() -> None:
    assert math.isfinite(Axes(width=500, steps=(5, 5), losses=(0.1, 10.0)).across(5))


@pytest.mark.parametrize(
    ("first", "last", "most", "steps"),
    [
        (0, 6_000, 8, [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000]),
        (111_996, 112_668, 4, [112_000, 112_500]),
        (45, 45, 5, [45]),
        (0, 3, 8, [0, 1, 2, 3]),
    ],
)
def test_ticks_are_round(first: int, last: int, most: int, steps: list[int]) -> None:
    assert round_steps(first, last, most) == steps


def test_what_is_not_known_is_a_gap_and_what_is_not_finite_a_cross() -> None:
    line = [(0, 3.0), (10, 2.5), (20, None), (30, 2.0), (40, math.nan), (50, 1.5)]
    picture = drawn(chart(held_out=line))
    assert picture.count('class="line held"') == 3
    assert picture.count('class="mark cross"') == 1
    assert "held-out loss not finite at step 40" in picture
    assert "nan" not in picture


def test_every_tier_that_has_room_is_named_beside_its_bounds() -> None:
    picture = drawn(chart(held_out=[(0, 3.0)]))
    for tier in TIERS[:-1]:
        assert f">{tier.below:.4g}<" in picture
        assert f">{tier.name}<" in picture


def test_shapes_tell_what_a_sample_is_and_hostile_labels_stay_text() -> None:
    shapes: tuple[Shape, ...] = ("sound", "broken", "copied", "low", "short")
    dots = [Dot(step=5, loss=1.0, total=None, shape=one, label="<script>x</script>&") for one in shapes]
    picture = drawn(chart(dots=dots, title="<script>", summary="</svg>"))
    assert "<script" not in picture
    outlines = {
        re.sub(r"[\d.]+", "0", one) for one in re.findall(r'</title><(\w+) class="mark \w+"', picture)
    }
    assert outlines == {"circle", "path", "rect"}


def test_a_sample_without_loss_or_total_is_not_drawn() -> None:
    dots = [Dot(step=5, loss=math.nan, total=None, shape="sound", label="x")]
    assert "mark sound" not in drawn(chart(dots=dots))
