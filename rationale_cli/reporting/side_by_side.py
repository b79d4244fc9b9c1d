"""A recipe's gallery: the same pictures under every method, where all of them predict right.

What the heatmaps differ in is not the answer then. Pictures are those that every run keeps a thumbnail of;
among them a hash of their names chooses, evenly over the classes, and never the eye.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..recipe.layouts import AXES, GalleryLayout
from ..runs.evidence import NO_EVIDENCE, OK, EvidenceTable
from ..runs.folder import Run
from ..runs.parts import spread
from .gallery import Basis, Kept, jpeg, kept_pictures, patch_bytes, rows_of
from .layout_csv import written
from .layout_entries import variants
from .numbers import number
from .overlays import heat_overlay

COLUMNS = (*AXES, "specification", "run", "picture", "class", "rma", "valid")
"""Columns of the CSV: one line a picture and method; RMA as a fraction, valid 1 or 0."""

_OWN = ("setup", "model", "dataset")
"""Axes that have sheets of their own."""


@dataclass(frozen=True)
class Explained:
    """One cell of a recipe and where its heatmaps are."""

    axes: Mapping[str, str]
    run: Run
    split: str
    """Name of the folder of its evidence."""
    basis: Basis


class Pane(NamedTuple):
    """A picture under one method."""

    heat: str
    """PNG of one pixel a patch as base64, transparent where nothing is relevant."""
    mass: float | None
    """RMA; None where the heatmap is no evidence."""
    valid: bool

    @property
    def told(self) -> str:
        """RMA and what it means, in words."""
        return f"RMA {number(self.mass)} %, {'valid' if self.valid else 'invalid'}"


@dataclass(frozen=True)
class Picture:
    """A picture, its object's outline, and its heatmaps in the order of the sheet's methods."""

    id: str
    classname: str
    image: str
    """JPEG as base64."""
    outline: str
    """Path data in hundredths of the picture."""
    panes: tuple[Pane, ...]


@dataclass(frozen=True)
class Sheet:
    """Pictures of one model on one dataset."""

    heading: str
    methods: tuple[str, ...]
    explained: tuple[Explained, ...]
    """What stands behind each method."""
    pictures: tuple[Picture, ...]
    right: int
    """Annotated pictures that all methods predict right."""


@dataclass(frozen=True)
class SideBySide:
    """A layout's sheets."""

    name: str
    title: str
    sheets: tuple[Sheet, ...]


def side_by_side(layout: GalleryLayout, explained: Sequence[Explained]) -> SideBySide:
    """Choose pictures and read their heatmaps; of several seeds the first is shown.

    Raises ``InputError`` for thumbnails and evidence that cannot be read.
    """
    groups: dict[tuple[str, ...], list[Explained]] = {}
    for one in explained:
        groups.setdefault(tuple(one.axes.get(axis, "") for axis in _OWN), []).append(one)
    sheets = [
        _sheet(" · ".join(value for value in values if value), members, layout)
        for values, members in groups.items()
    ]
    return SideBySide(layout.name, layout.title, tuple(sheets))


def side_by_side_csv(shown: SideBySide) -> str:
    """The pictures' relevant mass under every method."""
    return written(COLUMNS, [line for sheet in shown.sheets for line in _csv_lines(sheet)])


def _csv_lines(sheet: Sheet) -> list[list[Any]]:
    return [
        [
            *(one.axes.get(axis, "") for axis in AXES),
            one.basis.specification,
            one.run.name,
            picture.id,
            picture.classname,
            pane.mass,
            int(pane.valid),
        ]
        for picture in sheet.pictures
        for one, pane in zip(sheet.explained, picture.panes, strict=True)
    ]


def _sheet(heading: str, members: Sequence[Explained], layout: GalleryLayout) -> Sheet:
    name = variants([one.axes for one in members])
    shown: dict[str, Explained] = {}
    for one in members:
        shown.setdefault(name(one.axes), one)
    views = [_View(one) for one in shown.values()]
    right = set.intersection(*(view.right for view in views))
    thumbnails = [kept_pictures([one.run], one.split) for one in shown.values()]
    kept = {id: one for id, one in thumbnails[0].items() if id in right and all(id in t for t in thumbnails)}
    ids = sorted(kept)
    labels = np.array([kept[id].label for id in ids], dtype=np.int64)
    chosen = spread(ids, labels, layout.pictures, lambda id: zlib.crc32(id.encode()))
    pictures = tuple(_picture(kept[ids[place]], views) for place in chosen)
    return Sheet(heading, tuple(shown), tuple(shown.values()), pictures, len(right))


class _View:
    """One method's evidence."""

    def __init__(self, one: Explained) -> None:
        found = one.run.evidence_set(one.split, one.basis.specification)
        self.basis, self.table = one.basis, found.table
        self.classnames, self.heatmaps = found.spec.classnames, found.heatmaps()
        self.right = set(found.table.id[_right(found.table)].tolist())

    def pane(self, identifier: str) -> Pane:
        """A picture under this method."""
        (row,) = rows_of(self.table, [identifier])
        mass = float(self.basis.mass(self.table)[row])
        heat = patch_bytes(np.asarray(self.heatmaps[row], np.float32))
        return Pane(heat_overlay(heat), None if np.isnan(mass) else mass, mass >= self.basis.threshold)


def _right(table: EvidenceTable) -> npt.NDArray[np.bool_]:
    annotated = np.isin(table.status, (OK, NO_EVIDENCE))
    return np.asarray(annotated & (table.prediction == table.label), bool)


def _picture(kept: Kept, views: Sequence[_View]) -> Picture:
    lines = ("L".join(f"{x:g} {y:g}" for x, y in line) for line in kept.outline)
    return Picture(
        kept.id,
        views[0].classnames[kept.label],
        jpeg(kept.file),
        "".join(f"M{line}Z" for line in lines if line),
        tuple(view.pane(kept.id) for view in views),
    )
