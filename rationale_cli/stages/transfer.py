"""Transfer: a recipe's runs → a matrix of models and evaluation sets, and what each kind gains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..contracts import Progress, Silent
from ..errors import InputError
from ..measures.transfer_results import Transfer
from ..recipe import Recipe, shipped_recipes
from ..recipe.layouts import TransferLayout
from ..reporting.transfer import TransferShown
from ..runs.atomic import write_text
from ..runs.folder import Run
from .grid import GridRequest, inspect
from .score import ScoreRequest, prepare
from .transfer_groups import USUAL, of_groups, transfer_texts


@dataclass(frozen=True)
class TransferRequest:
    """A recipe's cells, and how their evidence is read."""

    grid: GridRequest
    threshold: float = 0.5
    """RMA at or above is valid evidence."""
    specification: str | None = None
    """Name of the evidence set; see ``ScoreRequest``."""


@dataclass(frozen=True)
class TransferResult:
    """What the runs say, and where it was written."""

    shown: TransferShown
    files: tuple[Path, ...]


def run(request: TransferRequest, progress: Progress | None = None) -> TransferResult:
    """What a recipe's runs say of transfer, as far as they are there; written beside them.

    Files are called as the recipe's own layout of this kind, where it has one.
    Raises ``InputError`` where none is, where no tuned run has an un-tuned one to be held against, and what
    ``stages.grid.inspect`` and ``stages.score.prepare`` raise.
    """
    progress = progress or Silent()
    cells, recipe = inspect(request.grid), request.grid.recipe
    paths = dict.fromkeys(cell.path for cell in cells if cell.state in ("tuned", "done") and cell.path)
    if not paths:
        raise InputError(
            f"Expected runs of the recipe {recipe.name!r} but none is finished.",
            where=str(request.grid.root),
            next_step=_command(recipe),
        )
    runs = tuple(Run.open(path) for path in paths)
    prepared = prepare(
        ScoreRequest(runs, (request.threshold,), specification=request.specification, mismatch="separate"),
        progress,
    )
    found = of_groups(prepared.groups, request.threshold, prepared.request.rma)
    if not any(cell.changes for row in found.rows for cell in row.cells):
        raise InputError(
            "Expected tuned runs beside the un-tuned model on the same pictures but the recipe "
            f"{recipe.name!r} has no such pair that is finished.",
            where=str(request.grid.root),
            next_step="give the recipe's grid a cell of `method: [zs]` with the same model and dataset, and "
            "run it",
        )
    lacking = sum(cell.state != "done" for cell in cells)
    if lacking:
        progress.warn(
            f"{lacking} of {len(cells)} cells are not finished and may lack here; "
            f"`{_command(recipe)}` goes on."
        )
    return _written(recipe, found, request.grid.root)


def _command(recipe: Recipe) -> str:
    shipped = shipped_recipes().get(recipe.name) == recipe.path
    return f"rationale run {recipe.name if shipped else recipe.path}"


def _written(recipe: Recipe, found: Transfer, root: Path) -> TransferResult:
    own = next((one for one in recipe.layouts if isinstance(one, TransferLayout)), TransferLayout(*USUAL))
    shown = TransferShown(own.name, own.title, found)
    texts = {root / recipe.folder / f"{own.name}{ending}": text for text, ending in transfer_texts(shown)}
    for path, text in texts.items():
        write_text(path, text)
    return TransferResult(shown, tuple(texts))
