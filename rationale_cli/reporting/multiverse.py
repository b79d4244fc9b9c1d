"""Drawings of an audit of runs: the decomposition, and the specification curve of the whole grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from ..measures.audit_results import Change, Decomposition, PairAudit, Specified
from ..measures.comparison_results import Effect
from ..measures.verdict import agrees, excludes_zero
from . import ink
from .numbers import number, scaled
from .runs_audit import by_size, level

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARTS_WIDTH, _ROW = 380, 30
_CURVE_WIDTH, _CURVE_HEIGHT, _LEVEL = 1160, 270, 15
_CURVE_MARGINS = (170, 56, 14)
"""Left, top, right."""


class _Kind(NamedTuple):
    """Specifications that say the same of the default's difference."""

    name: str
    shade: str


AGREES = _Kind("agree in sign and significance", ink.INK)
UNSURE = _Kind("not significant", ink.MUTED)
OPPOSES = _Kind("say the opposite", ink.ACCENT)
APART = _Kind("two estimators, one for each run", ink.colour(2))
KINDS = (AGREES, UNSURE, OPPOSES, APART)


def parts(split: Decomposition, where: str) -> Markup | None:
    """From the default's difference to the reference's, a bar for each choice; None where undefined.

    ``where`` names the runs and the split.
    """
    rows = by_size(split.contributions)
    if split.protocol.value is None or any(row.shapley.value is None for row in rows):
        return None
    size = (_PARTS_WIDTH, 74 + _ROW * (len(rows) + 2))

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=ink.INK, linewidth=1)
        _point(axes, 0, split.default)
        reached = split.default.difference or 0.0
        for place, row in enumerate(rows, start=1):
            reached = _bar(axes, place, reached, row.shapley)
        _point(axes, len(rows) + 1, split.reference)
        names = [
            "one estimator",
            *(f"{row.choice}\n{row.default} → {row.reference}" for row in rows),
            "the reference",
        ]
        axes.set_yticks(range(len(names)), names, fontsize=10)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.06)
        axes.set_title(f"{split.metric}: difference in points")
        axes.xaxis.set_major_formatter(_signed)

    label = f"What of the difference in {split.metric} is protocol, {where}"
    return ink.render(draw, size, label, ink.Margins(left=128, top=30, right=50, bottom=34))


def curve(audit: PairAudit, metric: str) -> Markup | None:
    """Every specification sorted by its difference, with interval, above the choices that it makes.

    Colours tell what each says of the default's difference; named specifications are marked. None where
    the difference is nowhere defined.
    """
    found = sorted(
        (one for one in audit.specifications if one.metrics[metric].difference is not None),
        key=lambda one: (one.metrics[metric].difference or 0.0, one.levels),
    )
    usual = audit.default.metrics[metric].difference
    if not found or usual is None:
        return None
    left, top, right = _CURVE_MARGINS
    rows = [(choice.name, one) for choice in audit.choices for one in choice.levels]
    strip = _LEVEL * len(rows) + 8 * len(audit.choices)
    size = (_CURVE_WIDTH, top + _CURVE_HEIGHT + strip + 16)

    def draw(axes: Axes) -> None:
        kinds = [_kind(one, metric, usual) for one in found]
        _draw_curve(axes, found, metric, kinds)
        _draw_names(axes, found)
        _draw_matrix(axes, audit, found, kinds, strip)

    label = f"Specification curve of {metric}, {audit.run} minus {audit.baseline}, split {audit.split}"
    return ink.render(draw, size, label, ink.Margins(left=left, top=top, right=right, bottom=strip + 16))


def _kind(one: Specified, metric: str, usual: float) -> _Kind:
    effect = one.metrics[metric]
    if not one.shared:
        return APART
    if effect.low is None or effect.high is None or effect.difference is None:
        return UNSURE
    if agrees(usual, effect.difference, effect.low, effect.high):
        return AGREES
    return OPPOSES if excludes_zero(effect.low, effect.high) else UNSURE


def _draw_curve(axes: Axes, found: Sequence[Specified], metric: str, kinds: Sequence[_Kind]) -> None:
    axes.axhline(0, color=ink.INK, linewidth=1)
    width = _stroke(len(found))
    for kind in KINDS:
        places = [place for place, one in enumerate(kinds) if one is kind]
        effects = [found[place].metrics[metric] for place in places]
        lows, highs, values = (
            [scaled(getattr(one, name)) for one in effects] for name in ("low", "high", "difference")
        )
        _strokes(axes, places, lows, highs, color=kind.shade, linewidth=width, alpha=0.3)
        middle = [(value - 0.55, value + 0.55) for value in values]
        _strokes(
            axes,
            places,
            [low for low, _ in middle],
            [high for _, high in middle],
            color=kind.shade,
            linewidth=max(width, 2.2),
            zorder=3,
        )
    axes.set_xlim(-1, len(found))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.yaxis.set_major_formatter(_signed)
    axes.set_ylabel(f"difference in {metric}, points")


def _draw_names(axes: Axes, found: Sequence[Specified]) -> None:
    """Named specifications: a line through curve and matrix, names above it on rows of their own."""
    bottom, top = axes.get_ylim()
    free = [-math.inf] * 3
    for place, one in enumerate(found):
        if not one.names:
            continue
        axes.axvline(place, color=ink.INK, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        share = place / max(len(found) - 1, 1)
        side = "left" if share < 0.1 else "right" if share > 0.9 else "center"
        row = next((row for row, taken in enumerate(free) if taken < share), 0)
        free[row] = share + 0.1 * len(one.names)
        axes.annotate(
            ", ".join(one.names),
            (place, top),
            xytext=(0, 4 + 14 * row),
            textcoords="offset points",
            ha=side,
            va="bottom",
            fontsize=11,
            fontweight="bold",
            color=ink.INK,
            annotation_clip=False,
        )
    axes.set_ylim(bottom, top)


def _draw_matrix(
    axes: Axes, audit: PairAudit, found: Sequence[Specified], kinds: Sequence[_Kind], height: float
) -> None:
    share = height / _CURVE_HEIGHT
    strip = axes.inset_axes((0, -share - 0.03, 1, share))
    row = 0.0
    for index, choice in enumerate(audit.choices):
        for name in choice.levels:
            made = [place for place, one in enumerate(found) if one.levels[index] == name]
            for kind in KINDS:
                runs = _runs([place for place in made if kinds[place] is kind])
                x = [value for first, last in runs for value in (first - 0.38, last + 0.38, math.nan)]
                y = [row, row, math.nan] * len(runs)
                strip.plot(x, y, solid_capstyle="butt", color=kind.shade, linewidth=_LEVEL * 0.62)
            strip.text(
                -1,
                row,
                f"{level(choice.name, name)}  ",
                ha="right",
                va="center",
                fontsize=10,
                color=ink.MUTED,
            )
            row += 1
        row += 8 / _LEVEL
    for place, one in enumerate(found):
        if one.names:
            strip.axvline(place, color=ink.INK, linewidth=1, linestyle=(0, (2, 2)))
    strip.set_xlim(*axes.get_xlim())
    strip.set_ylim(row - 0.5, -0.5)
    strip.set_axis_off()


def _strokes(
    axes: Axes, places: Sequence[int], low: Sequence[float], high: Sequence[float], **style: Any
) -> None:
    """Vertical strokes as one path: hundreds of them weigh what one element does."""
    if places:
        x = [value for place in places for value in (place, place, math.nan)]
        y = [value for one, other in zip(low, high, strict=True) for value in (one, other, math.nan)]
        axes.plot(x, y, solid_capstyle="butt", **style)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours, in rising order."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1] = runs[-1][0], place
        else:
            runs.append((place, place))
    return runs


def _stroke(n: int) -> float:
    """Width of a stroke so that neighbours do not touch."""
    left, _, right = _CURVE_MARGINS
    return min(max(0.72 * (_CURVE_WIDTH - left - right) / n, 0.8), 7.0)


def _point(axes: Axes, row: int, effect: Effect) -> None:
    value, low, high = (scaled(one) for one in (effect.difference, effect.low, effect.high))
    axes.hlines(row, low, high, color=ink.INK, linewidth=1.6)
    axes.plot([value], [row], "o", ms=7, color=ink.INK)
    _number(axes, row, effect.difference)


def _bar(axes: Axes, row: int, start: float, part: Change) -> float:
    """Draw what one choice adds, from where the one before ended; return where it ends."""
    value = part.value or 0.0
    end = start + value
    axes.barh(row, scaled(value), left=scaled(start), height=0.52, color=ink.ACCENT, alpha=0.75)
    if part.low is not None and part.high is not None:
        axes.hlines(row, scaled(start + part.low), scaled(start + part.high), color=ink.INK, linewidth=1.2)
    axes.plot([scaled(end)] * 2, [row + 0.26, row + 0.74], color=ink.MUTED, linewidth=1)
    _number(axes, row, part.value)
    return end


def _number(axes: Axes, row: int, value: float | None) -> None:
    """A row's number, in a column of its own at the right."""
    axes.text(
        1.16, row, number(value, signed=True), transform=axes.get_yaxis_transform(), ha="right", va="center"
    )


def _signed(value: float, _: object) -> str:
    return f"{value:+g}".replace("-", "−") if value else "0"
