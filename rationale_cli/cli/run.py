"""``rationale run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as given

if TYPE_CHECKING:
    from ..reporting.recipe_section import RecipeSection
    from ..stages.grid import GridRequest, GridResult


def command(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe's name or file; see `rationale list recipes`.")
    ],
    data: given.DataFolders = None,
    only: given.Only = None,
    scale: given.Scale = None,
    launcher: Annotated[
        str | None,
        typer.Option(
            metavar="local|ray|slurm",
            show_default="the recipe's, or local",
            help="Who carries the cells out; settings are launcher.KEY, see `rationale info launcher ray`.",
            rich_help_panel=given.HOW,
        ),
    ] = None,
    sets: given.Sets = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show the cells, what they lack and what they will cost; do nothing.",
            rich_help_panel=given.HOW,
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            show_default="RECIPE.html in the runs folder",
            help="Where the report goes.",
            rich_help_panel=given.OUTPUT,
        ),
    ] = None,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
) -> None:
    """Run a recipe: tune, explain and score every cell of its grid, and write one report.

    Finished cells are not done again, so the same command goes on where it was interrupted.
    A cell that fails does not stop the others.

    Examples:

      rationale run quickstart

      rationale run quickstart --dry-run --only method=zs+ft --scale 0.1

      rationale run quickstart --launcher ray --set launcher.workers=2
    """
    from ..recipe import load_recipe
    from ..recipe.launching import launcher_options, launcher_sets
    from ..stages.grid import GridRequest
    from ..stages.grid import run as grid
    from ..stages.selection import parsed_selection
    from .dry_run import dry_run as tell
    from .screen import TerminalProgress, plugins

    loaded = load_recipe(recipe)
    launching, others = launcher_sets(sets or (), launcher)
    request = GridRequest(
        loaded,
        plugins(),
        given.overrides(given.scaled(scale), others),
        runs_dir,
        data,
        parsed_selection(only) if only else None,
        launcher_options(*loaded.launcher, launching),
    )
    if dry_run:
        tell(request, as_json=as_json)
        return
    result = grid(request, TerminalProgress())
    _show(request, result, output or runs_dir / f"{loaded.name}.html", as_json)


def _show(request: GridRequest, result: GridResult, output: Path, as_json: bool) -> None:
    from ..stages.entries import EntryRequest
    from ..stages.layouts import run as layouts
    from ..stages.report import of_scored as report
    from ..stages.score import ScoreRequest, recorded
    from .score import show
    from .screen import TerminalProgress, console, print_json

    progress = TerminalProgress()
    scored = recorded(ScoreRequest(result.runs, mismatch="separate"), progress)
    scores = scored.result
    placed = EntryRequest(result.cells, result.runs, scores, scored.prepared.groups, request.registry)
    shown = layouts(request.recipe, placed, request.root, progress)
    path = report(scored, output, recipe=shown.section, progress=progress).path
    if as_json:
        from ..measures.results import to_json

        failures = [{"cell": cell.label, "error": str(error)} for cell, error in result.failures]
        told = {"scores": to_json(scores), "report": str(path), "failures": failures}
        print_json(told | {"shown": [str(file) for file in shown.files]})
    else:
        if shown.section:
            _show_layouts(shown.section)
        else:
            show(scores)
        for cell in result.cells:
            if cell.state == "waiting":
                console().print(f"Left out: {cell.label}: {cell.reason}", style="yellow", markup=False)
        for cell, error in result.failures:
            console().print(f"Failed: {cell.label}: {error.what}", style="red", markup=False)
        for file in shown.files:
            console().print(f"Written: {file}", markup=False)
        console().print(f"Report: {path}", markup=False)
    if result.failures:
        raise typer.Exit(1)


def _show_layouts(section: RecipeSection) -> None:
    from ..reporting.pivot import Pivot
    from ..reporting.pivot_terminal import show
    from ..reporting.transfer import TransferShown
    from ..reporting.transfer_terminal import show as show_transfer
    from .screen import console

    for one in section.shown:
        if isinstance(one, Pivot):
            show(one, console())
        elif isinstance(one, TransferShown):
            show_transfer(one, console())
        else:
            console().print(f"\n{one.title}: drawn in the report.", markup=False)
