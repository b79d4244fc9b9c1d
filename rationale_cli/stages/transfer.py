"""Transfer: run folders → a matrix of models and evaluation sets, and what each kind of transfer gains."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..contracts import Progress, Silent
from ..errors import InputError
from ..measures.bootstrap import Resampling
from ..measures.cases import Look
from ..measures.transfer import MARGIN, summary_of
from ..measures.transfer_cells import Tried, settled_changes, tried
from ..measures.transfer_results import Transfer, TransferSummary
from ..recipe import Recipe, shipped_recipes
from ..recipe.layouts import TransferLayout
from ..reporting.transfer import TransferShown
from ..reporting.transfer_csv import summary_csv, transfer_csv
from ..reporting.transfer_latex import transfer_latex
from ..runs.atomic import write_text
from ..runs.folder import Run
from .grid import GridRequest, inspect
from .score import ScoreRequest, prepare
from .shifts import Group
from .transfer_matrix import Column, Matrix, matrix_of

USUAL = ("transfer", "Does it transfer?")
"""Name of the files, and heading, where a recipe gives none."""


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


def transfer_texts(shown: TransferShown) -> Iterator[tuple[str, str]]:
    """What is written of transfer, and the endings of the files."""
    yield transfer_csv(shown.found), ".csv"
    yield summary_csv(shown.found), "-kinds.csv"
    yield transfer_latex(shown, __version__), ".tex"


def of_groups(
    groups: Sequence[Group],
    threshold: float,
    rma: str,
    only: Collection[tuple[Path, str]] | None = None,
    how: Resampling | None = None,
) -> Transfer:
    """What runs say of transfer that were read for scoring, by this ``rma``.

    ``only`` these runs (their folders) on these splits; None takes all.
    """
    matrix, universe = matrix_of(groups, threshold, only)
    look = Look(threshold, how or Resampling(), universe)
    found = {place: tried(trial, look) for place, trial in matrix.trials().items()}
    changes = dict(zip(found, settled_changes(list(found.values())), strict=True))
    return Transfer(
        ", ".join(dict.fromkeys(one.spec.name for one in matrix.columns.values())),
        rma,
        threshold,
        MARGIN,
        tuple(matrix.shown_columns()),
        tuple(matrix.shown_rows(threshold, changes)),
        tuple(_summaries(matrix, found, look)),
        tuple(_notes(matrix)),
    )


def _summaries(
    matrix: Matrix, found: Mapping[tuple[str, Column], Tried], look: Look
) -> Iterator[TransferSummary]:
    """Of all rows, and where there are several models or methods of the rows of each."""
    apart: dict[tuple[str, str], list[Tried]] = {}
    for (row, _), one in found.items():
        if one.trial.kind is not None:
            first = matrix.rows[row]
            apart.setdefault((first.model, first.method), []).append(one)
    if apart:
        yield summary_of([one for members in apart.values() for one in members], look)
    if len(apart) > 1:
        for (model, method), members in apart.items():
            yield summary_of(members, look, model, method)


def _notes(matrix: Matrix) -> Iterator[str]:
    splits = matrix.undeclared()
    if splits:
        yield (
            f"In no summary, since their datasets do not declare in what they differ from the training "
            f"pictures (`factors`): {', '.join(splits)}."
        )
