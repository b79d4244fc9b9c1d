"""Reliability diagrams and risk–coverage curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from ..measures.calibration_results import UNJUSTIFIED, WRONG, Calibration, ReliabilityBin
from ..measures.run_results import RunScore
from ..measures.selective import COVERAGES
from . import ink
from .figures import WIDTH, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 366, 30, 282
"""Edges of the diagram."""
_COUNTS = (304, 354)
"""Top and bottom of the counts below it."""
_HEIGHT = 394
_TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)
_LARGEST = 4.2
"""Radius of the mark of the fullest bin: areas are as pictures."""

_CURVES = ink.Margins(left=52, top=30, right=14, bottom=42)

RISKS = {WRONG: "Risk of a wrong answer", UNJUSTIFIED: "Risk: wrong, or by invalid evidence"}
SCORES = {"confidence": "-", "confidence and focus": (0, (5, 1.5)), "focus": (0, (1.2, 1.4))}
"""Scores whose curves are drawn, and their line styles; runs differ in colour."""


class Diagram(NamedTuple):
    """One set of probabilities and how it is drawn."""

    run: str
    title: str
    """As predicted, or the post-hoc method."""
    where: str
    calibration: Calibration
    place: int
    """Of its run among the runs of the report."""


def reliability(diagram: Diagram) -> Markup:
    """Accuracy against confidence by bin, with Wilson's intervals and how many pictures each bin holds.

    A gap to the diagonal is over-confidence below it and under-confidence above. A report has one for each
    run, split and post-hoc method, so they are written by hand: a hundred times as fast as by matplotlib.
    """
    found = [one for one in diagram.calibration.reliability if one.n]
    most = max(one.n for one in found)
    label = (
        f"Reliability diagram of {diagram.run}, {diagram.title}, {diagram.where}: accuracy against "
        "confidence in bins"
    )
    return Markup(
        '<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}" font-size="11.5" '
        'fill="var(--muted)">{frame}<g stroke="var(--{colour})" fill="var(--{colour})">{bins}{counts}</g>'
        "</svg>"
    ).format(
        width=WIDTH,
        height=_HEIGHT,
        label=label,
        colour=f"c{diagram.place % ink.SERIES}",
        frame=_frame(diagram.run, most),
        bins=Markup("").join(_bin(one, most) for one in found),
        counts=Markup("").join(_bar(one, most) for one in found),
    )


def _x(share: float) -> float:
    return round(_LEFT + share * (_RIGHT - _LEFT), 1)


def _y(share: float) -> float:
    return round(_BOTTOM - share * (_BOTTOM - _TOP), 1)


def _frame(title: str, most: int) -> Markup:
    """Grid, diagonal, ticks and what they mean."""
    top, bottom = _COUNTS
    grid = Markup("").join(
        Markup('<path d="M{x} {top}V{bottom}M{left} {y}H{right}"></path>').format(
            x=_x(tick), y=_y(tick), top=_TOP, bottom=_BOTTOM, left=_LEFT, right=_RIGHT
        )
        for tick in _TICKS
    )
    ticks = Markup("").join(
        Markup('<text x="{left}" y="{y}" text-anchor="end">{value} %</text>').format(
            left=_LEFT - 5, y=_y(tick) + 4, value=round(100 * tick)
        )
        + Markup('<text x="{x}" y="{y}" text-anchor="middle">{value} %</text>').format(
            x=_x(tick), y=bottom + 15, value=round(100 * tick)
        )
        for tick in _TICKS
    )
    return Markup(
        '<text x="{left}" y="20" font-size="12.5" font-weight="bold" fill="var(--ink)">{title}</text>'
        '<g stroke="var(--grid)" stroke-width=".8">{grid}</g>'
        '<path d="M{left} {bottom}L{right} {top}" stroke="var(--accent)" stroke-width="1.4" '
        'stroke-dasharray="5.6 4.2"></path>{ticks}'
        '<path d="M{left} {base}H{right}" stroke="var(--muted)" stroke-width=".8"></path>'
        '<text x="{before}" y="{high}" text-anchor="end">{most}</text>'
        '<text x="{within}" y="{high}" font-size="10.5">pictures in the bin</text>'
        '<text x="{middle}" y="{low}" text-anchor="middle">confidence</text>'
        '<text transform="translate(13 {centre}) rotate(-90)" text-anchor="middle">accuracy</text>'
    ).format(
        left=_LEFT,
        right=_RIGHT,
        top=_TOP,
        bottom=_BOTTOM,
        title=title,
        grid=grid,
        ticks=ticks,
        base=bottom,
        before=_LEFT - 5,
        within=_LEFT + 3,
        high=top + 8,
        most=most,
        middle=(_LEFT + _RIGHT) / 2,
        low=bottom + 31,
        centre=(_TOP + _BOTTOM) / 2,
    )


def _bin(one: ReliabilityBin, most: int) -> Markup:
    """The gap as a pale bar, the interval as a line, the accuracy as a mark."""
    accuracy = one.accuracy
    if one.confidence is None or accuracy.value is None or accuracy.low is None or accuracy.high is None:
        return Markup("")
    return Markup(
        '<path d="M{x} {ideal}V{y}" stroke-width="5" opacity=".22"></path>'
        '<path d="M{x} {low}V{high}" stroke-width="1.4"></path>'
        '<circle cx="{x}" cy="{y}" r="{size}" stroke="none"></circle>'
    ).format(
        x=_x(one.confidence),
        ideal=_y(one.confidence),
        y=_y(accuracy.value),
        low=_y(accuracy.low),
        high=_y(accuracy.high),
        size=round(1.8 + (_LARGEST - 1.8) * math.sqrt(one.n / most), 1),
    )


def _bar(one: ReliabilityBin, most: int) -> Markup:
    top, bottom = _COUNTS
    height = round((bottom - top) * one.n / most, 1)
    return Markup(
        '<rect x="{x}" y="{y}" width="{width}" height="{height}" stroke="none" opacity=".75"></rect>'
    ).format(
        x=_x(one.low), y=bottom - height, width=round(0.86 * (_x(one.high) - _x(one.low)), 1), height=height
    )


def risk_coverage(rows: Sequence[RunScore], risk: str, series: Series, where: str) -> Markup | None:
    """Risk against coverage of every run; None where no run has such a curve."""
    found = [
        (row.run, curve)
        for row in rows
        if row.calibration is not None
        for curve in row.calibration.abstention
        if curve.risk == risk and curve.by in SCORES
    ]
    if not found:
        return None

    def draw(axes: Axes) -> None:
        for run, curve in found:
            axes.plot(
                [100 * coverage for coverage in COVERAGES],
                [100 * value for value in curve.curve],
                color=ink.colour(series[run]),
                ls=SCORES[curve.by],
                lw=2.0 if curve.by == "confidence" else 1.5,
            )
        axes.set_title(RISKS[risk])
        axes.set_xlabel("coverage: share of the pictures that are answered")
        axes.set_xlim(0, 100)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        top = max(max(curve.curve) for _, curve in found)
        ink.percent_axis(axes, limits=(0, max(5.0, 105 * top)))

    label = f"{RISKS[risk]} against coverage, one line for each run and score, {where}"
    return ink.render(draw, (WIDTH, 290), label, _CURVES)
