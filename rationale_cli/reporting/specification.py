"""The specification curve: one difference by every estimator and threshold of the audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from ..measures.results import Comparison, Difference, GridPoint
from . import ink
from .numbers import PERCENT, scaled, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARGINS = ink.Margins(left=94, top=30, right=10, bottom=126)
_SIZE = (380, 320)


class _Choice(NamedTuple):
    """A row of the strip below the curve: which points made this choice."""

    label: str
    made: Sequence[bool]


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

    def draw(axes: Axes) -> None:
        _draw_points(axes, points, difference)
        _draw_choices(axes, points)

    label = f"Specification curve of {metric}, {comparison.run} minus {comparison.baseline}, {where}"
    return ink.render(draw, _SIZE, label, _MARGINS)


def _draw_points(axes: Axes, points: Sequence[GridPoint], difference: Difference) -> None:
    unit = unit_of(difference.metric)
    axes.axhline(0, color=ink.INK, linewidth=1)
    if difference.difference is not None:
        axes.axhline(
            unit.factor * difference.difference, color=ink.ACCENT, linewidth=1.2, linestyle=(0, (4, 3))
        )
    for agrees, shade, inside in ((True, ink.INK, ink.INK), (False, ink.MUTED, ink.PAPER)):
        places = [place for place, point in enumerate(points) if point.agrees is agrees]
        low, high, value = (
            [scaled(getattr(points[place], limit), unit) for place in places]
            for limit in ("low", "high", "difference")
        )
        axes.vlines(places, low, high, color=shade, linewidth=1.4)
        axes.plot(places, value, "o", ms=5, color=shade, markerfacecolor=inside)
    axes.set_title(f"{difference.metric}: difference{' in points' if unit is PERCENT else ''}")
    axes.set_xlim(-0.8, len(points) - 0.2)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")


def _draw_choices(axes: Axes, points: Sequence[GridPoint]) -> None:
    rows = _choices(points)[::-1]
    strip = axes.inset_axes((0, -0.72, 1, 0.66))
    cells = [(place, height, made) for height, row in enumerate(rows) for place, made in enumerate(row.made)]
    for wanted, sign, shade in ((False, ".", ink.GRID), (True, "s", ink.INK)):
        chosen = [(place, height) for place, height, made in cells if made is wanted]
        strip.plot(*zip(*chosen, strict=True), sign, color=shade, ms=4.2)
    left, right = axes.get_xlim()
    for height, row in enumerate(rows):
        strip.text(left, height, f"{row.label}  ", ha="right", va="center", fontsize=10.5, color=ink.MUTED)
    strip.set_xlim(left, right)
    strip.set_ylim(-0.6, len(rows) - 0.4)
    strip.set_axis_off()


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
