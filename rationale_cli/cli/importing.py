"""``rationale import``, and the same door in ``rationale explain --checkpoint``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as given

if TYPE_CHECKING:
    from ..registry import Registry
    from ..runs.folder import Run

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        show_default="auto",
        help="Layout of the checkpoint; see `rationale list formats`. auto recognises it by its names.",
        rich_help_panel=given.WHAT,
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="the format's",
        help="Method whose classifier the checkpoint is, where several fit.",
        rich_help_panel=given.WHAT,
    ),
]


def command(
    checkpoint: Annotated[Path, typer.Argument(metavar="FILE", help="File or folder of the checkpoint.")],
    model: given.Model = None,
    method: Method = None,
    dataset: given.Dataset = None,
    data: given.Data = None,
    weights: given.Weights = None,
    format_name: Format = None,
    sets: given.Sets = None,
    run: given.RunName = None,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
) -> None:
    """Turn a checkpoint that was trained elsewhere into a run folder, without training.

    explain, score and report then work on it as on any other run. Nothing in a checkpoint is executed.

    Examples:

      rationale import epoch_10.pt --model clip-vit-b-32 --dataset folder --data DIR

      rationale import prompt_learner/model.pth.tar-50 --model clip-vit-b-16 --dataset oxford-pets --data DIR

      rationale import head.pt --format linear --run probe
    """
    from .screen import console, plugins, print_json

    flags = {
        "--model": model,
        "--method": method,
        "--dataset": dataset,
        "--data": data,
        "--weights": weights,
    }
    made = imported(checkpoint, format_name, flags, sets or (), plugins(), runs_dir, run)
    facts = {"run": made.name, "path": str(made.path), **made.configuration["imported"]}
    if as_json:
        print_json({**facts, "method": made.configuration["method"]["use"]})
        return
    console().print(f"Run: {made.path}", markup=False)
    console().print(f"Format {facts['format']}, method {made.configuration['method']['use']}", markup=False)
    console().print(f"Next: rationale explain {made.name}", markup=False, style="dim")


def imported(
    checkpoint: Path,
    format_name: str | None,
    flags: Mapping[str, Any],
    sets: Sequence[str],
    registry: Registry,
    runs_dir: Path,
    name: str | None = None,
) -> Run:
    """Import with the settings of a command line; raises as the stage does."""
    from ..stages.importing import AUTO, ImportRequest
    from ..stages.importing import run as stage
    from .screen import TerminalProgress

    draft = given.drafted(None, flags, sets)
    request = ImportRequest(checkpoint, draft, registry, format_name or AUTO, runs_dir, name)
    return stage(request, TerminalProgress())
