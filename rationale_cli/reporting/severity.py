"""A recipe's curves: measures against the severity of a corruption, a line a method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from ..recipe.layouts import CurveLayout
from . import ink
from .figures import CURVE_MARGINS, TITLES, WIDTH
from .layout_cells import LayoutCell, layout_cell
from .layout_entries import Entry, key, on_reference, ordered, variants
from .numbers import PERCENT, scaled, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OWN = ("setup", "model", "dataset")
"""Axes that have panels of their own."""

_DODGE = 0.05
"""Shift between methods on the horizontal axis, so that their intervals can be told apart."""


class Line(NamedTuple):
    """One method: severity → cell, clean pictures at 0."""

    name: str
    cells: Mapping[int, LayoutCell]


@dataclass(frozen=True)
class Panel:
    """One measure of one model under one corruption."""

    metric: str
    heading: str
    """The corruption, and what tells the model from others of the recipe."""
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Curves:
    """A layout's drawings, ready to be drawn."""

    name: str
    title: str
    methods: tuple[str, ...]
    """Names of lines in the order of their colours."""
    panels: tuple[Panel, ...]

    @property
    def cells(self) -> tuple[LayoutCell, ...]:
        """Every point, those on clean pictures once."""
        points = (cell for panel in self.panels for line in panel.lines for cell in line.cells.values())
        return tuple({(cell.metric, *sorted(cell.axes.items())): cell for cell in points}.values())


def curves(layout: CurveLayout, entries: Sequence[Entry]) -> Curves:
    """Arrange entries by setup, model, dataset and corruption.

    The clean pictures of the reference split are severity 0 of every corruption.
    """
    kept = on_reference(entries)
    telling = [axis for axis in _OWN if len({one.axis(axis) for one in kept}) > 1]
    corrupted = [one for one in kept if not one.clean]
    name = variants([one.axes for one in kept])
    panels = [
        Panel(metric, heading, _lines(metric, members, name))
        for metric in layout.metrics
        for found in ordered(corrupted, (*_OWN, "split", "corruption"))
        for members in [_members(kept, found)]
        for heading in [_heading(members[-1], telling, corrupted)]
    ]
    methods = tuple(dict.fromkeys(name(one.axes) for one in kept))
    return Curves(layout.name, layout.title, methods, tuple(panels))


def drawing(panel: Panel, methods: Sequence[str]) -> Markup:
    """One panel as SVG: points with 95 % intervals, joined by lines."""
    unit = unit_of(panel.metric)

    def draw(axes: Axes) -> None:
        for line in panel.lines:
            place = methods.index(line.name)
            known = {at: cell for at, cell in sorted(line.cells.items()) if cell.value is not None}
            dodge = _DODGE * (place - (len(methods) - 1) / 2)
            xs = [at + dodge for at in known]
            low, value, high = (
                [scaled(getattr(cell, part), unit) for cell in known.values()]
                for part in ("low", "value", "high")
            )
            shade = ink.colour(place)
            axes.vlines(xs, low, high, linewidth=1.4, color=shade, zorder=3)
            axes.plot(
                xs, value, marker=ink.marker(place), ms=4.5, lw=1.3, ls=ink.dash(place), color=shade, zorder=3
            )
        axes.set_title(panel.heading)
        axes.set_xlabel("severity (0: clean)")
        axes.set_ylabel(panel.metric)
        severities = [at for line in panel.lines for at in line.cells]
        axes.set_xticks(range(max(severities) + 1))
        if unit is PERCENT:
            ink.percent_axis(axes, limits=(-1.5, 101.5))

    label = f"{TITLES.get(panel.metric, panel.metric)} against severity, by method: {panel.heading}"
    return ink.render(draw, (WIDTH, 250), label, CURVE_MARGINS._replace(left=62))


def _members(kept: Iterable[Entry], found: tuple[str, ...]) -> list[Entry]:
    """Entries of one corruption, after those on the same cells' clean pictures."""
    *told, split, corruption = found
    same = [one for one in kept if key(one, _OWN) == tuple(told)]
    shown = [one for one in same if (one.axis("split"), one.axis("corruption")) == (split, corruption)]
    return [*(one for one in same if one.clean), *shown]


def _heading(entry: Entry, telling: Sequence[str], corrupted: Sequence[Entry]) -> str:
    sources = {one.axis("split") for one in corrupted if one.axis("corruption") == entry.axis("corruption")}
    parts = [entry.axis("corruption").replace("_", " "), *(entry.axis(axis) for axis in telling)]
    return " · ".join(part for part in (*parts, entry.axis("split") if len(sources) > 1 else "") if part)


def _lines(
    metric: str, members: Sequence[Entry], name: Callable[[Mapping[str, str]], str]
) -> tuple[Line, ...]:
    found: dict[str, dict[int, list[Entry]]] = {}
    for one in members:
        found.setdefault(name(one.axes), {}).setdefault(int(one.axis("severity") or 0), []).append(one)
    return tuple(
        Line(told, {at: layout_cell(metric, group, group[0].axes) for at, group in places.items()})
        for told, places in found.items()
    )
