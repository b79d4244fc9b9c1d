"""``rationale words``."""

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
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
) -> None:
    """Tell which words of the class texts carried the scores of a split, learned words among them.

    Mean share of each word over pictures, with its interval; where texts are written, also what becomes of
    the logit without it. For zero-shot, prompt-tuned and other runs whose class vectors come from texts.

    Examples:

      rationale explain zs && rationale words zs

      rationale words zs coop --split shifted --limit 200 --json
    """
    from ..measures.results import to_json
    from ..runs.folder import opened
    from ..stages.words import WordsRequest
    from ..stages.words import run as tell
    from .screen import TerminalProgress, console, plugins, print_json

    registry = plugins()
    results = [
        tell(WordsRequest(one, registry, split, limit), TerminalProgress())
        for one in opened(runs or (), runs_dir)
    ]
    if as_json:
        print_json([to_json(one) for one in results])
        return
    from ..reporting.terminal import show
    from ..reporting.words_table import words_table

    show([words_table(one) for one in results], console())
