"""The tables of an audit of published figures, on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..measures.published import Bounded, Printed, Rise
from .audited import LIFT, AuditedRow, AuditedTable, defined, findings, shared, varying
from .numbers import PERCENT, UNDEFINED, Unit, number
from .terminal import print_lines, roomy

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

WIDE = 100
"""Columns of text from which on every quadrant and both accounts of IR are shown."""

LEGEND = (
    "Acc, PT, IR as published, %. V = Acc·PT/IR: valid evidence. RR = Acc·PT, RW = Acc − RR, WR = V − RR, "
    "WW: right or wrong by valid or invalid evidence, % of all pictures. Lift = IR/Acc = PT/V: 1 when "
    "evidence and correctness are independent. A triple is impossible when no numbers that round to it have "
    "WR ≤ 1 − Acc.",
    "Δ: points, less the zero-shot row. By accuracy: the rise of IR that accuracy alone makes, the odds "
    "ratio or the lift of zero-shot kept. Left over: the rest of the rise. Accuracy alone: 0 lies between "
    "the two, rounding allowed for; more, less: by however little. Rounding is all that is known here: "
    "published figures tell no sampling error.",
)

_RISES: dict[Rise, str] = {
    "beyond": "more",
    "explained": "accuracy alone",
    "short": "less",
    "undefined": UNDEFINED,
}
_STYLES = {"impossible": "bold red", "within rounding": "yellow", "more": "bold", "less": "yellow"}
_ONLY_WIDE = {"RR", "RW", "WW", "ΔWR", "Δlift", "by accuracy"}


def show(tables: Sequence[AuditedTable], console: Console) -> None:
    """Print tables, each with its findings, and what columns mean under the last."""
    console = roomy(console)
    wide = console.width >= WIDE
    for table in tables:
        title = " · ".join(one for one in (table.title, shared(table)) if one)
        console.print(_text(f"\n{title}", "bold"))
        console.print(triples(table, wide), soft_wrap=False)
        if any(row.contrast for row in table.rows):
            console.print(contrasts(table, wide), soft_wrap=False)
        print_lines(console, findings(table), "")
        if table.source:
            print_lines(console, [f"Source: {table.source}"], "dim")
    console.print()
    print_lines(console, LEGEND, "dim")


def triples(table: AuditedTable, wide: bool) -> RichTable:
    """Every row as published, and what follows from it."""
    titles = ("Acc", "PT", "IR", "V", "RR", "RW", "WR", "WW", "lift", "triple")
    rows = []
    for row in table.rows:
        figures = (row.published.accuracy, row.published.PT, row.published.IR)
        found = row.audit
        shares = (found.V, found.RR, found.RW, found.WR, found.WW)
        cells = (
            *map(_as_printed, figures),
            *(_number(one) for one in shares),
            _number(found.lift, LIFT),
            found.status,
        )
        rows.append((row, cells))
    return _table(table, ("method", *titles), rows, wide)


def contrasts(table: AuditedTable, wide: bool) -> RichTable:
    """Every row that has a zero-shot row: differences, and what accuracy alone makes of IR."""
    titles = ("ΔAcc", "ΔPT", "ΔIR", "ΔV", "ΔWR", "Δlift", "by accuracy", "left over", "rise of IR")
    rows = []
    for row in table.rows:
        if (one := row.contrast) is None:
            continue
        cells = (
            *(_number(each, signed=True) for each in (one.accuracy, one.PT, one.IR, one.V, one.WR)),
            _number(one.lift, LIFT, signed=True),
            _span(one.by_odds, one.by_lift),
            _span(one.beyond_odds, one.beyond_lift),
            _RISES[one.rise],
        )
        rows.append((row, cells))
    return _table(table, (f"less {table.baseline}", *titles), rows, wide)


def _table(
    table: AuditedTable,
    titles: Sequence[str],
    rows: Sequence[tuple[AuditedRow, tuple[str, ...]]],
    wide: bool,
) -> RichTable:
    """Rows under a line for each setting."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    grid = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    kept = [index for index, title in enumerate(titles) if wide or title not in _ONLY_WIDE]
    for index in kept:
        ends = index in (0, len(titles) - 1)
        grid.add_column(_text(titles[index]), justify="left" if ends else "right", overflow="fold")
    for setting, (row, cells) in zip(_settings(table, [row for row, _ in rows]), rows, strict=True):
        if setting:
            grid.add_row(_text((" · " if wide else "\n").join(setting), "bold"))
        written = (f"  {row.method}", *cells)
        grid.add_row(*(_text(written[index], _STYLES.get(written[index], "")) for index in kept))
    return grid


def _settings(table: AuditedTable, rows: Sequence[AuditedRow]) -> Iterator[tuple[str, ...]]:
    """For each row its setting where it differs from that of the row before, else nothing."""
    names = varying(table)
    last: tuple[str, ...] = ()
    for row in rows:
        setting = tuple(row.setting.get(name, "") for name in names)
        yield () if setting == last else setting
        last = setting


def _as_printed(figure: Printed | None) -> str:
    """Per cent, with as many digits as were printed."""
    if figure is None:
        return UNDEFINED
    digits = round(-math.log10(2 * PERCENT.factor * figure.half))
    return number(figure.value, Unit(PERCENT.factor, max(1, digits)))


def _number(one: Bounded, unit: Unit = PERCENT, *, signed: bool = False) -> str:
    return number(defined(one.value), unit, signed=signed)


def _span(one: Bounded, other: Bounded) -> str:
    known = sorted(value for value in (one.value, other.value) if defined(value) is not None)
    written = dict.fromkeys(number(value, signed=True) for value in known)
    return " … ".join(written) or UNDEFINED


def _text(text: str, style: str = "") -> Text:
    """A cell as it stands: nothing in it is markup."""
    from rich.text import Text

    return Text(text, style=style)
