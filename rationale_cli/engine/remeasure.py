"""Stored heatmaps against other masks: no model runs, only annotations are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..contracts import Preprocessing, Split
from ..errors import InputError
from ..runs.evidence import EMPTY_MASK, NO_ANNOTATION, NO_EVIDENCE, OK, EvidenceSet, RuleTable
from ..toolkit.heatmaps import EvidenceMass, evidence_on, on_grid
from .survey import AnnotationBatch, Annotations, annotation_batches

Shape = Callable[[Tensor], Tensor]
"""B×S×S masks as annotated → masks that heatmaps are held against."""


@dataclass(frozen=True)
class Reading:
    """Annotations to read once, and every rule that follows from them."""

    split: Split
    view: Preprocessing
    rules: Mapping[str, Shape]
    """Rule → what it makes of an annotated mask."""


def remeasure(
    reading: Reading,
    sets: Sequence[EvidenceSet],
    advance: Callable[[int, str], None],
    workers: int | None = None,
) -> dict[str, list[RuleTable]]:
    """Rule → the score of each set's heatmaps, in the order of the sets.

    All sets hold the same pictures in the same order, seen in the same view; their patch grids may differ.
    ``workers`` processes read; None takes one a thread where there are many pictures. Raises ``InputError``
    for a picture that the split lacks or that cannot be read.
    """
    ids = [str(one) for one in sets[0].table.id]
    places = {identifier: place for place, identifier in enumerate(reading.split.ids)}
    lacking = [one for one in ids if one not in places]
    if lacking:
        raise InputError(
            f"Expected the pictures of the evidence but {len(lacking)} are not in the data, "
            f"such as {lacking[0]!r}.",
            where=str(sets[0].path),
            next_step="restore the data that the run was explained on",
        )
    columns = {rule: [_Columns(len(ids)) for _ in sets] for rule in reading.rules}
    grids = _by_grid(sets)
    row = 0
    annotations = Annotations(reading.split, reading.view)
    for batch in annotation_batches(annotations, [places[one] for one in ids], workers):
        _complain(batch)
        rows = slice(row, row + len(batch.rows))
        for rule, shape in reading.rules.items():
            _measure(batch, shape(batch.masks), grids, rows, columns[rule])
        row = rows.stop
        advance(len(batch.rows), "")
    return {rule: [one.table() for one in of_sets] for rule, of_sets in columns.items()}


class _Columns:
    """One rule's columns of one set, filled batch by batch."""

    def __init__(self, n: int) -> None:
        self.rma, self.rma_raw, self.area = (np.full(n, np.nan) for _ in range(3))
        self.status = np.full(n, NO_ANNOTATION, dtype=np.int8)

    def fill(
        self,
        rows: slice,
        mass: tuple[npt.NDArray[np.float64], ...],
        area: npt.NDArray[np.float64],
        annotated: npt.NDArray[np.bool_],
    ) -> None:
        rma, raw, constant = mass
        status = np.where(constant > 0, NO_EVIDENCE, OK)
        status = np.where(annotated, np.where(area > 0, status, EMPTY_MASK), NO_ANNOTATION)
        self.status[rows] = status
        self.area[rows] = np.where(annotated, area, np.nan)
        self.rma[rows] = np.where(status == OK, rma, np.nan)
        self.rma_raw[rows] = np.where(status == OK, raw, np.nan)

    def table(self) -> RuleTable:
        return RuleTable(self.rma, self.rma_raw, self.area, self.status)


@dataclass(frozen=True)
class _Grid:
    """Sets of one patch grid, whose heatmaps are measured side by side."""

    grid: tuple[int, int]
    places: tuple[int, ...]
    heatmaps: tuple[npt.NDArray[np.float16], ...]

    def mass(self, rows: slice, masks: Tensor) -> EvidenceMass:
        """Of all these sets: S×B."""
        maps = torch.from_numpy(np.stack([one[rows] for one in self.heatmaps]))
        return evidence_on(maps, on_grid(masks, self.grid))


def _by_grid(sets: Sequence[EvidenceSet]) -> list[_Grid]:
    places: dict[tuple[int, int], list[int]] = {}
    for place, one in enumerate(sets):
        places.setdefault(one.spec.grid, []).append(place)
    return [
        _Grid(grid, tuple(members), tuple(sets[place].heatmaps() for place in members))
        for grid, members in places.items()
    ]


def _measure(
    batch: AnnotationBatch, masks: Tensor, grids: Sequence[_Grid], rows: slice, columns: Sequence[_Columns]
) -> None:
    annotated = np.array(batch.annotated)
    area = (masks > 0).flatten(1).double().mean(dim=1).numpy()
    for one in grids:
        mass = [values.double().numpy() for values in one.mass(rows, masks)]
        for index, place in enumerate(one.places):
            columns[place].fill(rows, tuple(values[index] for values in mass), area, annotated)


def _complain(batch: AnnotationBatch) -> None:
    if batch.unreadable:
        first = batch.unreadable[0]
        raise InputError(first.reason, where=first.where or first.id)
