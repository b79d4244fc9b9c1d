"""A recipe's table: one number a cell, rows and columns as its layout asks, blocks of rows by measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..measures.base_new import BASE, NEW
from ..recipe.layouts import Compared, TableLayout
from . import matching
from .layout_cells import ABSENT, LayoutCell, joined, layout_cell, mean, ranked
from .layout_entries import Entry, key, on_reference, ordered, telling
from .published import PublishedTable

COMPARED = "method"
"""The axis whose values are held against each other: all else being equal, which one is best?"""

HALF = "half"
"""The axis whose two values are shown as one too."""

Key = tuple[str, ...]


@dataclass(frozen=True)
class PivotRow:
    """One row of a block."""

    key: Key
    """Values of the row axes."""
    cells: tuple[LayoutCell, ...]
    averages: tuple[LayoutCell, ...]
    """Means over the row, one for each of ``Pivot.averages``."""


@dataclass(frozen=True)
class Block:
    """The rows of one measure."""

    metric: str
    rows: tuple[PivotRow, ...]


@dataclass(frozen=True)
class Pivot:
    """A table, ready to be written."""

    name: str
    title: str
    row_axes: tuple[str, ...]
    """Those of the layout, and after them those that it needs to tell its cells apart."""
    column_axes: tuple[str, ...]
    columns: tuple[Key, ...]
    """Values of the column axes, in order."""
    averages: tuple[Key, ...]
    """Values of the axes that the averages are not over: of ``method`` where it is among the columns, and of
    ``half`` where there are others yet."""
    blocks: tuple[Block, ...]
    source: str
    """Where the published figures are from, or which row differences are to; empty without any."""
    compared: Compared = "zero-shot"
    """What differences are to."""

    @property
    def cells(self) -> tuple[LayoutCell, ...]:
        """Every cell, averages left out."""
        return tuple(cell for block in self.blocks for row in block.rows for cell in row.cells)


class Span(NamedTuple):
    """A heading over neighbouring columns."""

    text: str
    start: int
    """The first column, counted from 0."""
    width: int


class _Place(NamedTuple):
    row: Key
    column: Key


def pivot(layout: TableLayout, entries: Sequence[Entry], published: PublishedTable | None = None) -> Pivot:
    """Arrange entries as a layout asks.

    Unless the layout has an axis for it, pictures are those of each dataset's reference split as they are.
    Cells that would share a place though they differ in more than the seed get a further row axis. Means are
    over a row's cells of one method, and only where all are there.
    """
    named = (*layout.rows, *layout.columns)
    shown = _shown(entries, named)
    row_axes = (*layout.rows, *telling(shown, named))
    columns = tuple(ordered(shown, layout.columns))
    kept = _kept(layout.columns)
    over = len(layout.columns) > len(kept)
    averages = tuple(ordered(shown, kept)) if layout.averages and over and len(columns) > 1 else ()
    grid = _Grid(
        row_axes,
        layout.columns,
        kept,
        columns,
        averages,
        _by_place(shown, row_axes, layout.columns),
        layout.compared,
    )
    rows = ordered(shown, row_axes)
    return Pivot(
        layout.name,
        layout.title,
        row_axes,
        layout.columns,
        columns,
        averages,
        tuple(_block(metric, rows, grid, published) for metric in layout.metrics),
        f"{published.title}. {published.source}" if published else "",
        layout.compared,
    )


def spans(columns: Sequence[Key], level: int) -> list[Span]:
    """Headings of one level, equal ones under one heading of the level above joined.

    >>> [tuple(one) for one in spans([("b16", "cub"), ("b16", "dogs"), ("b32", "cub")], 0)]
    [('b16', 0, 2), ('b32', 2, 1)]
    """
    found: list[Span] = []
    for place, told in enumerate(columns):
        if found and columns[found[-1].start][: level + 1] == told[: level + 1]:
            found[-1] = found[-1]._replace(width=found[-1].width + 1)
        else:
            found.append(Span(told[level], place, 1))
    return found


def halves(splits: Sequence[str]) -> bool:
    """Whether these are the base and the new classes of one split.

    >>> halves(["test-base", "test-new"]), halves(["test-base", "shifted-new"])
    (True, False)
    """
    return len(splits) == 2 and splits[0].endswith(BASE) and splits[1] == splits[0].removesuffix(BASE) + NEW


class _Grid(NamedTuple):
    row_axes: Key
    column_axes: Key
    kept: Key
    columns: tuple[Key, ...]
    averages: tuple[Key, ...]
    entries: Mapping[_Place, list[Entry]]
    compared: Compared


def _kept(columns: Sequence[str]) -> tuple[str, ...]:
    found = tuple(axis for axis in columns if axis in (COMPARED, HALF))
    return found if len(found) < len(columns) else tuple(axis for axis in found if axis == COMPARED)


def _shown(entries: Sequence[Entry], named: Sequence[str]) -> list[Entry]:
    within = ("dataset", HALF) if HALF in named else ("dataset",)
    shown = list(entries) if "split" in named else on_reference(entries, within)
    if not {"corruption", "severity"} & set(named):
        shown = [one for one in shown if one.clean]
    return shown


def _by_place(entries: Sequence[Entry], rows: Key, columns: Key) -> dict[_Place, list[Entry]]:
    found: dict[_Place, list[Entry]] = {}
    for one in entries:
        found.setdefault(_Place(key(one, rows), key(one, columns)), []).append(one)
    return found


def _block(metric: str, rows: Sequence[Key], grid: _Grid, published: PublishedTable | None) -> Block:
    cells = {
        _Place(row, column): _cell(metric, _Place(row, column), grid, published)
        for row in rows
        for column in grid.columns
    }
    means = {
        _Place(row, kept): _average(metric, row, kept, cells, grid, published)
        for row in rows
        for kept in grid.averages
    }
    cells = ranked(cells, lambda place: _others(place, grid.row_axes, grid.column_axes))
    means = ranked(means, lambda place: _others(place, grid.row_axes, grid.kept))
    return Block(
        metric,
        tuple(
            PivotRow(
                row,
                tuple(cells[_Place(row, column)] for column in grid.columns),
                tuple(means[_Place(row, kept)] for kept in grid.averages),
            )
            for row in rows
        ),
    )


def _cell(metric: str, place: _Place, grid: _Grid, published: PublishedTable | None) -> LayoutCell:
    axes = dict(zip((*grid.row_axes, *grid.column_axes), (*place.row, *place.column), strict=True))
    found = layout_cell(metric, grid.entries.get(place, []), axes, grid.compared)
    if found.state == ABSENT:
        return found
    return replace(
        found,
        published=matching.figure(published, found.axes, metric),
        published_change=matching.difference(published, found.axes, metric),
    )


def _average(
    metric: str,
    row: Key,
    kept: Key,
    cells: Mapping[_Place, LayoutCell],
    grid: _Grid,
    published: PublishedTable | None,
) -> LayoutCell:
    told = dict(zip(grid.kept, kept, strict=True))
    places = [
        _Place(row, column)
        for column in grid.columns
        if told.items() <= dict(zip(grid.column_axes, column, strict=True)).items()
    ]
    own = [cells[place] for place in places]
    printed = matching.average(published, [cell.axes for cell in own], metric)
    found = replace(mean(metric, own), published=printed)
    if not halves([cell.axes.get("split", "") for cell in own]):
        return found
    return joined(found, [one for place in places for one in grid.entries.get(place, [])], grid.compared)


def _others(place: _Place, rows: Key, columns: Key) -> Key:
    """What compared cells have in common: all axes but the method."""
    told = zip((*rows, *columns), (*place.row, *place.column), strict=True)
    return tuple(value for axis, value in told if axis != COMPARED)
