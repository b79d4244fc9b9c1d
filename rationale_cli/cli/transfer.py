"""``rationale transfer``."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as given


def command(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="A recipe whose cells were run; its name or file, as for `rationale run`."
        ),
    ],
    only: given.Only = None,
    scale: given.Scale = None,
    data: given.DataFolders = None,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="TAU",
            help="Evidence is valid when the relevant mass reaches it.",
            rich_help_panel=given.HOW,
        ),
    ] = 0.5,
    specification: given.Specification = None,
    sets: given.Sets = None,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
) -> None:
    """Tell whether tuning helps where a model was not tuned: a matrix of models and evaluation sets.

    Rows are un-tuned and tuned models, columns the pictures that they were judged on: like those
    of the tuning, of another size, style or task, as their dataset declares it. Each cell holds
    accuracy, balanced accuracy, PT and V, with what tuning changed; a line for each kind says what
    was gained there, and whether it transfers. Only run folders are read; the same is left beside
    them as CSV and LaTeX, and `rationale report` draws it.

    Examples:

      rationale run cognition && rationale transfer cognition

      rationale transfer cognition --only method=zs+ft --json
    """
    from ..measures.results import to_json
    from ..recipe import load_recipe
    from ..reporting.transfer_terminal import show
    from ..stages.grid import GridRequest
    from ..stages.selection import parsed_selection
    from ..stages.transfer import TransferRequest
    from ..stages.transfer import run as transfer
    from .screen import TerminalProgress, console, plugins, print_json

    request = GridRequest(
        load_recipe(recipe),
        plugins(),
        given.overrides(given.scaled(scale), sets),
        runs_dir,
        data,
        parsed_selection(only) if only else None,
    )
    result = transfer(TransferRequest(request, threshold, specification), TerminalProgress())
    if as_json:
        print_json(to_json(result.shown.found) | {"files": [str(one) for one in result.files]})
        return
    show(result.shown, console())
    for file in result.files:
        console().print(f"Written: {file}", markup=False)
