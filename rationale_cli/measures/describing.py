"""What annotated pictures are like before any model sees them: counts, areas, and what controls score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .estimates import Estimate, defined
from .intervals import wilson
from .quadrants import valid

Floats = npt.NDArray[np.float64]
Grid = tuple[int, int]
"""Rows and columns of patches."""

QUANTILES = (0, 5, 25, 50, 75, 95, 100)
"""In per cent."""

BINS = 10
"""Bins of the areas' histogram, of equal width from 0 to 1."""


@dataclass(frozen=True)
class Surveyed:
    """What was seen of n pictures; arrays of length n."""

    ids: tuple[str, ...]
    label: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]
    """Boxes of the picture; 0 where it has a mask or no annotation."""
    annotated: npt.NDArray[np.bool_]
    blank: npt.NDArray[np.bool_]
    """The annotation marks no pixel of the whole picture."""
    area: Floats
    """|M|/N on the model's view; NaN where not annotated."""
    mass: Mapping[tuple[str, Grid], Floats]
    """RMA of each control at each patch grid; meaningless where the area is 0 or NaN."""
    unreadable: Mapping[str, str]
    """Identifier → reason of the pictures that could not be read; they are not among the n."""


@dataclass(frozen=True)
class ClassCount:
    """Pictures of one class."""

    label: int
    name: str
    pictures: int
    annotated: int
    several_boxes: int


@dataclass(frozen=True)
class Areas:
    """How much of the model's view objects fill: |M|/N, where the view holds some of the object."""

    n: int
    mean: float | None
    quantiles: dict[str, float]
    """``"50"`` is the median; empty where n is 0."""
    histogram: tuple[int, ...]
    """Pictures by area, in bins of equal width from 0 to 1."""


@dataclass(frozen=True)
class ControlShare:
    """Pictures on which a heatmap that explains nothing is valid evidence."""

    control: str
    grid: Grid
    valid: int
    share: Estimate
    """Of the pictures whose view holds some of the object, with Wilson's interval."""


@dataclass(frozen=True)
class SplitDescription:
    """One split. Where ``read`` is below ``pictures``, all but that number rests on a sample."""

    name: str
    pictures: int
    read: int
    unreadable: dict[str, str]
    """Identifier → reason; counted in ``read``."""
    annotated: int
    masks: int
    boxes: int
    """Pictures annotated by boxes."""
    several_boxes: int
    blank: tuple[str, ...]
    """Identifiers of pictures whose annotation marks nothing at all."""
    outside: tuple[str, ...]
    """Identifiers of pictures with an object of which the model's view shows nothing."""
    classes: tuple[ClassCount, ...]
    """In the order of labels; those without a picture too. Empty where nothing was read."""
    area: Areas
    controls: tuple[ControlShare, ...]

    @property
    def sampled(self) -> bool:
        """Whether not every picture was read."""
        return self.read < self.pictures


def describe(
    name: str, pictures: int, seen: Surveyed, classnames: tuple[str, ...], threshold: float
) -> SplitDescription:
    """Count what was seen of a split of ``pictures`` pictures; evidence is valid where RMA ≥ threshold."""
    empty = seen.annotated & (seen.area == 0)
    usable = seen.annotated & (seen.area > 0)
    return SplitDescription(
        name=name,
        pictures=pictures,
        read=len(seen.ids) + len(seen.unreadable),
        unreadable=dict(seen.unreadable),
        annotated=int(seen.annotated.sum()),
        masks=int((seen.annotated & (seen.boxes == 0)).sum()),
        boxes=int((seen.boxes > 0).sum()),
        several_boxes=int((seen.boxes > 1).sum()),
        blank=_named(seen, empty & seen.blank),
        outside=_named(seen, empty & ~seen.blank),
        classes=_classes(seen, classnames),
        area=areas(seen.area[usable]),
        controls=tuple(
            _share(control, grid, mass[usable], threshold) for (control, grid), mass in seen.mass.items()
        ),
    )


def unread(name: str, pictures: int) -> SplitDescription:
    """A split of which only the number of pictures is known."""
    return SplitDescription(name, pictures, 0, {}, 0, 0, 0, 0, (), (), (), areas(np.empty(0)), ())


def areas(values: Floats) -> Areas:
    """Mean, quantiles and histogram of areas in (0, 1].

    >>> found = areas(np.array([0.05, 0.1, 0.15, 1.0]))
    >>> found.histogram
    (1, 2, 0, 0, 0, 0, 0, 0, 0, 1)
    >>> found.quantiles["50"]
    0.125
    """
    # Not numpy's histogram: its edges 0.1, 0.2 … are rounded, and an area of exactly 0.3 falls below.
    bins = np.minimum(np.floor(values * BINS), BINS - 1).astype(np.int64)
    histogram = tuple(int(one) for one in np.bincount(bins, minlength=BINS))
    if not len(values):
        return Areas(0, None, {}, histogram)
    found = np.percentile(values, QUANTILES)
    quantiles = {str(level): float(value) for level, value in zip(QUANTILES, found, strict=True)}
    return Areas(len(values), float(values.mean()), quantiles, histogram)


def _named(seen: Surveyed, chosen: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(seen.ids[row] for row in np.flatnonzero(chosen))


def _classes(seen: Surveyed, names: tuple[str, ...]) -> tuple[ClassCount, ...]:
    def of(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        return np.bincount(seen.label[chosen], minlength=len(names))

    counts = of(np.ones(len(seen.ids), dtype=bool)), of(seen.annotated), of(seen.boxes > 1)
    return tuple(
        ClassCount(label, name, *(int(one[label]) for one in counts)) for label, name in enumerate(names)
    )


def _share(control: str, grid: Grid, mass: Floats, threshold: float) -> ControlShare:
    hits, n = int(valid(mass, threshold).sum()), len(mass)
    low, high = wilson(hits, n)
    return ControlShare(
        control, grid, hits, Estimate(hits / n if n else None, defined(low), defined(high), n)
    )
