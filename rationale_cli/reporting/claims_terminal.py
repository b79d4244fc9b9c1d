"""Claims on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .claims import ClaimGroup, ClaimLine, ClaimsText, Untested
from .terminal import STACKED, print_lines, roomy

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {"good": "bold green", "bad": "bold red", "limited": "yellow", "open": "dim"}

_COLUMNS = (("", 4), ("", 27), ("verdict", 28), ("effect [95 %]", 22), ("cells", 7), ("est. × τ", 8),
            ("controls", 8), ("witness", 7))  # fmt: skip
"""Title and width."""

_LEGEND = (
    "C numbers: the paper's claims. Effects: points or ratios. Cells: how many are for it (−: against). "
    "Est. × τ: how many estimators and thresholds agree. Controls: how many it goes beyond. Witness: which "
    "way accuracy without the object (PT, heat) or on the object alone (IR) speaks.",
)


def show_claims(text: ClaimsText, console: Console) -> None:
    """Print every claim with its verdict, then what could not be tested and what it lacks."""
    from rich.text import Text

    console = roomy(console)
    console.print(Text(f"\nClaims. {text.heading}", style="bold"))
    for place, group in enumerate(text.groups):
        console.print(Text(f"\n{group.subject} …", style="bold"))
        if console.width >= STACKED:
            console.print(_table(group, head=place == 0))
        else:
            print_lines(console, [_sentence(one) for one in group.lines], "")
        print_lines(console, [f"{one.short}: {one.decides}" for one in group.lines if one.decides], "dim")
    if text.untested:
        console.print(Text("\nNot tested", style="bold"))
        print_lines(console, [_lacking(one) for one in text.untested], "")
    console.print()
    print_lines(console, (*text.rule, *(_LEGEND if text.groups and console.width >= STACKED else ())), "dim")


def _table(group: ClaimGroup, *, head: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=head, padding=(0, 1, 0, 0))
    for title, width in _COLUMNS:
        table.add_column(title, width=width)
    for one in group.lines:
        table.add_row(
            Text(one.source, style="dim"),
            one.short,
            Text(one.verdict, style=_STYLES[one.tone]),
            f"{one.effect} {one.interval}".rstrip(),
            one.cells.replace(" of ", "/").replace(", ", " (−").replace(" against", ")"),
            one.estimators.replace(" of ", "/") if one.controls else "",
            one.controls.replace(" of ", "/"),
            one.witness or "",
        )
    return table


def _sentence(one: ClaimLine) -> str:
    source = f"{one.source} " if one.source else ""
    parts = [f"{one.effect} {one.interval}".rstrip(), f"cells for it: {one.cells}"]
    parts += [f"estimators × τ: {one.estimators}"] if one.controls else []
    short = f", not {one.short_of}" if one.short_of else ""
    parts += [f"beyond controls: {one.controls}{short}"] if one.controls else []
    parts += [f"witness: {one.witnessed}"] if one.witnessed else []
    return f"{source}{one.short}: {one.verdict}. {'; '.join(parts)}."


def _lacking(one: Untested) -> str:
    source = f" ({one.sources})" if one.sources else ""
    remedy = f" `{one.remedy}`" if one.remedy else ""
    return f"{one.subject} … {', '.join(one.shorts)}{source}: lacks {one.lacking}.{remedy}"
