"""Transfer as LaTeX: the matrix as other tables of recipes, and a table of kinds."""

from __future__ import annotations

from collections.abc import Iterator

from .pivot_latex import escaped, latex, line_of, small
from .tables import Cell, Table
from .transfer import TransferShown, summary_tables


def transfer_latex(shown: TransferShown, version: str) -> str:
    """Both as floats of their own; ``version`` is the tool's."""
    kinds = ("\n".join(_kinds(table)) for table in summary_tables(shown.found))
    return "\n".join((latex(shown.pivot, version), *kinds)) + "\n"


def _kinds(table: Table) -> Iterator[str]:
    yield r"\begin{table}"
    yield r"\centering"
    yield rf"\caption{{{escaped(' '.join((table.title + '.', *table.findings)))}}}"
    yield r"\par\medskip"
    yield rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}l}}"
    yield r"\toprule"
    yield line_of([escaped(one) for one in (table.subject, *table.columns)])
    yield r"\midrule"
    for row in table.rows:
        yield line_of([escaped(row.label), *(_value(cell) for cell in row.cells)])
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\par\smallskip"
    yield r"\begin{minipage}{\linewidth}\footnotesize"
    yield from (escaped(line) for line in table.legend)
    yield r"\end{minipage}"
    yield r"\end{table}"


def _value(cell: Cell) -> str:
    low, high = cell.interval
    limits = f" {small(f'[{low}, {high}]')}" if low else ""
    return escaped(cell.value) + limits
