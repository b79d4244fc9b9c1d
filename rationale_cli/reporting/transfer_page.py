"""Transfer on the page: a heat map of gains, the kinds, and the other measures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..measures.transfer_results import SAME
from .layout_cells import LayoutCell
from .pivot import Span, spans
from .pivot_page import TableView, table_view
from .pivot_text import Words, named, words
from .tables import Table
from .transfer import TransferShown, kind_title, meaning, summary_tables

STRONGEST = 60
"""Per cent of colour in a cell of the greatest gain or loss: text stays legible on it."""

_LEAST = 0.1
"""Gain or loss that the scale of colours reaches at least, so that chance alone looks pale."""


@dataclass(frozen=True)
class HeatCell:
    """Accuracy of one model on one evaluation set, coloured by what tuning changed."""

    told: Words
    strength: int
    """Per cent of colour."""
    way: str
    """``up``, ``down`` or empty."""
    own: bool
    """Whether the set is like the training pictures."""
    kind: str
    """In words; empty for the un-tuned model."""


@dataclass(frozen=True)
class HeatRow:
    """A model by what it was tuned on."""

    name: str
    within: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class TransferView:
    """Transfer as the template writes it."""

    kind = "transfer"
    title: str
    axes: str
    levels: tuple[tuple[Span, ...], ...]
    """Headings, outermost first."""
    rows: tuple[HeatRow, ...]
    kinds: tuple[Table, ...]
    """Of all models, and where there are several of each."""
    others: TableView
    """The matrix in the other measures."""
    notes: tuple[str, ...]


def transfer_view(shown: TransferShown) -> TransferView:
    """Write and colour."""
    pivot = shown.pivot
    main = pivot.blocks[0]
    changes = [abs(one.change.value) for row in main.rows for one in row.cells if one.change]
    most = max([_LEAST, *changes])
    columns = [named(pivot.column_axes, column) for column in pivot.columns]
    rows = []
    for row, line in zip(main.rows, shown.found.rows, strict=True):
        *within, name = named(pivot.row_axes, row.key)
        kinds = {cell.column: cell.kind for cell in line.cells}
        cells = (_cell(cell, kinds.get(place), most) for place, cell in enumerate(row.cells))
        rows.append(HeatRow(name, " · ".join(within), tuple(cells)))
    return TransferView(
        shown.title,
        ", ".join(pivot.row_axes),
        tuple(tuple(spans(columns, level)) for level in range(len(pivot.column_axes))),
        tuple(rows),
        tuple(summary_tables(shown.found)),
        table_view(replace(pivot, blocks=pivot.blocks[1:])),
        (*meaning(shown.found), *shown.found.notes),
    )


def _cell(cell: LayoutCell, kind: str | None, most: float) -> HeatCell:
    change = cell.change.value if cell.change else 0.0
    return HeatCell(
        words(cell),
        round(STRONGEST * abs(change) / most),
        "up" if change > 0 else "down" if change < 0 else "",
        kind == SAME,
        "" if kind is None else kind_title(kind),
    )
