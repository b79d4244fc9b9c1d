"""``rationale align``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as given

if TYPE_CHECKING:
    from ..measures.alignment_results import Alignment
    from ..runs.folder import Run


def command(
    human: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="CSV of people's answers: columns item, participant, response (and rt), or a row an item "
            "and a column a person.",
            rich_help_panel=given.WHAT,
        ),
    ],
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Names or paths of runs; without --answers, the latest if none."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV of anybody's answers: a row an item, a column a model; a column truth, gt or label is "
            "what is right.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            show_default="all",
            help="Columns of --answers that are models, separated by commas.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT",
            help="Split that was explained before; the first of the first run if none.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            show_default="the second of two classes",
            help="Class, or word, that an answer of 1 means.",
            rich_help_panel=given.HOW,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="the zero-shot run, if there is one",
            help="Run, or model of --answers, that the others are compared with.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    mixed: Annotated[
        bool,
        typer.Option("--mixed", help="Fit a mixed model, too, by statsmodels.", rich_help_panel=given.HOW),
    ] = False,
    export_brms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write every pair of answers as CSV with columns Model, Human, Ind for brms in R.",
            rich_help_panel=given.OUTPUT,
        ),
    ] = None,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV on standard output.", rich_help_panel=given.OUTPUT)
    ] = False,
) -> None:
    """Hold models against people: accuracy, agreement, correlations, and the ceiling that people set.

    Models are runs, or columns of a table of answers. Intervals come from resampled items.

    Examples:

      rationale align zs ft --human people.csv --split test

      rationale align --human people.csv --answers models.csv --json
    """
    from ..stages.align import AlignRequest
    from ..stages.align import run as align
    from .screen import TerminalProgress, one_output

    one_output(as_json, as_csv)
    request = AlignRequest(
        human,
        _opened(runs or [], answers, runs_dir),
        answers,
        tuple(one.strip() for one in columns.split(",")) if columns else None,
        split,
        positive,
        baseline,
        mixed,
        export_brms,
    )
    _write(align(request, TerminalProgress()), as_json, as_csv)


def _opened(names: list[str], answers: Path | None, root: Path) -> tuple[Run, ...]:
    from ..runs.folder import opened

    return () if answers and not names else opened(names, root)


def _write(result: Alignment, as_json: bool, as_csv: bool) -> None:
    from ..reporting.alignment_tables import alignment_csv, alignment_tables
    from .screen import console, print_json

    if as_json:
        from ..measures.results import to_json

        print_json(to_json(result))
    elif as_csv:
        typer.echo(alignment_csv(result), nl=False)
    else:
        from ..reporting.terminal import show

        show(alignment_tables(result), console())
