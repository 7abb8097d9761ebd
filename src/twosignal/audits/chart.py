"""Loss and coherence over the same steps as a picture: takes lines and dots, gives an SVG in the colours of its page.

The loss axis is logarithmic and its lines are the bounds of the tiers. What a dot is, its shape says: a circle is sound, a
triangle broken, a square copied, a diamond has too low a loss.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from markupsafe import escape

from twosignal.audits.tiers import Tiers

LEFT, RIGHT, TOP, GAP, BOTTOM = 42, 78, 22, 44, 30
INSET = 22
"""Between the edge of the axes and the first and last step."""
LOSS_HEIGHT, COHERENCE_HEIGHT = 190, 110
LOWEST, HIGHEST = 0.08, 9.0
"""Nats per token between which the loss axis always reaches."""
_NICE = (1, 2, 5, 10)

Shape = Literal["sound", "broken", "copied", "low", "short"]
Line = Sequence[tuple[int, float | None]]
"""Steps and heights; None and nan are gaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One sample in the picture."""

    step: int
    loss: float | None
    """Nats per token."""
    total: float | None
    """Coherence, 0 to 100."""
    shape: Shape
    label: str
    """What is said of it when it is pointed at."""
    aside: float = 0.0
    """Pixels by which it stands beside its step, so that samples of one step do not hide each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a picture shows."""

    title: str
    """Name of the picture, for those who cannot see it."""
    summary: str
    """The picture in words."""
    steps: tuple[int, int]
    """First and last step."""
    held_out: Line
    """Held-out loss, nats per target."""
    losses: Line
    """Median loss of the samples, nats per token."""
    totals: Line
    """Coherence of the samplings, 0 to 100."""
    dots: Sequence[Dot]
    window: tuple[int, int] | None = None
    """Steps to shade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Where steps, losses and totals lie in a picture of some width."""

    width: int
    steps: tuple[int, int]
    losses: tuple[float, float]

    def across(self, step: float) -> float:
        """Return the place of a step."""
        first, last = self.steps
        return LEFT + INSET + (step - first) / max(1, last - first) * (self.width - LEFT - RIGHT - 2 * INSET)

    def loss(self, nats: float) -> float:
        """Return the place of a loss; what lies outside stands at the edge."""
        low, high = self.losses
        height = math.log(min(max(nats, low), high) / low) / math.log(high / low)
        return TOP + LOSS_HEIGHT * (1 - height)

    def total(self, total: float) -> float:
        """Return the place of a coherence total."""
        return TOP + LOSS_HEIGHT + GAP + COHERENCE_HEIGHT * (1 - min(max(total, 0.0), 100.0) / 100)


def svg(chart: Chart, *, tiers: Tiers, threshold: float, width: int, name: str) -> str:
    """Return the picture; `name` sets its parts apart from those of other pictures on the page."""
    heights = [
        loss for _, loss in (*chart.held_out, *chart.losses) if loss is not None and math.isfinite(loss)
    ]
    heights += [dot.loss for dot in chart.dots if dot.loss is not None and math.isfinite(dot.loss)]
    axes = Axes(
        width=width,
        steps=chart.steps,
        losses=(min([LOWEST, *(max(one, 0.01) for one in heights)]), max([HIGHEST, *heights])),
    )
    height = TOP + LOSS_HEIGHT + GAP + COHERENCE_HEIGHT + BOTTOM
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-labelledby="{name}-title {name}-words">',
        f'<title id="{name}-title">{escape(chart.title)}</title>',
        f'<desc id="{name}-words">{escape(chart.summary)}</desc>',
        *_shade(chart, axes),
        *_loss_grid(axes, tiers),
        *_total_grid(axes, threshold),
        *_step_ticks(axes, height),
        *_line(chart.losses, axes.across, axes.loss, style="spoken"),
        *_line(chart.held_out, axes.across, axes.loss, style="held"),
        *_line(chart.totals, axes.across, axes.total, style="held"),
        *_missing(chart, axes),
        *(part for dot in chart.dots for part in _dot(dot, axes)),
    ]
    return "".join([*parts, "</svg>"])


def key_svg(shape: Shape) -> str:
    """Return the small picture of a shape, for a key."""
    return f'<svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">{_shape(7, 7, shape)}</svg>'


def round_steps(first: int, last: int, most: int) -> list[int]:
    """Return at most `most` round steps from first to last."""
    rough = max(1.0, (last - first) / max(1, most - 1))
    power = 10 ** math.floor(math.log10(rough))
    width = next(nice * power for nice in _NICE if nice * power >= rough * (1 - 1e-9))
    return list(range(-(-first // width) * width, last + 1, width))


def _shade(chart: Chart, axes: Axes) -> Iterable[str]:
    if chart.window is not None:
        left, right = (axes.across(step) for step in chart.window)
        bottom = TOP + LOSS_HEIGHT + GAP + COHERENCE_HEIGHT
        yield (
            f'<rect class="window" x="{left:.1f}" y="{TOP}" width="{max(2.0, right - left):.1f}" '
            f'height="{bottom - TOP}"><title>this window</title></rect>'
        )


def _loss_grid(axes: Axes, tiers: Tiers) -> Iterable[str]:
    right = axes.width - RIGHT
    yield f'<text class="axis" x="0" y="{TOP - 10}">loss, nats per token</text>'
    low, high = axes.losses
    edges = [low, *(tier.below for tier in tiers if tier.below < high), high]
    for bound in edges[1:-1]:
        style = "grid alert" if bound == tiers[0].below else "grid"
        y = axes.loss(bound)
        yield f'<line class="{style}" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{bound:.4g}</text>'
    for number, tier in enumerate(tiers[: len(edges) - 1]):
        top, bottom = axes.loss(edges[number + 1]), axes.loss(edges[number])
        if bottom - top >= 11:
            yield f'<text x="{right + 6}" y="{(top + bottom) / 2 + 4:.1f}">{tier.name}</text>'


def _total_grid(axes: Axes, threshold: float) -> Iterable[str]:
    right = axes.width - RIGHT
    yield f'<text class="axis" x="0" y="{TOP + LOSS_HEIGHT + GAP - 14}">coherence, 0 to 100</text>'
    for total in (0.0, 50.0, 100.0, threshold):
        style = "grid alert" if total == threshold else "grid"
        y = axes.total(total)
        yield f'<line class="{style}" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{total:.4g}</text>'
    yield f'<text x="{right + 6}" y="{axes.total(threshold) + 4:.1f}">strike below</text>'


def _step_ticks(axes: Axes, height: int) -> Iterable[str]:
    for step in round_steps(*axes.steps, most=max(2, axes.width // 110)):
        x = axes.across(step)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{height - BOTTOM}" y2="{height - BOTTOM + 4}"/>'
        yield f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle">{step:,}</text>'
    yield f'<text class="axis" x="{axes.width}" y="{height - 10}" text-anchor="end">step</text>'


def _line(
    line: Line, across: Callable[[float], float], up: Callable[[float], float], *, style: str
) -> Iterable[str]:
    """Yield the stretches of a line between its gaps; a value alone becomes a point."""
    known = [
        (step, height if height is not None and math.isfinite(height) else None) for step, height in line
    ]
    for is_gap, group in groupby(known, key=lambda point: point[1] is None):
        if not is_gap:
            places = [f"{across(step):.1f} {up(height or 0.0):.1f}" for step, height in group]
            path = "L".join(places) + ("h0" if len(places) == 1 else "")
            yield f'<path class="line {style}" d="M{path}"/>'


def _missing(chart: Chart, axes: Axes) -> Iterable[str]:
    """Yield a cross at the top for every held-out loss that is not a finite number."""
    for step, loss in chart.held_out:
        if loss is not None and not math.isfinite(loss):
            x = axes.across(step)
            cross = f'<path class="mark cross" d="M{x - 4:.1f} {TOP}l8 8m0 -8l-8 8"/>'
            yield f"<g><title>held-out loss not finite at step {step:,}</title>{cross}</g>"


def _dot(dot: Dot, axes: Axes) -> Iterable[str]:
    places = []
    if dot.loss is not None and math.isfinite(dot.loss):
        places.append(axes.loss(dot.loss))
    if dot.total is not None:
        places.append(axes.total(dot.total))
    for y in places:
        yield f"<g><title>{escape(dot.label)}</title>{_shape(axes.across(dot.step) + dot.aside, y, dot.shape)}</g>"


def _shape(x: float, y: float, shape: Shape) -> str:
    if shape == "broken":
        return f'<path class="mark broken" d="M{x:.1f} {y - 6:.1f}l6 10.5h-12z"/>'
    if shape == "copied":
        return f'<rect class="mark copied" x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>'
    if shape == "low":
        return f'<path class="mark low" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"/>'
    radius = 4 if shape == "sound" else 2
    return f'<circle class="mark sound" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
