"""The report's figures: measures against the threshold, witnesses, splits and mask areas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from ..measures.estimates import WITNESSES, Estimate
from ..measures.results import ScoreTable
from ..measures.sweep import RunSweep, Sweep
from . import ink
from .numbers import scaled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 380
"""CSS pixels: a figure fills a phone and stands beside others on a desk."""

FEW = 10
"""Pictures with valid evidence below which IR is not drawn: it would show chance only."""

CURVE_MARGINS = ink.Margins(left=50, top=30, right=14, bottom=42)
CURVE_SPAN = (CURVE_MARGINS.left / WIDTH, 1 - CURVE_MARGINS.right / WIDTH)
"""Where τ = 0 and τ = 1 are, as shares of a curve's width: what moves the line."""
TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "V": "V: valid evidence",
    "PT": "PT: right answers with valid evidence",
    "IR": "IR: right answers among valid evidence",
    "lift": "Evidence lift",
    "ECE": "ECE: gap between confidence and accuracy",
    "adaptive_ECE": "ECE over bins of equal mass",
    "overconfidence": "Confidence − accuracy",
    "Brier": "Brier score",
}
PICTURES = {
    "picture": "whole picture",
    "object": "object alone",
    "background": "background alone",
    "box": "box removed",
    "exact": "exact background",
}
"""What a witness is shown, in words."""


class Line(NamedTuple):
    """A reference curve: a control's name and its share of valid evidence at each threshold."""

    name: str
    values: Sequence[float]


Series = Mapping[str, int]
"""Run → its place among the runs of the whole report, which decides colour and marker."""


def threshold_curve(
    sweep: Sweep, metric: str, series: Series, references: Sequence[Line], at: float
) -> Markup:
    """One measure of every run against τ with its 95 % band; ``references`` are drawn as dotted lines."""

    def draw(axes: Axes) -> None:
        axes.axvspan(0.4, 0.6, color=ink.GRID, alpha=0.45, linewidth=0)
        for position, line in enumerate(references):
            axes.plot(
                sweep.thresholds,
                _percent(line.values),
                color=ink.MUTED,
                lw=1.2,
                ls=ink.REFERENCE_DASHES[position],
            )
        for row in sweep.rows:
            band, place, until = row.metrics[metric], series[row.run], _supported(row, metric)
            low, value, high = (_percent(values[:until]) for values in (band.low, band.value, band.high))
            taus, shade = sweep.thresholds[:until], ink.colour(place)
            axes.fill_between(taus, low, high, color=shade, alpha=0.13, linewidth=0)
            axes.plot(taus, value, color=shade, ls=ink.dash(place), zorder=3)
        axes.axvline(at, color=ink.ACCENT, lw=1.6, gid="live-tau", zorder=4)
        axes.set_title(TITLES[metric])
        axes.set_xlabel("threshold τ")
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        ink.percent_axis(axes, limits=(0, 100.5))

    label = (
        f"{TITLES[metric]} against the threshold, one line for each run, split {sweep.split}, "
        f"{sweep.dataset} by {sweep.specification}"
    )
    return ink.render(draw, (WIDTH, 290), label, CURVE_MARGINS)


def witness(table: ScoreTable, series: Series) -> Markup | None:
    """Accuracy on the picture and on each altered picture, with the line of guessing."""
    kinds = [kind for kind in WITNESSES if any(kind in row.witness for row in table.rows)]
    if not kinds:
        return None
    groups = [("picture", {row.run: row.metrics["accuracy"] for row in table.rows})]
    groups += [
        (kind, {row.run: row.witness[kind].accuracy for row in table.rows if kind in row.witness})
        for kind in kinds
    ]
    gap = 0.9

    def draw(axes: Axes) -> None:
        top = 0.0
        ticks = []
        for _, estimates in groups:
            ticks.append(top - (len(estimates) - 1) / 2)
            for offset, (run, estimate) in enumerate(estimates.items()):
                _dot(axes, estimate, top - offset, series[run])
            top -= len(estimates) - 1 + gap + 1
        axes.axvline(100 * table.chance, color=ink.ACCENT, lw=1.4, ls=(0, (4, 3)))
        axes.set_title("Right answers on altered pictures")
        axes.set_yticks(ticks, [PICTURES[name] for name, _ in groups])
        axes.set_ylim(top + gap + 0.3, 0.8)
        axes.set_xlabel(f"accuracy (dashed: guessing, {100 * table.chance:.1f} %)")
        ink.percent_axis(axes, "x", (-2, 102))
        axes.spines["left"].set_visible(False)

    rows = sum(len(estimates) + gap for _, estimates in groups)
    label = (
        f"Accuracy on the whole picture and on altered pictures by run, split {table.split}, {table.dataset}"
    )
    return ink.render(draw, (WIDTH, 80 + 13 * rows), f"{label} by {table.specification}", _WIDE_LABELS)


def _supported(row: RunSweep, metric: str) -> int:
    """Thresholds at which the measure rests on at least ``FEW`` pictures; only IR's denominator shrinks."""
    if metric != "IR":
        return len(row.RR)
    return sum(right + wrong >= FEW for right, wrong in zip(row.RR, row.WR, strict=True))


class Point(NamedTuple):
    """An estimate of one run at one place of the horizontal axis."""

    run: str
    place: int
    estimate: Estimate


def across(
    title: str, places: Sequence[str], points: Sequence[Point], series: Series, chance: float | None = None
) -> Markup:
    """Estimates of every run over named places (splits, tertiles), joined by lines."""
    runs = list(dict.fromkeys(point.run for point in points))

    def draw(axes: Axes) -> None:
        if chance is not None:
            axes.axhline(100 * chance, color=ink.ACCENT, lw=1.4, ls=(0, (4, 3)))
        for position, run in enumerate(runs):
            dodge = 0.07 * (position - (len(runs) - 1) / 2)
            _joined(axes, [point for point in points if point.run == run], dodge, series[run])
        axes.set_title(title)
        axes.set_xticks(range(len(places)), places)
        axes.set_xlim(-0.5, len(places) - 0.5)
        ink.percent_axis(axes, limits=(-1.5, 101.5))

    return ink.render(draw, (WIDTH, 270), f"{title} over {', '.join(places)}, by run", CURVE_MARGINS)


def _joined(axes: Axes, points: Sequence[Point], dodge: float, place: int) -> None:
    known = [point for point in points if point.estimate.value is not None]
    xs = [point.place + dodge for point in known]
    value, low, high = (
        _percent([getattr(point.estimate, part) for point in known]) for part in ("value", "low", "high")
    )
    shade = ink.colour(place)
    axes.vlines(xs, low, high, linewidth=1.4, color=shade, zorder=3)
    axes.plot(xs, value, marker=ink.marker(place), ms=5, lw=1.1, ls=ink.dash(place), color=shade, zorder=3)


_WIDE_LABELS = ink.Margins(left=128, top=30, right=14, bottom=42)


def _dot(axes: Axes, estimate: Estimate, y: float, place: int) -> None:
    if estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        axes.hlines(y, 100 * estimate.low, 100 * estimate.high, color=ink.colour(place), linewidth=1.6)
    axes.plot([100 * estimate.value], [y], ink.marker(place), color=ink.colour(place), ms=5.5, clip_on=False)


def _percent(values: Sequence[float | None]) -> list[float]:
    return [scaled(value) for value in values]
