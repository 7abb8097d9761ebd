"""Inside against outside as a picture: takes graded items, gives an SVG or lines of text."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from twosignal.audits.grading.results import ItemResult

WIDTH, HEIGHT = 460, 300
LEFT, BOTTOM, EDGE = 40, 40, 24
ROWS, COLUMNS = 10, 56
MARKS = {"sample": "o", "sound": "+", "broken": "x"}
AXES = {"coherence": "coherence, 0 to 100", "loss": "loss of the sample, nats per token", "step": "step"}
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


class Point(NamedTuple):
    """One item in a picture."""

    x: float
    grade: float
    sort: str
    label: str


def points(items: Sequence[ItemResult], axis: str) -> list[Point]:
    """Return the items that have a finite number on `axis`, one of `AXES`; controls have no loss and no step."""
    found = []
    for one in items:
        x = None if axis != "coherence" and one.sort != "sample" else getattr(one, axis)
        if x is not None and math.isfinite(x):
            about = f"step {one.step:,}, " if one.sort == "sample" else f"{one.sort} control, "
            found.append(
                Point(float(x), one.grade, one.sort, f"{about}{axis} {_number(x)}, grade {one.grade:.1f}")
            )
    return found


def svg(found: Sequence[Point], axis: str) -> str:
    """Return a picture of the points, grades upwards; colours are those of the page's style sheet."""
    ticks = _ticks(found, axis)
    low, high = ticks[0], ticks[-1]

    def across(x: float) -> float:
        return LEFT + (x - low) / (high - low) * (WIDTH - LEFT - EDGE)

    def up(grade: float) -> float:
        return HEIGHT - BOTTOM - (grade - 1) / 9 * (HEIGHT - BOTTOM - EDGE)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Grade against {AXES[axis]}">']
    for grade in range(1, 11):
        y = up(grade)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - EDGE}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{grade}</text>')
    parts += [
        f'<text x="{across(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_number(tick)}</text>'
        for tick in ticks
    ]
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 4}" text-anchor="middle">{AXES[axis]}</text>')
    for point in found:
        mark = _shape(across(point.x), up(point.grade), point.sort)
        parts.append(f'<g class="{point.sort}"><title>{point.label}</title>{mark}</g>')
    return "".join([*parts, "</svg>"])


def text_plot(found: Sequence[Point], axis: str) -> list[str]:
    """Return the points as lines of text, grades 10 to 1 downwards; where several meet, # stands."""
    if not found:
        return []
    ticks = _ticks(found, axis)
    low, high = ticks[0], ticks[-1]
    cells = [[" "] * COLUMNS for _ in range(ROWS)]
    for point in found:
        row = cells[10 - round(point.grade)]
        column = min(COLUMNS - 1, int((point.x - low) / (high - low) * COLUMNS))
        mark = MARKS[point.sort]
        row[column] = mark if row[column] in (" ", mark) else "#"
    lines = [f"{10 - number:>3} |{''.join(row)}" for number, row in enumerate(cells)]
    left, right = _number(low), _number(high)
    return [
        *lines,
        "    +" + "-" * COLUMNS,
        f"     {left}{right:>{COLUMNS - len(left)}}",
        f"     {AXES[axis]}",
    ]


def _ticks(found: Sequence[Point], axis: str) -> list[float]:
    """Return round numbers that span the points."""
    if axis == "coherence":
        return [0.0, 25.0, 50.0, 75.0, 100.0]
    low, high = min((p.x for p in found), default=0.0), max((p.x for p in found), default=1.0)
    low = min(0.0, low) if axis == "loss" else low
    rough = max(high - low, 1e-9) / 4
    power = 10 ** math.floor(math.log10(rough))
    width = next(nice * power for nice in _NICE if nice * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / width), math.ceil(high / width)
    return [number * width for number in range(first, max(last, first + 1) + 1)]


def _number(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.4g}"


def _shape(x: float, y: float, sort: str) -> str:
    if sort == "sample":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    if sort == "sound":
        return f'<path d="M{x - 5:.1f} {y:.1f}h10M{x:.1f} {y - 5:.1f}v10"/>'
    return f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8M{x + 4:.1f} {y - 4:.1f}l-8 8"/>'
