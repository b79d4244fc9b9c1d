"""A recipe's table as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .layout_cells import LayoutCell
from .pivot import Pivot, Span, spans
from .pivot_text import Words, average_titles, heading, legend, metric_title, named, words


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


def table_view(pivot: Pivot) -> TableView:
    """Write every cell."""
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
                    _row(heading(pivot.row_axes, row.key), (*row.cells, *row.averages)) for row in block.rows
                ),
            )
            for block in pivot.blocks
        ),
        legend=tuple(legend(pivot)),
    )


def _row(names: tuple[str, str], cells: Sequence[LayoutCell]) -> Row:
    return Row(*names, tuple(words(cell) for cell in cells))
