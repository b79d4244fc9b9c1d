"""The specification curve: one difference by every estimator and threshold of the audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from ..measures.results import Comparison, Difference, GridPoint
from . import ink
from .numbers import PERCENT, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARGINS = ink.Margins(left=92, top=30, right=12, bottom=124)
_SIZE = (420, 330)


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
    factor = unit_of(difference.metric).factor
    axes.axhline(0, color=ink.INK, linewidth=1)
    if difference.difference is not None:
        axes.axhline(factor * difference.difference, color=ink.ACCENT, linewidth=1.2, linestyle=(0, (4, 3)))
    for place, point in enumerate(points):
        shade = ink.INK if point.agrees else ink.MUTED
        if point.low is not None and point.high is not None:
            axes.vlines(place, factor * point.low, factor * point.high, color=shade, linewidth=1.3)
        axes.plot(
            [place],
            [factor * (point.difference or 0.0)],
            "o",
            ms=5,
            color=shade,
            markerfacecolor=shade if point.agrees else ink.PAPER,
        )
    axes.set_title(
        f"{difference.metric}: {'points' if unit_of(difference.metric) is PERCENT else 'difference'}"
    )
    axes.set_xlim(-0.8, len(points) - 0.2)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")


def _draw_choices(axes: Axes, points: Sequence[GridPoint]) -> None:
    rows = _choices(points)
    strip = axes.inset_axes((0, -0.72, 1, 0.66), sharex=axes)
    for height, row in enumerate(reversed(rows)):
        places = [place for place, made in enumerate(row.made) if made]
        strip.plot(range(len(points)), [height] * len(points), ".", color=ink.GRID, ms=4)
        strip.plot(places, [height] * len(places), "s", color=ink.INK, ms=4.2)
    strip.set_yticks(range(len(rows)), [row.label for row in reversed(rows)], fontsize=10)
    strip.set_ylim(-0.6, len(rows) - 0.4)
    strip.grid(visible=False)
    for spine in strip.spines.values():
        spine.set_visible(False)


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
