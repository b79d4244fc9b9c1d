"""``rationale faithfulness``."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as given


def command(
    runs: given.Runs = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT",
            help="Split that was explained before; the first of each run if none.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Look at so many pictures at most, evenly spread over the split.",
            rich_help_panel=given.HOW,
        ),
    ] = 100,
    steps: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=2,
            help="Points of the curves of deletion and insertion.",
            rich_help_panel=given.HOW,
        ),
    ] = 10,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
) -> None:
    """Test whether heatmaps are to be believed: every evidence set of a split, beside its controls.

    Deletion and insertion, shuffled weights, another class, mirrored pictures, masks, agreement; and where
    backgrounds are known exactly, what exchanging object and background does to the score.

    Examples:

      rationale explain ft --attribution all && rationale faithfulness ft

      rationale faithfulness zs ft --split swapped --limit 200 --json
    """
    from ..measures.results import to_json
    from ..runs.folder import opened
    from ..stages.faithfulness import FaithfulnessRequest
    from ..stages.faithfulness import run as test
    from .screen import TerminalProgress, console, plugins, print_json

    registry = plugins()
    results = [
        test(FaithfulnessRequest(one, registry, split, limit, steps), TerminalProgress())
        for one in opened(runs or (), runs_dir)
    ]
    if as_json:
        print_json([to_json(one) for one in results])
        return
    from ..reporting.faithfulness_tables import faithfulness_tables
    from ..reporting.terminal import show

    show([table for one in results for table in faithfulness_tables(one)], console())
