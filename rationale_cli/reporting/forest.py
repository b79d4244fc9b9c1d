"""A forest plot: the difference of a run to its baseline by every attribution, with intervals and weights.

Written by hand as the specification curve is: a report has several for each run and split.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from ..measures.across_results import AcrossAttributions, ByAttribution
from ..measures.comparison_results import GridPoint
from ..measures.verdict import excludes_zero
from .numbers import PERCENT, scaled, unit_of
from .specification import ticks

METRICS = ("PT", "IR", "lift")
_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 380, 164, 370, 40, 19
"""Width of the drawing, edges of its axis, where rows begin, and the height of one."""
_LEAST, _MOST = 2.2, 6.5
"""Radius of a dot: its area is the weight's, the largest weight's the most, as far as it can be seen."""


class _Axis(NamedTuple):
    """From values to the drawing."""

    low: float
    high: float

    def x(self, value: float) -> float:
        return round(_LEFT + (value - self.low) / (self.high - self.low) * (_RIGHT - _LEFT), 1)


def forests(one: AcrossAttributions, where: str) -> tuple[Markup, ...]:
    """A drawing for each measure that is defined by two attributions at least; ``where`` names the split."""
    found = (_forest(one, metric, where) for metric in METRICS)
    return tuple(drawing for drawing in found if drawing is not None)


def _forest(one: AcrossAttributions, metric: str, where: str) -> Markup | None:
    known = [line for line in one.lines if metric in line.differences and _limits(line, metric)]
    if len(known) < 2:
        return None
    axis, height = _axis(known, metric), _TOP + _ROW * len(known)
    label = f"Difference in {metric} by every attribution, {one.run} minus {one.baseline}, {where}"
    main, heaviest = one.lines[0], max(line.weight or 0.0 for line in known)
    rows = Markup("").join(
        Markup('<g transform="translate(0 {y})"{bold}>{row}</g>').format(
            y=_TOP + _ROW * place + _ROW // 2,
            bold=Markup(' font-weight="bold"') if line is main else "",
            row=_row(axis, line, metric, main.differences[metric].difference or 0.0, heaviest),
        )
        for place, line in enumerate(known)
    )
    return Markup(
        '<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}" font-size="11.5" '
        'fill="var(--muted)">{frame}{rows}</svg>'
    ).format(width=_WIDTH, height=height + 24, label=label, frame=_frame(axis, height, metric), rows=rows)


def _limits(line: ByAttribution, metric: str) -> tuple[float, float, float] | None:
    """Lower limit, difference and upper limit in the measure's unit; None where one is not defined."""
    point = line.differences[metric]
    if point.low is None or point.difference is None or point.high is None:
        return None
    low, value, high = (scaled(each, unit_of(metric)) for each in (point.low, point.difference, point.high))
    return low, value, high


def _axis(lines: Sequence[ByAttribution], metric: str) -> _Axis:
    values = [0.0, *(value for line in lines for value in _limits(line, metric) or ())]
    room = 0.05 * ((max(values) - min(values)) or 1.0)
    return _Axis(min(values) - room, max(values) + room)


def _frame(axis: _Axis, height: float, metric: str) -> Markup:
    """Title, grid and the line of no difference."""
    places = ticks(axis.low, axis.high)
    grid = "".join(f"M{axis.x(tick)} {_TOP}V{height}" for tick in places)
    numbers = Markup("").join(
        Markup('<text x="{x}" y="{y}" text-anchor="middle">{value}</text>').format(
            x=axis.x(tick), y=height + 16, value=f"{tick:+g}".replace("-", "−") if tick else "0"
        )
        for tick in places
    )
    unit = " in points" if unit_of(metric) == PERCENT else ""
    return Markup(
        '<text x="0" y="18" font-size="12.5" font-weight="bold" fill="var(--ink)">{metric}: difference{unit}'
        '</text><path d="{grid}" stroke="var(--grid)" stroke-width=".8"></path>'
        '<path d="M{zero} {top}V{bottom}" stroke="var(--ink)"></path>{numbers}'
    ).format(metric=metric, unit=unit, grid=grid, zero=axis.x(0.0), top=_TOP, bottom=height, numbers=numbers)


def _row(axis: _Axis, line: ByAttribution, metric: str, main: float, heaviest: float) -> Markup:
    low, value, high = _limits(line, metric) or (math.nan,) * 3
    shade = _shade(line.differences[metric], main)
    return Markup(
        '<text x="{left}" y="4" text-anchor="end">{name}</text>'
        '<path d="M{low} 0H{high}" stroke="{shade}" stroke-width="1.6"></path>'
        '<circle cx="{x}" r="{radius}" fill="{fill}" stroke="{shade}" stroke-width="1.6"></circle>'
    ).format(
        left=_LEFT - 8,
        name=line.name,
        low=axis.x(low),
        high=axis.x(high),
        x=axis.x(value),
        radius=_radius(line.weight, heaviest),
        fill="var(--paper)" if line.weight == 0 else shade,
        shade=shade,
    )


def _radius(weight: float | None, heaviest: float) -> float:
    """All alike where nothing was weighed."""
    if weight is None or heaviest == 0:
        return 4.0
    return round(max(_LEAST, _MOST * math.sqrt(weight / heaviest)), 1)


def _shade(point: GridPoint, main: float) -> str:
    """Whether it tells a difference, and the one that the main estimator tells."""
    if point.low is None or point.high is None or not excludes_zero(point.low, point.high):
        return "var(--muted)"
    return "var(--ink)" if (point.low > 0) == (main > 0) else "var(--accent)"
