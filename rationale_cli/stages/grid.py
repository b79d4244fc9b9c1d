"""Run a recipe: every cell tuned and explained; finished cells are not done again."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..contracts import Progress, Silent
from ..engine.conditions import own_labels
from ..engine.configuration import Configuration
from ..engine.configure import configure
from ..engine.estimators import plan
from ..engine.request import ExplainRequest
from ..errors import InputError, PluginError, RationaleError, WorkError, did_you_mean
from ..hooks import bare_name
from ..measures.calibration_results import COMPARED
from ..measures.estimates import METRICS, WORST_GROUP
from ..measures.tradeoff import KNOWN as RIVALS
from ..recipe import (
    DEFAULTS,
    PLUGINS,
    REGULARIZER,
    SHIFT,
    Draft,
    Layer,
    Recipe,
    TrainOptions,
    cells,
    names_of,
    same_plugin,
)
from ..recipe.launching import LauncherOptions, LocalOptions
from ..recipe.layouts import GalleryLayout, TableLayout, TradeoffLayout, TransferLayout
from ..recipe.regularizers import NONE
from ..registry import Registry
from ..reporting.published import shipped_tables
from ..runs.folder import Run
from ..runs.lock import held
from .explain import run as explain
from .finetune import FinetuneRequest
from .finetune import run as finetune
from .selection import Selection, selected
from .shares import carried_out

WAITING, FAILED = "waiting", "failed"

MEASURES = (*METRICS, *COMPARED, WORST_GROUP)
"""What tables and curves of a recipe can show."""

ALL = "all"
"""Value of the axis ``shots`` where a cell is tuned on all pictures."""

_R = TypeVar("_R")


@dataclass(frozen=True)
class Cell:
    """One cell of a recipe and how far it is."""

    label: str
    """What distinguishes it from the recipe's other cells, or the run's name."""
    axes: Mapping[str, str]
    """Of ``recipe.layouts.AXES`` those that the cell decides: ``setup`` where it has one, ``model``,
    ``method``, ``regularizer`` and ``dataset`` as bare names, ``train`` (split), ``shots`` and ``seed``."""
    state: str
    """``new``, ``interrupted``, ``tuned`` (no or not all evidence), ``done``, ``waiting`` (for an optional
    plugin) or, after the work, ``failed``."""
    reason: str = ""
    """Why it waits or failed."""
    configuration: Configuration | None = None
    """None where it waits."""
    path: Path | None = None
    """Its run folder, which cells of several setups may share; None where it waits."""
    draft: Draft = field(default_factory=lambda: Draft({}))
    """What the recipe asks for."""


@dataclass(frozen=True)
class GridRequest:
    """A recipe, settings over it, and where runs are kept."""

    recipe: Recipe
    registry: Registry
    overrides: Layer
    root: Path = Path("runs")
    data: Path | None = None
    """A folder with one folder for each dataset; None takes that of ``RATIONALE_DATA``."""
    only: Selection | None = None
    """Which cells; None takes all."""
    launcher: LauncherOptions = field(default_factory=LocalOptions)
    """Who carries the cells out. An engine's workers find plugins themselves, as ``Registry.discover``
    does."""


@dataclass(frozen=True)
class GridResult:
    """The runs of all cells that succeeded, and what became of each cell."""

    runs: tuple[Run, ...]
    """Each once, also where several setups share it."""
    failures: tuple[tuple[Cell, RationaleError], ...]
    cells: tuple[Cell, ...] = ()
    """All that were asked for, in the recipe's order."""


def planned(request: GridRequest) -> tuple[Cell, ...]:
    """The cells of a recipe that were asked for, all checked; whatever was done of them, they are ``new``.

    Raises ``InputError`` naming the cell, and for what the recipe shows or the request selects where there is
    no such thing.
    """
    _check_layouts(request.recipe)
    every = [_cell(draft, request) for draft in cells(request.recipe, request.overrides)]
    return tuple(selected(every, request.only)) if request.only else tuple(every)


def inspect(request: GridRequest) -> tuple[Cell, ...]:
    """The same with their states. Raises as ``planned`` does, and for a run folder that cannot be read."""
    return tuple(
        replace(cell, state=_state(cell.configuration, cell.path, request.registry))
        if cell.configuration and cell.path
        else cell
        for cell in planned(request)
    )


def run(request: GridRequest, progress: Progress | None = None) -> GridResult:
    """Tune and explain every cell; a cell that waits is left out, one that fails does not stop the others.

    Raises ``InputError`` where the launcher cannot be used, and the first failure where all failed.
    """
    progress = progress or Silent()
    found = inspect(request)
    outcomes: dict[int, Run | RationaleError | None] = {}
    with (
        progress.task(f"recipe {request.recipe.name}", len(found)) as advance,
        closing(_outcomes(found, request, progress)) as ended,
    ):
        for number, outcome in ended:
            outcomes[number] = outcome
            advance(1, found[number].label)
    return _result(found, outcomes)


def attempted(label: str, work: Callable[[], _R], progress: Progress) -> _R | RationaleError:
    """What the work on a cell gives, or what went wrong with it, which is told."""
    try:
        return work()
    except RationaleError as error:
        progress.warn(f"{label} failed: {error.what}")
        # Without its traceback, which would keep the failed cell's tensors in memory.
        return type(error)(error.what, where=error.where, next_step=error.next_step)
    except Exception as error:  # out of memory, a plugin's fault: hours of other cells are not its to stop
        progress.warn(f"{label} failed unexpectedly:\n{traceback.format_exc()}")
        return WorkError(f"{type(error).__name__}: {error}", where=label)


def carry_out(configuration: Configuration, root: Path, registry: Registry, progress: Progress) -> Run:
    """Tune and explain one cell; what is there already is kept. Nobody else works in its folder meanwhile."""
    path = root / configuration.run_name()
    with held(path, lambda: progress.note(f"{path.name} is being worked on already; waiting for it.")):
        tuned = finetune(FinetuneRequest(configuration, root), progress).run
        # Looked up anew: a cell of another setup may have done the same work just now.
        if _state(configuration, path, registry) != "done":
            explain(ExplainRequest(tuned, configuration, configuration.attributions, registry), progress)
        return Run.open(tuned.path)


def _outcomes(
    found: Sequence[Cell], request: GridRequest, progress: Progress
) -> Generator[tuple[int, Run | RationaleError | None], None, None]:
    """Cells by their numbers, as they end: the run, what went wrong, or None for one that waits."""
    elsewhere = {}
    for number, cell in enumerate(found):
        if cell.state == WAITING:
            progress.note(f"{cell.label} is left out: {cell.reason}")
            yield number, None
        elif isinstance(request.launcher, LocalOptions) or cell.state == "done":
            yield number, attempted(cell.label, partial(_here, cell, request, progress), progress)
        else:
            elsewhere[number] = cell
    if elsewhere:
        with closing(carried_out(elsewhere, request, progress)) as ended:
            for number, error in ended:
                yield number, error or Run.open(_path(elsewhere[number]))


def _here(cell: Cell, request: GridRequest, progress: Progress) -> Run:
    assert cell.configuration is not None
    return carry_out(cell.configuration, request.root, request.registry, progress)


def _path(cell: Cell) -> Path:
    assert cell.path is not None
    return cell.path


def _result(found: Sequence[Cell], outcomes: Mapping[int, Run | RationaleError | None]) -> GridResult:
    """In the recipe's order, whatever ended first. Raises where there is no run."""
    cells, runs, failures = list(found), dict[Path, Run](), list[tuple[Cell, RationaleError]]()
    for number, cell in enumerate(found):
        outcome = outcomes[number]
        if isinstance(outcome, Run):
            runs[outcome.path] = outcome
            cells[number] = replace(cell, state="done")
        elif outcome is not None:
            cells[number] = replace(cell, state=FAILED, reason=outcome.what)
            failures.append((cells[number], outcome))
    if not runs:
        raise failures[0][1] if failures else _nothing_to_do(found)
    return GridResult(tuple(runs.values()), tuple(failures), tuple(cells))


def _cell(draft: Draft, request: GridRequest) -> Cell:
    reason = _waits_for(draft, request)
    if reason:
        axes = _planned_axes(draft)
        return Cell(draft.name or ", ".join(axes.values()), axes, WAITING, reason, draft=draft)
    try:
        configuration = configure(draft, request.registry, request.data)
    except RationaleError as error:
        where = f"cell {draft.name}" if draft.name else request.recipe.name
        raise InputError(error.what, where=where, next_step=error.next_step) from error
    path = request.root / configuration.run_name()
    return Cell(
        draft.name or path.name,
        _axes(draft, configuration),
        "new",
        configuration=configuration,
        path=path,
        draft=draft,
    )


def _waits_for(draft: Draft, request: GridRequest) -> str:
    """Why an optional plugin of this cell cannot be used; empty where all can."""
    named = [(section, _named(draft, section)) for section in PLUGINS]
    for section, name in (*named, *((REGULARIZER, one) for one in names_of(draft.given))):
        if not any(same_plugin(name, one) for one in request.recipe.optional):
            continue
        kind = "dataset" if section == SHIFT else section
        if not any(same_plugin(name, one.qualified) for one in request.registry.entries(kind)):
            return f"{kind} {name!r} is not installed"
        try:
            request.registry.load(kind, name)
        except PluginError as error:
            return error.what
    return ""


def _named(draft: Draft, section: str) -> str:
    given = draft.given.get(f"{section}.use")
    return str(given.value) if given else DEFAULTS.get(section, "")


def _axes(draft: Draft, configuration: Configuration) -> dict[str, str]:
    return {
        **({"setup": draft.setup} if draft.setup else {}),
        "model": configuration.model.bare,
        "method": configuration.method.bare,
        "regularizer": "+".join(one.bare for one in configuration.regularizers) or NONE,
        "dataset": configuration.dataset.bare,
        "train": configuration.train.split,
        "shots": str(configuration.train.shots or ALL) if configuration.learns else "0",
        "seed": str(configuration.train.seed),
    }


def _planned_axes(draft: Draft) -> dict[str, str]:
    """As far as a cell is known that cannot be configured."""
    usual = TrainOptions()
    given = {key: str(one.value) for key, one in draft.given.items()}
    return {
        **({"setup": draft.setup} if draft.setup else {}),
        **{noun: _bare(_named(draft, noun)) for noun in ("model", "method")},
        "regularizer": "+".join(map(_bare, names_of(draft.given))) or NONE,
        "dataset": _bare(_named(draft, "dataset")),
        "train": given.get("train.split", usual.split),
        "shots": given.get("train.shots", ALL),
        "seed": given.get("train.seed", str(usual.seed)),
    }


def _bare(name: str) -> str:
    """Of a plugin as it was asked for, perhaps without its distribution."""
    return bare_name(name) if name in DEFAULTS.values() else name


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
    wanted = plan(configuration.attributions, configuration.explain, registry)
    names = {name for one in wanted for name in one.names()} | (
        {"witness"} if configuration.explain.witness else set()
    )
    complete = all(
        (path / "evidence" / label / name / "table.parquet").is_file() for label in labels for name in names
    )
    return "done" if complete else "tuned"


def _check_layouts(recipe: Recipe) -> None:
    """That measures and published tables which the recipe shows are known."""
    for layout in recipe.layouts:
        known = RIVALS if isinstance(layout, TradeoffLayout) else MEASURES
        for metric in () if isinstance(layout, GalleryLayout | TransferLayout) else layout.metrics:
            if metric not in known:
                raise InputError(
                    f"show: {layout.name}: unknown measure {metric!r}. {did_you_mean(metric, known)}",
                    where=str(recipe.path),
                )
        if isinstance(layout, TableLayout) and layout.published is not None:
            tables = {one.name for one in shipped_tables().values()}
            if layout.published not in tables:
                told = did_you_mean(layout.published, tables)
                raise InputError(
                    f"show: {layout.name}: no published table is called {layout.published!r}. {told}",
                    where=str(recipe.path),
                )


def _nothing_to_do(found: Sequence[Cell]) -> RationaleError:
    if found:
        return InputError(f"Expected a cell that can be run but all wait: {found[0].reason}.")
    return WorkError("Expected cells in the recipe but there are none.")
