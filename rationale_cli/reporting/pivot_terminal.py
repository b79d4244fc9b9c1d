"""A recipe's tables on a terminal: columns that do not fit beside each other stand below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .pivot import Block, Pivot
from .pivot_text import Words, average_titles, legend, metric_title, named, words
from .terminal import print_lines, roomy

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_RANKS = {"best": "bold", "second": "underline", "": ""}
_UNBOUNDED = 10_000


def show(pivot: Pivot, console: Console) -> None:
    """Print a table, block by block, and what its marks mean."""
    from rich.text import Text

    console = roomy(console)
    console.print(Text(f"\n{pivot.title}", style="bold"))
    for block in pivot.blocks:
        if block.metric:
            console.print(Text(f"\n{metric_title(block.metric)}"))
        for grid in _fitting(pivot, block, console):
            console.print(grid, soft_wrap=False)
    print_lines(console, legend(pivot), "dim")


def _fitting(pivot: Pivot, block: Block, console: Console) -> list[Table]:
    """As few tables as can be, each with as many columns as there is room for."""
    grids, start, total = [], 0, len(pivot.columns) + len(pivot.averages)
    while start < total:
        end = total
        while end > start + 1 and _width(_grid(pivot, block, range(start, end)), console) > console.width:
            end -= 1
        end = next((one for one in range(end, start, -1) if _parts(pivot, one)), end)
        grids.append(_grid(pivot, block, range(start, end)))
        start = end
    return grids


def _parts(pivot: Pivot, place: int) -> bool:
    """Whether columns may be parted here: a group under one heading stays together where it can."""
    columns = pivot.columns
    return place >= len(columns) or len(columns[0]) == 1 or columns[place - 1][0] != columns[place][0]


def _width(grid: Table, console: Console) -> int:
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(width=_UNBOUNDED), grid).maximum


def _grid(pivot: Pivot, block: Block, columns: range) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, leading=1)
    for axis in pivot.row_axes:
        table.add_column(Text(axis), vertical="top")
    titles = [
        *("\n".join(named(pivot.column_axes, column)) for column in pivot.columns),
        *average_titles(pivot),
    ]
    for place in columns:
        table.add_column(Text(titles[place]), justify="right", vertical="top", no_wrap=True)
    for row in block.rows:
        cells = (*row.cells, *row.averages)
        table.add_row(
            *(Text(name) for name in named(pivot.row_axes, row.key)),
            *(_stacked(words(cells[place])) for place in columns),
        )
    return table


def _stacked(told: Words) -> Text:
    from rich.text import Text

    lines = [Text(told.value, style=_RANKS[told.rank] if told.measured else "dim")]
    lines += [Text(line, style="dim") for line in (told.limits, told.note) if line]
    lines += [Text(told.change + told.marks)] if told.change else []
    if told.published:
        beyond = f" ({told.beyond})" if told.beyond else ""
        lines.append(Text(f"pub. {told.published}{beyond}", style="dim"))
    return Text("\n").join(lines)
