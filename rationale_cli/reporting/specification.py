"""The specification curve: one difference by every estimator and threshold of the audit.

A report has three of them for each run and split, so they are written by hand: a tenth of the bytes that
matplotlib writes, and a hundredth of the time. Marks are strokes of no length, so that all that look alike
are one path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from ..measures.comparison_results import Comparison, Difference, GridPoint
from .numbers import PERCENT, scaled, unit_of
from .outlines import relative

_WIDTH, _HEIGHT = 380, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 94, 370, 30, 194
"""Edges of the curve."""
_STRIP = (204, 312)
"""Top and bottom of the choices below it."""
_MOST_TICKS = 6


class _Choice(NamedTuple):
    """A row of the strip below the curve: which points made this choice."""

    label: str
    made: Sequence[bool]


class _Axes(NamedTuple):
    """From values to the drawing."""

    points: Sequence[GridPoint]
    low: float
    high: float
    ticks: Sequence[float]

    @property
    def step(self) -> float:
        return (_RIGHT - _LEFT) / (len(self.points) + 0.6)

    def x(self, place: int) -> float:
        return round(_LEFT + (place + 0.8) * self.step, 1)

    def y(self, value: float) -> float:
        return round(_BOTTOM - (value - self.low) / (self.high - self.low) * (_BOTTOM - _TOP), 1)


def specification_curve(comparison: Comparison, metric: str, where: str) -> Markup | None:
    """Every point of the audit's grid sorted by size, with its interval, above the choices that made it.

    Filled points say the same as the default estimator (sign, interval without 0), hollow ones do not.
    ``where`` names split and estimator. None where the audit has no defined point.
    """
    difference = comparison.differences.get(metric)
    if difference is None:
        return None
    known = (point for point in difference.grid if point.difference is not None)
    points = sorted(known, key=lambda point: point.difference or 0.0)
    if not points:
        return None
    axes = _axes(points, difference)
    label = f"Specification curve of {metric}, {comparison.run} minus {comparison.baseline}, {where}"
    return Markup(
        '<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}" font-size="11.5" '
        'fill="var(--muted)">{frame}{marks}{choices}</svg>'
    ).format(
        width=_WIDTH,
        height=_HEIGHT,
        label=label,
        frame=_frame(axes, difference),
        marks=_marks(axes, difference),
        choices=_strip(axes),
    )


def _axes(points: Sequence[GridPoint], difference: Difference) -> _Axes:
    unit = unit_of(difference.metric)
    known = [one for point in points for one in (point.low, point.difference, point.high) if one is not None]
    values = [0.0, *(scaled(one, unit) for one in known if not math.isnan(one))]
    room = 0.05 * ((max(values) - min(values)) or 1.0)
    low, high = min(values) - room, max(values) + room
    return _Axes(points, low, high, ticks(low, high))


def ticks(low: float, high: float) -> list[float]:
    """Round numbers within [low, high], low < high: at most six, 1, 2 or 5 times a power of ten apart.

    >>> ticks(-31.2, 4)
    [-30.0, -20.0, -10.0, 0.0]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    step = next(
        power * one for one in (1, 2, 5, 10, 20) if math.floor((high - low) / (power * one)) < _MOST_TICKS
    )
    return [
        round(step * place, 9) + 0.0 for place in range(math.ceil(low / step), math.floor(high / step) + 1)
    ]


def _frame(axes: _Axes, difference: Difference) -> Markup:
    """Title, grid, the line of no difference and that of the default estimator."""
    grid = "".join(f"M{_LEFT} {axes.y(tick)}H{_RIGHT}" for tick in axes.ticks)
    numbers = Markup("").join(
        Markup('<text x="{x}" y="{y}" text-anchor="end">{value}</text>').format(
            x=_LEFT - 4, y=axes.y(tick) + 4, value=f"{tick:+g}".replace("-", "−") if tick else "0"
        )
        for tick in axes.ticks
    )
    unit = unit_of(difference.metric)
    default = Markup("")
    if difference.difference is not None:
        default = Markup(
            '<path d="M{left} {y}H{right}" stroke="var(--accent)" stroke-width="1.2" '
            'stroke-dasharray="4.8 3.6"></path>'
        ).format(left=_LEFT, right=_RIGHT, y=axes.y(unit.factor * difference.difference))
    return Markup(
        '<text x="{left}" y="22" font-size="12.5" font-weight="bold" fill="var(--ink)">{title}</text>'
        '<path d="{grid}M{left} {top}V{bottom}" stroke="var(--grid)" stroke-width=".8"></path>{numbers}'
        '<path d="M{left} {zero}H{right}" stroke="var(--ink)"></path>{default}'
    ).format(
        left=_LEFT,
        right=_RIGHT,
        top=_TOP,
        bottom=_BOTTOM,
        title=f"{difference.metric}: difference{' in points' if unit is PERCENT else ''}",
        grid=grid,
        numbers=numbers,
        zero=axes.y(0.0),
        default=default,
    )


def _marks(axes: _Axes, difference: Difference) -> Markup:
    """Intervals as lines, differences as dots: filled where they agree with the default estimator."""
    unit, drawn = unit_of(difference.metric), Markup("")
    for agrees, shade in ((True, "ink"), (False, "muted")):
        chosen = [(axes.x(place), point) for place, point in enumerate(axes.points) if point.agrees is agrees]
        lines = "".join(
            f"M{x} {axes.y(scaled(point.low, unit))}V{axes.y(scaled(point.high, unit))}"
            for x, point in chosen
            if point.low is not None and point.high is not None
        )
        dots = "".join(f"M{x} {axes.y(scaled(point.difference, unit))}z" for x, point in chosen)
        drawn += Markup('<g stroke="var(--{shade})">').format(shade=shade)
        drawn += _stroke(lines, 1.4) + _stroke(dots, 6, "round")
        drawn += Markup("</g>") if agrees else _stroke(dots, 4, "round", "paper") + Markup("</g>")
    return drawn


def _strip(axes: _Axes) -> Markup:
    """Which point made which choice."""
    rows = _choices(axes.points)
    top, bottom = _STRIP
    heights = [
        round(top + (place + 0.6) / (len(rows) + 0.2) * (bottom - top), 1) for place in range(len(rows))
    ]
    labels = Markup("").join(
        Markup('<text x="{x}" y="{y}" text-anchor="end">{label}</text>').format(
            x=_LEFT - 6, y=height + 3.5, label=row.label
        )
        for row, height in zip(rows, heights, strict=True)
    )

    made = "".join(
        f"M{axes.x(place)} {height}z"
        for row, height in zip(rows, heights, strict=True)
        for place, chosen in enumerate(row.made)
        if chosen
    )
    # A dash of no length at every place: the dots of the choices that were not made.
    lines = "".join(f"M{axes.x(0)} {height}H{axes.x(len(axes.points) - 1) + 0.5}" for height in heights)
    return Markup(
        '<g font-size="10.5">{labels}</g><path d="{lines}" stroke="var(--grid)" stroke-width="2" '
        'stroke-linecap="round" stroke-dasharray="0 {step}"></path>{made}'
    ).format(labels=labels, lines=lines, step=round(axes.step, 3), made=_stroke(made, 4.4, "square", "ink"))


def _stroke(d: str, width: float, cap: str = "butt", shade: str = "") -> Markup:
    """One path for all marks that look alike; nothing where there are none."""
    if not d:
        return Markup("")
    colour = Markup(' stroke="var(--{shade})"').format(shade=shade) if shade else ""
    return Markup('<path d="{d}" stroke-width="{width}" stroke-linecap="{cap}"{colour}></path>').format(
        d=relative(d), width=width, cap=cap, colour=colour
    )


def _choices(points: Sequence[GridPoint]) -> list[_Choice]:
    layers = dict.fromkeys(point.layers for point in points)
    scalars = dict.fromkeys(point.scalar for point in points)
    taus = sorted({point.threshold for point in points})
    rows = [
        _Choice(f"{layer} layers", [p.layers == layer for p in points]) for layer in sorted(layers, key=str)
    ]
    rows += [_Choice(f"{one} scalar", [p.scalar == one for p in points]) for one in sorted(scalars, key=str)]
    rows += [_Choice(f"τ = {tau:.2f}", [p.threshold == tau for p in points]) for tau in taus]
    return rows
