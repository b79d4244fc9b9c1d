"""The section of the page that shows what a recipe asked for: its tables, curves and galleries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup

from . import severity, tradeoff
from .layout_cells import LayoutCell
from .pivot import Pivot, Span, spans
from .pivot_text import Words, average_titles, legend, metric_title, named, words
from .severity import Curves
from .side_by_side import SideBySide
from .tradeoff import Planes

Shown = Pivot | Curves | SideBySide | Planes
"""A layout with its numbers."""


@dataclass(frozen=True)
class RecipeSection:
    """What a recipe shows."""

    name: str
    description: str
    shown: tuple[Shown, ...]
    folder: str
    """Where the same stands as files."""


class Row(NamedTuple):
    """A row of a table: its names, outermost last, and its cells."""

    name: str
    within: str
    cells: tuple[Words, ...]


class Block(NamedTuple):
    """Rows of one measure."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class TableView:
    """A table as the template writes it."""

    kind = "table"
    title: str
    axes: str
    levels: tuple[tuple[Span, ...], ...]
    """Headings, outermost first."""
    averages: tuple[str, ...]
    blocks: tuple[Block, ...]
    legend: tuple[str, ...]

    @property
    def width(self) -> int:
        """Columns of numbers."""
        return len(self.levels[-1]) + len(self.averages)


@dataclass(frozen=True)
class CurvesView:
    """Drawings as the template shows them."""

    kind = "curves"
    title: str
    methods: tuple[str, ...]
    drawings: tuple[tuple[str, tuple[Markup, ...]], ...]
    """Those of each measure under its heading."""


@dataclass(frozen=True)
class GalleryView:
    """Sheets as the template shows them."""

    kind = "gallery"
    title: str
    gallery: SideBySide


@dataclass(frozen=True)
class PlanesView:
    """Planes as the template shows them."""

    kind = "planes"
    title: str
    methods: tuple[str, ...]
    drawings: tuple[Markup, ...]


View = TableView | CurvesView | GalleryView | PlanesView


def views(section: RecipeSection) -> list[View]:
    """Everything in the section, drawn and written."""
    return [_view(one) for one in section.shown]


def methods(section: RecipeSection | None) -> int:
    """How many keys the legends of the section need."""
    shown = section.shown if section else ()
    return max(
        (
            len(one.rivals if isinstance(one, Planes) else one.methods)
            for one in shown
            if isinstance(one, Curves | Planes)
        ),
        default=0,
    )


def _view(shown: Shown) -> View:
    if isinstance(shown, Pivot):
        return _table(shown)
    if isinstance(shown, Curves):
        drawn = [
            (metric_title(metric), tuple(severity.drawing(panel, shown.methods) for panel in panels))
            for metric, panels in groupby(shown.panels, key=lambda panel: panel.metric)
        ]
        return CurvesView(shown.title, shown.methods, tuple(drawn))
    if isinstance(shown, Planes):
        drawn_planes = tuple(tradeoff.drawing(one, shown.rivals) for one in shown.planes)
        return PlanesView(shown.title, shown.rivals, drawn_planes)
    return GalleryView(shown.title, shown)


def _table(pivot: Pivot) -> TableView:
    columns = [named(pivot.column_axes, column) for column in pivot.columns]
    return TableView(
        title=pivot.title,
        axes=", ".join(pivot.row_axes),
        levels=tuple(tuple(spans(columns, level)) for level in range(len(pivot.column_axes))),
        averages=average_titles(pivot),
        blocks=tuple(
            Block(
                metric_title(block.metric),
                tuple(
                    _row(named(pivot.row_axes, row.key), (*row.cells, *row.averages)) for row in block.rows
                ),
            )
            for block in pivot.blocks
        ),
        legend=tuple(legend(pivot)),
    )


def _row(names: Sequence[str], cells: Sequence[LayoutCell]) -> Row:
    return Row(names[-1], " · ".join(names[:-1]), tuple(words(cell) for cell in cells))
