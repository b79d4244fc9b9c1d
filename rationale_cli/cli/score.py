"""``rationale score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import options as given

if TYPE_CHECKING:
    from ..measures.results import ScoreResult
    from ..runs.folder import Run


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            show_default="every run that has evidence",
            help="Runs to score, by name or path; runs that cannot be compared are refused.",
        ),
    ] = None,
    thresholds: Annotated[
        list[float] | None,
        typer.Option(
            "--threshold",
            metavar="TAU",
            show_default="0.5",
            help="Evidence is valid when the relevant mass reaches it. Repeatable: one table each.",
            rich_help_panel=given.HOW,
        ),
    ] = None,
    baseline: given.Baseline = None,
    specification: given.Specification = None,
    rma: Annotated[
        Literal["normalised", "raw"],
        typer.Option(
            help="Relevant mass of the min-max normalised heatmap, or of the heatmap as it is.",
            rich_help_panel=given.HOW,
        ),
    ] = "normalised",
    resample: Annotated[
        Literal["images", "class"],
        typer.Option(
            "--bootstrap",
            help="Bootstrap over all pictures, or within each class.",
            rich_help_panel=given.HOW,
        ),
    ] = "images",
    bins: given.Bins = 15,
    confident: Annotated[
        float,
        typer.Option(
            metavar="P",
            help="Confidence from which on a right answer by invalid evidence is told apart.",
            rich_help_panel=given.HOW,
        ),
    ] = 0.9,
    allow_mismatch: given.AllowMismatch = False,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV on standard output.", rich_help_panel=given.OUTPUT)
    ] = False,
) -> None:
    """Score runs: right or wrong by valid or invalid evidence, calibration, intervals, differences, verdicts.

    Examples:

      rationale score --threshold 0.5

      rationale score zs ft --baseline zs --json
    """
    from ..stages.score import ScoreRequest
    from ..stages.score import run as score
    from .screen import TerminalProgress, one_output

    named = bool(runs) or baseline is not None
    request = ScoreRequest(
        runs=_opened(runs or [], baseline, runs_dir),
        thresholds=tuple(thresholds or (0.5,)),
        baseline=_name(baseline),
        specification=specification,
        rma=rma,
        resample=resample,
        bins=bins,
        confident=confident,
        mismatch="allow" if allow_mismatch else "refuse" if named else "separate",
    )
    one_output(as_json, as_csv)
    result = score(request, TerminalProgress())
    _write(result, as_json, as_csv)


def show(result: ScoreResult) -> None:
    """Print every table of a result on standard output."""
    from ..reporting.across import across_tables
    from ..reporting.calibration_tables import calibration_tables
    from ..reporting.tables import score_tables
    from ..reporting.terminal import show as show_tables
    from .screen import console

    tables = [*score_tables(result), *across_tables(result), *calibration_tables(result)]
    show_tables(tables, console())


def _write(result: ScoreResult, as_json: bool, as_csv: bool) -> None:
    if as_json:
        from ..measures.results import to_json
        from .screen import print_json

        print_json(to_json(result))
    elif as_csv:
        from ..reporting.export import score_csv

        typer.echo(score_csv(result), nl=False)
    else:
        show(result)


def _opened(names: list[str], baseline: str | None, root: Path) -> tuple[Run, ...]:
    from ..runs.folder import Run, distinct, list_runs

    found = [Run.open(name, root) for name in names] or [run for run in list_runs(root) if run.splits()]
    if baseline is not None:
        found.append(Run.open(baseline, root))
    return distinct(found)


def _name(baseline: str | None) -> str | None:
    return None if baseline is None else Path(baseline).name
