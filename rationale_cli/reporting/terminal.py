"""Tables on a terminal: value beside interval where it is wide, stacked below that, a list where narrow."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .numbers import MINUS
from .tables import Cell, Row, Table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table as RichTable

WIDE, STACKED = 160, 100
"""Columns of text from which on a table has value and interval beside, or above, each other."""

PLAIN_WIDTH = 120
"""Where the output is no terminal."""

_STYLES = {"robust": "bold", "significant": "bold", "estimator-dependent": "yellow", "not audited": "yellow"}


def show(tables: Sequence[Table], console: Console) -> None:
    """Print tables, each with its findings, and under the last of a kind what columns and marks mean."""
    from rich.text import Text

    console = roomy(console)
    for index, table in enumerate(tables):
        console.print(Text(f"\n{table.title}", style="bold"))
        console.print(render(table, console.width), soft_wrap=False)
        print_lines(console, table.findings, "")
        following = tables[index + 1].legend if index + 1 < len(tables) else None
        if table.legend != following:
            print_lines(console, table.legend, "dim")


def render(table: Table, width: int) -> RenderableType:
    """The table as a rich renderable that fits ``width``."""
    if width < STACKED:
        return _list(table)
    grid = _grid((table.subject, *table.columns))
    for row in table.rows:
        grid.add_row(_name(row), *(_stack(cell, width >= WIDE) for cell in row.cells))
    return grid


def roomy(console: Console) -> Console:
    """A console that folds lines; where it is no terminal and nobody said how wide, of a width of ours."""
    from rich.console import Console

    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(file=console.file, width=PLAIN_WIDTH, highlight=False, quiet=console.quiet)


def print_lines(console: Console, lines: Sequence[str], style: str) -> None:
    """Sentences under a table, indented and folded."""
    from rich.text import Text

    for line in lines:
        # Folded here and not by rich, which would pad every line with blanks.
        text = _folded(line, console.width)
        console.print(Text(text, style=style), soft_wrap=True)


def _folded(line: str, width: int) -> str:
    return textwrap.fill(
        line,
        width,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _grid(columns: tuple[str, ...]) -> RichTable:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    grid = RichTable(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_lines=False, leading=1)
    for index, title in enumerate(columns):
        grid.add_column(title, justify="left" if index == 0 else "right", overflow="fold", vertical="top")
    return grid


def _name(row: Row) -> RenderableType:
    from rich.text import Text

    return Text.assemble((row.label, "bold"), "\n", (row.remark, "dim"))


def _stack(cell: Cell, wide: bool) -> RenderableType:
    from rich.text import Text

    limits = _limits(cell, brackets=wide)
    between = f"{' ' if wide else chr(10)}{limits}" if limits else ""
    parts = Text.assemble(cell.value, (between, "dim"))
    if cell.marked:
        parts.append(f"\n{cell.marked}", style=_STYLES.get(cell.verdict or "", "dim"))
    return parts


def _limits(cell: Cell, *, brackets: bool) -> str:
    low, high = cell.interval
    if not low:
        return ""
    signed = {low[0], high[0]} & {"+", MINUS}
    return f"[{low}, {high}]" if brackets or signed else f"{low}–{high}"


def _list(table: Table) -> RenderableType:
    """One line a run and measure: for terminals too narrow for a table of them."""
    from rich.text import Text

    grid = _grid((table.subject, "measure", "value", "95 % interval", "difference", ""))
    grid.columns[1].justify = "left"
    grid.leading = 0
    for row in table.rows:
        for index, (title, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
            name = Text.assemble((row.label, "bold"), " ", (row.remark, "dim")) if index == 0 else Text("")
            grid.add_row(
                name,
                title,
                cell.value,
                Text(_limits(cell, brackets=False), style="dim"),
                Text(cell.marked, style=_STYLES.get(cell.verdict or "", "dim")),
                Text(cell.difference_interval, style="dim"),
                end_section=index == len(row.cells) - 1,
            )
    return grid
