"""Run a recipe: every cell tuned and explained; finished cells are not done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contracts import Progress, Silent
from ..engine.conditions import own_labels
from ..engine.configure import Configuration, configure
from ..engine.estimators import plan
from ..engine.request import ExplainRequest
from ..errors import InputError, RationaleError, WorkError
from ..recipe import Layer, Recipe, cells
from ..registry import Registry
from ..runs.folder import Run
from .explain import run as explain
from .finetune import FinetuneRequest
from .finetune import run as finetune


@dataclass(frozen=True)
class Cell:
    """One cell of a grid and how far it is."""

    configuration: Configuration
    path: Path
    """Its run folder."""
    state: str
    """``new``, ``interrupted``, ``tuned`` (no or not all evidence) or ``done``."""

    @property
    def label(self) -> str:
        """What distinguishes the cell, or the run's name."""
        return self.configuration.label or self.path.name


@dataclass(frozen=True)
class GridRequest:
    """A recipe, settings over it, and where runs are kept."""

    recipe: Recipe
    registry: Registry
    overrides: Layer
    root: Path = Path("runs")


@dataclass(frozen=True)
class GridResult:
    """The runs of all cells that succeeded, and what went wrong in the others."""

    runs: tuple[Run, ...]
    failures: tuple[tuple[Cell, RationaleError], ...]


def inspect(request: GridRequest) -> tuple[Cell, ...]:
    """The cells of a recipe, all checked before anything is done.

    Raises ``InputError`` or ``PluginError`` naming the cell.
    """
    found = []
    for draft in cells(request.recipe, request.overrides):
        try:
            configuration = configure(draft, request.registry)
        except RationaleError as error:
            where = f"cell {draft.label}" if draft.label else request.recipe.name
            raise InputError(error.what, where=where, next_step=error.next_step) from error
        path = request.root / configuration.run_name()
        found.append(Cell(configuration, path, _state(configuration, path, request.registry)))
    return tuple(found)


def run(request: GridRequest, progress: Progress | None = None) -> GridResult:
    """Tune and explain every cell; a cell that fails does not stop the others."""
    progress = progress or Silent()
    runs: list[Run] = []
    failures: list[tuple[Cell, RationaleError]] = []
    found = inspect(request)
    with progress.task(f"recipe {request.recipe.name}", len(found)) as advance:
        for cell in found:
            try:
                runs.append(_do(cell, request, progress))
            except RationaleError as error:
                failures.append((cell, error))
                progress.warn(f"{cell.label} failed: {error.what}")
            advance(1, cell.label)
    if not runs:
        raise failures[0][1] if failures else WorkError("Expected cells in the recipe but there are none.")
    return GridResult(tuple(runs), tuple(failures))


def _do(cell: Cell, request: GridRequest, progress: Progress) -> Run:
    tuned = finetune(FinetuneRequest(cell.configuration, request.root), progress).run
    if cell.state != "done":
        wanted = (cell.configuration.attribution,)
        explain(ExplainRequest(tuned, cell.configuration, wanted, request.registry), progress)
    return Run.open(tuned.path)


def _state(configuration: Configuration, path: Path, registry: Registry) -> str:
    if not (path / "run.yaml").is_file():
        return "new"
    there = Run.open(path)
    if not there.done:
        return "interrupted"
    if configuration.shift is not None:
        # Its splits are known once it is opened; what is there already is kept then.
        return "tuned"
    splits: Sequence[str] = configuration.explain.splits or there.manifest["splits"]
    labels = own_labels(configuration, there.configuration, splits)
    wanted = plan((configuration.attribution,), configuration.explain, registry)
    names = {name for one in wanted for name in one.names()} | (
        {"witness"} if configuration.explain.witness else set()
    )
    complete = all(
        (path / "evidence" / label / name / "table.parquet").is_file() for label in labels for name in names
    )
    return "done" if complete else "tuned"
