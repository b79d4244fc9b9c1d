"""``rationale audit``: what published figures say, and what they hide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import options as given
from .screen import guarded

_HELP = """Take figures apart: what they imply, and what they hide.

Examples:

  rationale audit published

  rationale audit published my-table.csv --json
"""

app = typer.Typer(name="audit", help=_HELP, no_args_is_help=True)


@app.command()
@guarded
def published(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            show_default="Tables 3 and 4 of the paper",
            help="CSV or YAML with columns method, acc, PT, IR; all other columns are the setting.",
        ),
    ] = None,
    unit: Annotated[
        Literal["percent", "fraction"] | None,
        typer.Option(
            show_default="percent where a number is above 1",
            help="What the numbers are.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            show_default="ZS",
            help="Method that the others of its setting are held against.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    as_json: given.Json = False,
) -> None:
    """Take published triples of accuracy, PT and IR apart.

    Told are the four quadrants, the rate V of valid evidence and the lift, whether a triple is possible at
    all, and, against the zero-shot row, whether IR rises by more than accuracy alone makes. No run is needed.

    Examples:

      rationale audit published

      rationale audit published my-table.csv --baseline ZS
    """
    from ..stages.audit import AuditRequest, run
    from . import screen

    result = run(AuditRequest(file, unit, baseline))
    if as_json:
        from ..measures.results import to_json

        screen.print_json(to_json(result))
        return
    from ..reporting.audit_tables import show

    show(result.tables, screen.console())
