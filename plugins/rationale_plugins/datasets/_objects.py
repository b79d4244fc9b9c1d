"""Pictures of several objects as samples of one class: those of one class alone, or each object by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ._crops import Window, around
from ._official import RootOptions


class ObjectOptions(RootOptions):
    """Options of data sets whose pictures hold objects of several classes."""

    objects: Literal["single", "each"] = "single"
    """single: the pictures whose annotated objects are all of one class, which is the label; the evidence
    is all of them. each: every object is a sample, its picture cut to a square around its box; the
    evidence is that object alone."""
    evidence: Literal["masks", "boxes"] = "masks"
    """Segmentations, or boxes."""
    margin: float = Field(default=0.25, ge=0, allow_inf_nan=False)
    """Of each object: how far the square reaches beyond the box on either side, as a share of the box's
    longer side. It is moved to stay in the picture."""
    smallest: int = Field(default=0, ge=0)
    """Of each object: leave out those whose box has a side of fewer pixels."""

    @property
    def settings(self) -> tuple[str | float, ...]:
        """Those of these options that change the data, for fingerprints."""
        cut = (self.margin, self.smallest) if self.objects == "each" else ()
        return self.objects, self.evidence, *cut


@dataclass(frozen=True)
class Objects:
    """The annotated objects of a split as columns, a row an object; there may be a million."""

    picture: npt.NDArray[np.int64]
    """Which picture holds it, ascending."""
    label: npt.NDArray[np.int64]
    box: npt.NDArray[np.float64]
    """N×4: left, top, right, bottom; right and bottom do not belong to it."""
    decides: npt.NDArray[np.bool_]
    """Whether it counts for what its picture's class is."""
    separate: npt.NDArray[np.bool_]
    """Whether it may be a sample of its own."""


class Shown(NamedTuple):
    """One sample."""

    picture: int
    label: int
    rows: list[int]
    """The objects that are its evidence."""
    window: Window | None
    """The part of the picture that is shown; None: all of it."""


def shown(objects: Objects, options: ObjectOptions) -> Iterator[Shown]:
    """The samples that these objects give, in order of pictures and rows."""
    return _pictures(objects) if options.objects == "single" else _cut_out(objects, options)


def _pictures(objects: Objects) -> Iterator[Shown]:
    count = int(objects.picture.max(initial=-1)) + 1
    deciding = objects.picture[objects.decides], objects.label[objects.decides]
    lowest, highest = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(lowest, *deciding)
    np.maximum.at(highest, *deciding)
    label = np.where(lowest == highest, highest, -1)
    rows = np.flatnonzero(objects.label == label[objects.picture])
    pictures, starts = np.unique(objects.picture[rows], return_index=True)
    for picture, own in zip(pictures.tolist(), np.split(rows, starts[1:]), strict=False):
        yield Shown(picture, int(label[picture]), own.tolist(), None)


def _cut_out(objects: Objects, options: ObjectOptions) -> Iterator[Shown]:
    shorter = (objects.box[:, 2:] - objects.box[:, :2]).min(axis=1, initial=np.inf)
    rows = np.flatnonzero(objects.separate & (shorter > 0) & (shorter >= options.smallest))
    windows = around(objects.box[rows], options.margin).tolist()
    columns = (objects.picture[rows].tolist(), objects.label[rows].tolist(), rows.tolist(), windows)
    for picture, label, row, window in zip(*columns, strict=True):
        yield Shown(picture, label, [row], tuple(window))
