"""Rivals by many measures as a table, and two of the measures as a plane with its Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from ..measures.tradeoff import Contrast
from ..recipe.layouts import Column, TradeoffLayout
from . import ink
from .figures import TITLES, WIDTH
from .gallery import Basis
from .layout_cells import ABSENT, LOW_RANKED, Change, LayoutCell, ranked
from .layout_entries import MEASURED
from .numbers import PERCENT, scaled, unit_of
from .pivot import Block, Key, Pivot, PivotRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ON, _MEASURE = "pictures", "measure"
_WORDS = {
    "background": "background alone − chance",
    "object_share": "object's share of what decides",
    "cost": "training time, ×",
}
_MARGINS = ink.Margins(left=62, top=14, right=14, bottom=46)


class Rated(NamedTuple):
    """One rival: what its runs have in common, and its numbers by column."""

    axes: Mapping[str, str]
    numbers: Mapping[Column, Contrast | None]


class Point(NamedTuple):
    """A rival on a plane."""

    name: str
    across: LayoutCell
    up: LayoutCell


@dataclass(frozen=True)
class Plane:
    """One measure against another."""

    across: Column
    up: Column
    points: tuple[Point, ...]

    @property
    def front(self) -> tuple[Point, ...]:
        """Those that no other point beats in one measure without losing in the other, from left to right."""
        known = [one for one in self.points if one.across.value is not None and one.up.value is not None]
        best = [one for one in known if not any(self._beaten(one, other) for other in known)]
        return tuple(sorted(best, key=lambda one: one.across.value or 0.0))

    def _beaten(self, one: Point, other: Point) -> bool:
        ours, theirs = self._merits(one), self._merits(other)
        return theirs != ours and all(b >= a for a, b in zip(ours, theirs, strict=True))

    @staticmethod
    def _merits(one: Point) -> tuple[float, float]:
        across, up = (_merit(cell) for cell in (one.across, one.up))
        return across, up


@dataclass(frozen=True)
class Planes:
    """The planes of a layout, ready to be drawn."""

    name: str
    title: str
    rivals: tuple[str, ...]
    """Names of points in the order of their colours."""
    planes: tuple[Plane, ...]


def tradeoff(layout: TradeoffLayout, rivals: Sequence[Rated], basis: Basis) -> Pivot:
    """A row for each rival; ``basis`` tells threshold and RMA."""
    columns = tuple(_heading(one) for one in layout.columns)
    cells = {
        (row, place): _cell(rival, column, basis)
        for row, rival in enumerate(rivals)
        for place, column in enumerate(layout.columns)
    }
    # What was tuned on other data is no rival: it shows what could be had.
    cells = ranked(cells, lambda place: (place[1], rivals[place[0]].axes.get("train", "")))
    rows = tuple(
        PivotRow(
            tuple(rival.axes.get(axis, "") for axis in layout.rows),
            tuple(cells[row, place] for place in range(len(columns))),
            (),
        )
        for row, rival in enumerate(rivals)
    )
    return Pivot(
        layout.name,
        layout.title,
        layout.rows,
        (_ON, _MEASURE),
        columns,
        (),
        (Block("", rows),),
        " · ".join(value for value in layout.against.values() if value != "none"),
        "row",
    )


def planes(layout: TradeoffLayout, rivals: Sequence[Rated], basis: Basis) -> Planes:
    """A plane for each pair of measures."""
    names = [_name(one, layout.rows) for one in rivals]
    found = tuple(
        Plane(
            across,
            up,
            tuple(
                Point(name, _cell(one, across, basis), _cell(one, up, basis))
                for name, one in zip(names, rivals, strict=True)
            ),
        )
        for across, up in layout.planes
    )
    return Planes(
        f"{layout.name}-planes", f"{layout.title}: one measure against another", tuple(names), found
    )


def drawing(plane: Plane, rivals: Sequence[str]) -> Markup:
    """A plane as SVG: points with 95 % intervals, and the Pareto front as a line of steps."""

    def draw(axes: Axes) -> None:
        front = [[scaled(cell.value, cell.unit) for cell in (one.across, one.up)] for one in plane.front]
        if len(front) > 1:
            axes.plot(*zip(*front, strict=True), color=ink.MUTED, lw=1.2, ls=(0, (4, 2)), zorder=1)
        for one in plane.points:
            if one.across.value is not None and one.up.value is not None:
                _mark(axes, one, rivals.index(one.name))
        axes.set_xlabel(_axis(plane.across))
        axes.set_ylabel(_axis(plane.up))
        for axis, column in (("x", plane.across), ("y", plane.up)):
            if unit_of(column.metric) is PERCENT:
                ink.percent_axis(axes, axis, None)
        axes.grid(visible=True)

    label = f"{_axis(plane.up)} against {_axis(plane.across)}, a point for each way of tuning"
    return ink.render(draw, (WIDTH, 330), label, _MARGINS)


def _mark(axes: Axes, one: Point, place: int) -> None:
    x, y = scaled(one.across.value, one.across.unit), scaled(one.up.value, one.up.unit)
    shade = ink.colour(place)
    if one.across.low is not None:
        low, high = (scaled(end, one.across.unit) for end in (one.across.low, one.across.high))
        axes.hlines(y, low, high, linewidth=1, color=shade, alpha=0.6, zorder=2)
    if one.up.low is not None:
        low, high = (scaled(end, one.up.unit) for end in (one.up.low, one.up.high))
        axes.vlines(x, low, high, linewidth=1, color=shade, alpha=0.6, zorder=2)
    axes.plot([x], [y], marker=ink.marker(place), ms=7, color=shade, ls="none", zorder=3)


def _merit(cell: LayoutCell) -> float:
    assert cell.value is not None
    return -cell.value if cell.metric in (*LOW_RANKED, "cost") else cell.value


def _cell(rival: Rated, column: Column, basis: Basis) -> LayoutCell:
    axes = {**rival.axes, "split": column.split}
    found = rival.numbers.get(column)
    if found is None:
        return LayoutCell(column.metric, axes, ABSENT)
    change = None
    told = found.difference
    if told is not None and told.difference is not None:
        change = Change(told.baseline, told.difference, told.low, told.high, told.verdict)
    return LayoutCell(
        column.metric,
        axes,
        MEASURED,
        found.runs,
        len(found.runs),
        found.value.mean,
        found.value.low,
        found.value.high,
        found.n or None,
        change,
        basis=replace(basis, specification=found.estimator) if found.estimator else None,
    )


def _heading(column: Column) -> Key:
    on = f"{column.split}, {column.attribution}" if column.attribution else column.split
    return on, _words(column.metric)


def _words(metric: str) -> str:
    unit = ", %" if unit_of(metric) is PERCENT else ""
    return f"{_WORDS.get(metric, metric)}{unit}"


def _axis(column: Column) -> str:
    what = _WORDS.get(column.metric, TITLES.get(column.metric, column.metric))
    return f"{what} ({', '.join(_heading(column)[:1])})"


def _name(rival: Rated, axes: Sequence[str]) -> str:
    values = [rival.axes.get(axis, "") for axis in axes]
    return " · ".join(value for value in values if value and value != "none")
