"""The rows and columns of transfer: which runs are seeds of one row, and which pictures are one column.

Columns are told apart by the factors that datasets declare (``contracts.Dataset``), which tuning and
explaining left in the run folders; pictures without any by their split.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..hooks import bare_name
from ..measures.cases import Pair
from ..measures.measured import Measured
from ..measures.pooling import Places
from ..measures.transfer import kind_of
from ..measures.transfer_cells import Trial, cell_estimates
from ..measures.transfer_results import TransferCell, TransferChange, TransferColumn, TransferRow
from ..runs.evidence import EvidenceSpec
from ..runs.folder import Run
from .claim_cells import numbered
from .comparable import zero_shot
from .shifts import Group

Factors = Mapping[str, str]
Column = tuple[str, ...]

_CORRUPTION, _NONE = "corruption", "none"


class Seen(NamedTuple):
    """One run on one set of pictures."""

    run: Run
    measured: Measured
    baseline: Measured | None
    spec: EvidenceSpec
    places: Places
    """Of the pictures among all."""

    @property
    def base(self) -> bool:
        """Whether it is an un-tuned model."""
        return zero_shot(self.run)

    @property
    def row(self) -> str:
        """The same for runs that differ in the seed only, and for all runs of an un-tuned model."""
        model = self.run.configuration["model"]
        return json.dumps(model, sort_keys=True, default=str) if self.base else self.measured.configuration

    @property
    def model(self) -> str:
        """Bare name of its plugin."""
        return bare_name(self.measured.model)

    @property
    def method(self) -> str:
        """Bare name, with the regularizers."""
        return " + ".join((bare_name(self.measured.method), *self.measured.regularizers))

    @property
    def tuned_on(self) -> Factors:
        """What the training pictures were like; empty where nothing is declared."""
        own = _declared(self.run, _training_split(self.run))
        return {**own, _CORRUPTION: _NONE} if own else {}

    @property
    def judged_on(self) -> Factors:
        """What these pictures are like; empty where nothing is declared."""
        shown = self.spec.shown
        split = str(shown.get("split", self.spec.split))
        own: Factors = shown.get("factors", {}) if shown.get("further") else _declared(self.run, split)
        if not (own and shown.get("corruption")):
            return own
        return {**own, _CORRUPTION: f"{shown['corruption']} {shown['severity']}"}

    @property
    def kind(self) -> str | None:
        """Kind of transfer from the one to the other."""
        return None if self.base else kind_of(self.tuned_on, self.judged_on)

    @property
    def pictures(self) -> Column:
        """What tells these pictures from those of other columns."""
        told = [f"{factor}={level}" for factor, level in self.judged_on.items()]
        return (self.spec.dataset, *(told or [self.spec.split]))


@dataclass(frozen=True)
class Matrix:
    """Rows and columns of what was seen, the un-tuned models first; see ``matrix_of``."""

    rows: Mapping[str, Seen]
    """Key of each row → one of its runs."""
    columns: Mapping[Column, Seen]
    """Key of each column → a run that saw it."""
    cells: Mapping[tuple[str, Column], tuple[Seen, ...]]
    """The seeds of a row on the same pictures of a column."""

    def trials(self) -> dict[tuple[str, Column], Trial]:
        """The cells that have an un-tuned model to be held against."""
        places = {row: place for place, row in enumerate(self.rows)}
        found = {}
        for (row, column), seeds in self.cells.items():
            pairs = tuple(Pair(one.measured, one.baseline, one.places) for one in seeds)
            if not seeds[0].base and all(pair.baseline is not None for pair in pairs):
                found[row, column] = Trial(places[row], seeds[0].kind, pairs)
        return found

    def shown_columns(self) -> Iterator[TransferColumn]:
        """The columns as results have them, called by the factors that vary where that tells them apart."""
        varying = self._varying()
        names = [_named(one.judged_on, varying) or one.spec.split for one in self.columns.values()]
        for name, one in zip(names, self.columns.values(), strict=True):
            told = f"{name} · {one.spec.split}" if names.count(name) > 1 else name
            yield TransferColumn(told, one.spec.dataset, one.judged_on, 1 / len(one.spec.classnames))

    def shown_rows(
        self, threshold: float, changes: Mapping[tuple[str, Column], Mapping[str, TransferChange]]
    ) -> Iterator[TransferRow]:
        """The rows as results have them."""
        varying = self._varying()
        for row, one in self.rows.items():
            cells = (
                TransferCell(
                    place,
                    seeds[0].kind,
                    tuple(seed.measured.run for seed in seeds),
                    cell_estimates([seed.measured for seed in seeds], threshold),
                    changes.get((row, column), {}),
                )
                for place, column in enumerate(self.columns)
                if (seeds := self.cells.get((row, column)))
            )
            tuned_on = _named(one.tuned_on, varying) or _training_split(one.run)
            yield TransferRow(
                one.model,
                one.method,
                "" if one.base else tuned_on,
                tuple(cells),
            )

    def undeclared(self) -> list[str]:
        """Splits of which nothing is declared that tells their kind."""
        return list(
            dict.fromkeys(
                seeds[0].spec.split
                for seeds in self.cells.values()
                if not seeds[0].base and seeds[0].kind is None
            )
        )

    def _varying(self) -> list[str]:
        """Factors of which there are several levels, among training pictures and evaluation sets."""
        levels: dict[str, set[str]] = {}
        declared = [one.judged_on for one in self.columns.values()]
        declared += [one.tuned_on for one in self.rows.values() if not one.base]
        for factors in declared:
            for factor, level in factors.items():
                levels.setdefault(factor, set()).add(level)
        return [factor for factor, found in levels.items() if len(found) > 1]


def matrix_of(
    groups: Sequence[Group], threshold: float, only: Collection[tuple[Path, str]] | None = None
) -> tuple[Matrix, int]:
    """Sort what was read for scoring into rows and columns; with it, how many different pictures there are.

    ``only`` these runs (their folders) on these splits; None takes all. Where the seeds of a row saw
    different pictures of a column, those that most of them saw are taken. Of several runs with one seed the
    last counts.
    """
    found = _seen_in(groups, threshold)
    wanted = (one for one in found if only is None or (one.run.path, one.spec.split) in only)
    seen = sorted(wanted, key=lambda one: not one.base)
    column = _column_keys(seen)
    cells: dict[tuple[str, Column], dict[bytes, dict[Any, Seen]]] = {}
    for one in seen:
        together = cells.setdefault((one.row, column[one.run.path, one.spec.split]), {})
        seeds = together.setdefault(one.places.tobytes(), {})
        seeds[None if one.base else (one.measured.seed, one.measured.shot_seed)] = one
    chosen = {place: tuple(max(found.values(), key=len).values()) for place, found in cells.items()}
    columns = {column: seeds[0] for (_, column), seeds in chosen.items()}
    universe = 1 + max((int(one.places.max()) for one in seen), default=-1)
    return Matrix({row: seeds[0] for (row, _), seeds in chosen.items()}, _ordered(columns), chosen), universe


def _seen_in(groups: Sequence[Group], threshold: float) -> Iterator[Seen]:
    for one in numbered(groups, [None] * len(groups), threshold):
        group = one.group
        baselines = {a: group.measured[b] for a, b in group.pairs}
        for place, (measured, source) in enumerate(zip(group.measured, group.sources, strict=True)):
            yield Seen(source.run, measured, baselines.get(place), group.spec, one.places)


def _column_keys(seen: Sequence[Seen]) -> dict[tuple[Path, str], Column]:
    """Column by run and split; the split belongs to it where a run saw several of the same factors."""
    splits: dict[tuple[Path, Column], set[str]] = {}
    for one in seen:
        splits.setdefault((one.run.path, one.pictures), set()).add(one.spec.split)
    several = {pictures for (_, pictures), names in splits.items() if len(names) > 1}
    return {
        (one.run.path, one.spec.split): (
            (*one.pictures, one.spec.split) if one.pictures in several else one.pictures
        )
        for one in seen
    }


def _ordered(columns: Mapping[Column, Seen]) -> dict[Column, Seen]:
    """Columns that share their first parts beside each other, else as they occur."""
    parts = dict.fromkeys(part for key in columns for part in key)
    places = {part: place for place, part in enumerate(parts)}
    return {key: columns[key] for key in sorted(columns, key=lambda key: [places[part] for part in key])}


def _declared(run: Run, split: str) -> Factors:
    """What tuning recorded of a split of the run's own dataset."""
    recorded: Mapping[str, Factors] = run.manifest.get("factors", {})
    return recorded.get(split, {})


def _training_split(run: Run) -> str:
    return str((run.configuration.get("train") or {}).get("split", ""))


def _named(factors: Factors, varying: Sequence[str]) -> str:
    levels = (factors.get(factor, _NONE) for factor in varying)
    return " · ".join(level for level in levels if level != _NONE)
