"""A recipe's cells and their scores → entries: one cell on one set of pictures, as layouts arrange them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..contracts import Progress, Silent
from ..engine.conditions import own_labels
from ..engine.configuration import Configuration
from ..engine.estimators import plan
from ..measures.base_new import BASE, NEW
from ..measures.base_new_results import JoinedHalves
from ..measures.results import ScoreResult, ScoreTable
from ..measures.run_results import RunScore
from ..registry import Registry
from ..reporting.gallery import Basis
from ..reporting.layout_entries import FAILED, MEASURED, MISSING, WAITING, Entry, pictures
from ..reporting.side_by_side import Explained
from ..runs.folder import Run
from .comparable import named
from .grid import Cell
from .score import ScoreRequest, prepare, score
from .shifts import Group

_AXIS_KEYS = ("model", "method", "regularizer", "dataset", "train.split", "train.shots", "train.seed")
"""Keys of a grid that are axes."""


@dataclass(frozen=True)
class EntryRequest:
    """A recipe's cells after its run."""

    cells: tuple[Cell, ...]
    runs: tuple[Run, ...]
    """Of the cells that are done."""
    scores: ScoreResult
    """Of these runs."""
    groups: tuple[Group, ...]
    """What the scores were computed from."""
    registry: Registry


class Placed(NamedTuple):
    """An entry, and where its heatmaps are if there are any."""

    entry: Entry
    explained: Explained | None


class _Done(NamedTuple):
    axes: Mapping[str, str]
    run: Run
    name: str
    """Of the run in scores."""
    specification: str
    labels: tuple[str, ...]
    """Of the evidence that the cell has or should have."""


class _Found(NamedTuple):
    table: ScoreTable
    row: RunScore
    joined: JoinedHalves | None


def entries(request: EntryRequest, progress: Progress | None = None) -> list[Placed]:
    """Every cell on every set of pictures that it, or another cell of its dataset, was explained on.

    A cell whose estimator is not the one of the scores is scored by its own. Raises what scoring raises.
    """
    axes = _axes(request.cells)
    names = {run.path: (name, run) for name, run in named(request.runs)}
    done = {
        place: _done(cell.configuration, axes[place], *names[cell.path], request.registry)
        for place, cell in enumerate(request.cells)
        if cell.configuration is not None and cell.path in names and cell.state != FAILED
    }
    found = _found(list(done.values()), request, progress or Silent())
    return [
        placed
        for place, cell in enumerate(request.cells)
        for placed in (
            _measured(done[place], found)
            if place in done
            else _unmeasured(axes[place], FAILED if cell.state == FAILED else WAITING, list(done.values()))
        )
    ]


def _axes(cells: Sequence[Cell]) -> list[dict[str, str]]:
    """Each cell's axes; where two cells have the same, what else the grid gave them is their ``setup``."""
    found = [dict(cell.axes) for cell in cells]
    for cell, axes in zip(cells, found, strict=True):
        if sum(cell.axes == other.axes for other in cells) > 1 and cell.configuration is not None:
            parts = (part for part in cell.configuration.label.split(", ") if part)
            told = [part for part in parts if part.partition("=")[0] not in _AXIS_KEYS]
            axes["setup"] = ", ".join(one for one in (axes.get("setup", ""), *told) if one)
    return found


def _done(
    configuration: Configuration, axes: Mapping[str, str], name: str, run: Run, registry: Registry
) -> _Done:
    asked = configuration.explain.model_copy(update={"audit": False})
    wanted, *_ = plan((configuration.attribution,), asked, registry)
    return _Done(axes, run, name, wanted.names()[0], _labels(configuration, run))


def _labels(configuration: Configuration, run: Run) -> tuple[str, ...]:
    """What the cell asked for, and whatever else its run was explained on in the same view."""
    splits = configuration.explain.splits or tuple(run.manifest["splits"])
    asked = own_labels(configuration, run.configuration, splits)
    (view,) = {_view(label) for label in asked[:1]}
    return tuple(dict.fromkeys([*asked, *(label for label in run.splits() if _view(label) == view)]))


def _view(label: str) -> str:
    return next((part for part in label.split("+") if part.startswith("view-")), "")


def _found(
    done: Sequence[_Done], request: EntryRequest, progress: Progress
) -> dict[tuple[str, str, str], _Found]:
    """(estimator, run, label) → its row; estimators that the scores lack are scored now."""
    found = dict(_rows(request.scores))
    lacking: dict[str, dict[str, Run]] = {}
    for one in done:
        there = [label for label in one.labels if (_folder(one, label) / "spec.yaml").is_file()]
        if any((one.specification, one.name, label) not in found for label in there):
            lacking.setdefault(one.specification, {})[one.name] = one.run
    for specification, runs in lacking.items():
        wanted = ScoreRequest(tuple(runs.values()), specification=specification, mismatch="separate")
        # What a run lacks is told by its entries' state; warnings of it would only repeat that.
        found |= _rows(score(prepare(wanted), progress))
    return found


def _folder(one: _Done, label: str) -> Path:
    return one.run.path / "evidence" / label / one.specification


def _rows(result: ScoreResult) -> Iterator[tuple[tuple[str, str, str], _Found]]:
    joined = {
        (means.specification, run, f"{means.split}{half}"): one
        for means in result.joined
        for one in means.rows
        for run in one.runs
        for half in (BASE, NEW)
    }
    for table in result.tables:
        for row in table.rows:
            place = table.specification, row.run, table.split
            yield place, _Found(table, row, joined.get(place))


def _measured(one: _Done, found: Mapping[tuple[str, str, str], _Found]) -> Iterator[Placed]:
    for label in one.labels:
        axes = {**one.axes, **pictures(label)}
        scored = found.get((one.specification, one.name, label))
        if scored is None:
            yield Placed(Entry(axes, None, None, MISSING), None)
            continue
        table, row, joined = scored
        basis = Basis(table.specification, table.threshold, table.rma)
        entry = Entry(
            axes,
            row,
            next((pair for pair in table.comparisons if pair.run == row.run), None),
            MEASURED,
            next((cell for cell in table.cells if row.run in cell.runs), None),
            basis,
            next((one for one in table.effects if row.run in one.runs), None),
            joined,
        )
        yield Placed(entry, Explained(axes, one.run, label, basis))


def _unmeasured(axes: Mapping[str, str], state: str, done: Sequence[_Done]) -> Iterator[Placed]:
    """On the pictures of other cells of the same dataset."""
    shown = [
        tuple(pictures(label).items())
        for one in done
        if one.axes.get("dataset") == axes.get("dataset")
        for label in one.labels
    ]
    for told in dict.fromkeys(shown) or [tuple(pictures("").items())]:
        yield Placed(Entry({**axes, **dict(told)}, None, None, state), None)
