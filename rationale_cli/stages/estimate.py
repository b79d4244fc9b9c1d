"""What a recipe's cells still need and what they will cost, before anything is done.

Datasets are opened where they are there; where they are not, their published counts are taken. Nothing is
downloaded, and what fails is told of its cells and stops nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..contracts import Dataset, Nominal, Progress, Silent
from ..engine.batches import limited
from ..engine.configuration import Chosen, Configuration
from ..engine.estimators import plan
from ..engine.timing import Bench, Speed, Tuning, forwards
from ..errors import RationaleError
from ..recipe import ExplainOptions, TrainOptions, corruptions
from ..registry import Registry
from ..toolkit.weights import cached, size_of
from .grid import Cell

DONE = "done"
_R = TypeVar("_R")


class Work(NamedTuple):
    """Pictures that a cell reads."""

    tune: int
    """Those of an epoch; 0 where nothing is trained or the cell is tuned already."""
    epochs: int
    explain: int
    """Of all conditions together."""
    published: bool
    """Whether the counts are those of the published data, for these are not here."""


class Seconds(NamedTuple):
    """Time on this machine, in one process."""

    tune: float
    explain: float

    @property
    def total(self) -> float:
        """Both."""
        return self.tune + self.explain


@dataclass(frozen=True)
class CellEstimate:
    """What one cell lacks and costs."""

    cell: Cell
    missing: tuple[str, ...] = ()
    """What is not here, a line each: plugins, data, weights."""
    work: Work | None = None
    """None where the counts are not known."""
    seconds: Seconds | None = None
    """None where the counts or the model's speed are not known. What a cell before does already costs
    nothing."""

    def without(self, *, tune: bool, explain: bool) -> CellEstimate:
        """The same where an earlier cell of another setup does a part of the work."""
        work, seconds = self.work, self.seconds
        if tune:
            work = work and work._replace(tune=0, epochs=0)
            seconds = seconds and seconds._replace(tune=0.0)
        if explain:
            work = work and work._replace(explain=0)
            seconds = seconds and seconds._replace(explain=0.0)
        return replace(self, work=work, seconds=seconds)


@dataclass(frozen=True)
class Estimate:
    """All cells, and what was measured of the models."""

    cells: tuple[CellEstimate, ...]
    speeds: Mapping[str, Speed]
    """By model."""
    unmeasured: Mapping[str, str]
    """Model → why its time is not known."""

    @property
    def seconds(self) -> float:
        """Of all cells whose time is known."""
        return sum(one.seconds.total for one in self.cells if one.seconds)

    @property
    def unknown(self) -> int:
        """Cells that have something to do and whose time is not known."""
        return sum(one.seconds is None and one.cell.state != DONE for one in self.cells)


def run(cells: Sequence[Cell], registry: Registry, progress: Progress | None = None) -> Estimate:
    """Estimate every cell."""
    estimator = _Estimator(registry)
    found: list[CellEstimate] = []
    tuned: set[Path | None] = {None}
    explained: set[str] = set()
    with (progress or Silent()).task("estimating", len(cells)) as advance:
        for cell in cells:
            one = estimator.cell(cell)
            if cell.path in tuned:
                one = one.without(tune=True, explain=_explanation(cell) in explained)
            found.append(one)
            tuned.add(cell.path)
            explained.add(_explanation(cell))
            advance(1, cell.label)
    return Estimate(tuple(found), estimator.speeds, estimator.unmeasured)


@dataclass
class _Estimator:
    """Opens each dataset and times each model once."""

    registry: Registry
    speeds: dict[str, Speed] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    data: dict[str, _Data] = field(default_factory=dict)
    tunings: dict[str, Tuning] = field(default_factory=dict)
    bench: tuple[str, Bench] | None = None
    """The model that is in memory: cells of one model mostly stand together."""

    def cell(self, cell: Cell) -> CellEstimate:
        configuration = cell.configuration
        if configuration is None:
            return CellEstimate(cell, (cell.reason,))
        if cell.state == DONE:
            return CellEstimate(cell, (), Work(0, 0, 0, False), Seconds(0.0, 0.0))
        own = self._opened(configuration.dataset)
        further = self._opened(configuration.shift) if configuration.shift else None
        missing = [one.missing for one in (own, further) if one and one.missing]
        missing += _missing_weights(configuration.model)
        missing += _missing_files(configuration.regularizers)
        work = _work(cell, configuration, own, further)
        seconds = self._seconds(cell, configuration, work, own.classes) if work else None
        return CellEstimate(cell, tuple(missing), work, seconds)

    def _opened(self, chosen: Chosen) -> _Data:
        key = repr(chosen.to_dict())
        if key not in self.data:
            self.data[key] = _opened(chosen)
        return self.data[key]

    def _seconds(
        self, cell: Cell, configuration: Configuration, work: Work, classes: int | None
    ) -> Seconds | None:
        model, train = configuration.model, configuration.train
        speed = self._speed(model)
        if speed is None:
            return None
        wanted = plan(configuration.attributions, configuration.explain, self.registry)
        passes = forwards(wanted, speed.grid, witness=configuration.explain.witness)
        explain = work.explain * speed.picture * passes
        tuning = self._tuning(model, configuration.method)
        if tuning.every_class and classes is None and work.tune:
            return None
        texts = (classes or 0) * math.ceil(work.tune / train.batch_size)
        tune = tuning.seconds(speed, work.tune, work.epochs, train.augment, texts)
        return Seconds(0.0 if cell.state == "tuned" else tune, explain)

    def _speed(self, model: Chosen) -> Speed | None:
        name = _name(model)
        if name not in self.speeds and name not in self.unmeasured:
            speed, why = _tried(lambda: self._bench(model).speed())
            if speed is None:
                self.unmeasured[name] = why
            else:
                self.speeds[name] = speed
        return self.speeds.get(name)

    def _tuning(self, model: Chosen, method: Chosen) -> Tuning:
        key = repr((_name(model), method.to_dict()))
        if key not in self.tunings:
            # Of a method that cannot be asked, all of the model counts.
            self.tunings[key] = _tried(lambda: self._bench(model).tuning(method))[0] or Tuning()
        return self.tunings[key]

    def _bench(self, model: Chosen) -> Bench:
        name = _name(model)
        if self.bench is None or self.bench[0] != name:
            self.bench = None  # so that two models are never in memory
            self.bench = (name, Bench(model))
        return self.bench[1]


def _name(model: Chosen) -> str:
    """The model and its options that are not the usual, weights left out: they cost the same."""
    usual = type(model.options).model_fields
    own = {key: value for key, value in model.options if key != "weights" and value != usual[key].default}
    told = ", ".join(f"{key}={value}" for key, value in own.items() if str(value) not in model.bare)
    return f"{model.bare} ({told})" if told else model.bare


class _Data(NamedTuple):
    """A dataset's counts, as far as they are known."""

    splits: Mapping[str, int]
    evaluation: tuple[str, ...]
    classes: int | None
    missing: str
    """Why it could not be opened; empty where it could."""
    published: bool


def _opened(chosen: Chosen) -> _Data:
    found, why = _tried(lambda: _counted(chosen.build()))
    if found is not None:
        return found
    missing = f"{chosen.bare}: {why}"
    published = getattr(chosen.plugin, "nominal", None) if chosen.classes == "all" else None
    nominal: Nominal | None = published(chosen.options) if published else None
    if nominal is None:
        return _Data({}, (), None, missing, False)
    return _Data(nominal.splits, nominal.evaluation, nominal.classes, missing, True)


def _counted(dataset: Dataset) -> _Data:
    splits = {name: len(dataset.split(name)) for name in dataset.splits}
    return _Data(splits, dataset.evaluation, len(dataset.task.classnames), "", False)


def _work(cell: Cell, configuration: Configuration, own: _Data, further: _Data | None) -> Work | None:
    """None where a count is not known."""
    train = configuration.train
    explain = _explained(configuration.explain, own, configuration.explain.splits or own.evaluation)
    if further is not None and explain is not None:
        more = _explained(configuration.explain, further, further.evaluation)
        explain = None if more is None else explain + more
    tune: int | None = 0
    epochs = _epochs(configuration)
    if cell.state != "tuned" and epochs:
        tune = _tuned(train, own)
    if tune is None or explain is None:
        return None
    published = own.published or bool(further and further.published)
    return Work(tune, epochs if tune else 0, explain, published)


def _epochs(configuration: Configuration) -> int:
    """Passes over the training pictures; methods that train have a learning rate."""
    if "lr" in type(configuration.method.options).model_fields and configuration.train.epochs:
        return configuration.train.epochs
    return 1 if hasattr(configuration.method.plugin, "prepare") else 0


def _tuned(train: TrainOptions, data: _Data) -> int | None:
    """Pictures of an epoch, incomplete batches left out."""
    there = data.splits.get(train.split)
    if there is None or (train.shots is not None and data.classes is None):
        return None
    if train.shots is not None:
        there = min(there, train.shots * (data.classes or 0))
    drawn = len(limited(there, train.limit, train.share, train.batch_size))
    return drawn // train.batch_size * train.batch_size or drawn


def _explained(options: ExplainOptions, data: _Data, splits: Sequence[str]) -> int | None:
    if not splits or any(split not in data.splits for split in splits):
        return None
    conditions = 1 + len(corruptions(options.corrupt))
    each = (
        len(limited(data.splits[split], options.limit, options.share, options.batch_size)) for split in splits
    )
    return conditions * sum(each)


def _missing_files(regularizers: Sequence[Chosen]) -> list[str]:
    """What regularizers read and do not find."""
    tried = ((one.bare, _tried(one.build)[1]) for one in regularizers)
    return [f"{name}: {why}" for name, why in tried if why]


def _missing_weights(model: Chosen) -> list[str]:
    """Weights that are published under the name that was given and are not on this machine."""
    name = getattr(model.options, "weights", None)
    published = getattr(model.plugin, "published", None)
    if published is None:
        return []
    named, why = _tried(lambda: published(model.options))
    if named is None:
        return [f"{model.bare}: {why}"]
    checkpoint = named.get(name)
    if checkpoint is None:
        gone = name not in {None, "none"} and not Path(str(name)).expanduser().exists()
        return [f"{model.bare}: no weights {str(name)!r}"] if gone else []
    if cached(checkpoint) is not None:
        return []
    size = checkpoint.note if checkpoint.size is None and checkpoint.note else size_of(checkpoint.size)
    return [f"{model.bare}: weights {name!r} ({size}), fetched when they are used"]


def _explanation(cell: Cell) -> str:
    """What two cells share that explain the same."""
    if cell.configuration is None:
        return cell.label
    shown: dict[str, Any] = cell.configuration.to_dict()
    return repr((cell.path, [shown.get(one) for one in ("attribution", "explain", "view", "shift")]))


def _tried(work: Callable[[], _R]) -> tuple[_R | None, str]:
    """What a stranger's plugin gives; or None and why not, in a line, for it may raise anything."""
    try:
        return work(), ""
    except Exception as error:
        return None, _told(error)


def _told(error: Exception) -> str:
    """One line."""
    if isinstance(error, RationaleError):
        where = f" ({error.where})" if error.where else ""
        return " ".join(error.what.split()).rstrip(".") + where
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}".removesuffix(": ")
