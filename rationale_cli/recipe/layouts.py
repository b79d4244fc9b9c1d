"""What a recipe shows at its end: tables, curves, galleries, trade-offs and transfer over its cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

AXES = (
    *("setup", "model", "method", "regularizer", "dataset", "train", "shots", "seed"),
    *("split", "half", "corruption", "severity"),
)
"""What tells the cells of a recipe apart: a word of the recipe's own, plugins (regularizers joined by ``+``,
or ``none``), the split that was tuned on (``train``), how many pictures of each class (``shots``: a number,
``all``, or ``0`` for zero-shot), the seed, and the pictures that were explained: their split, the half of the
classes that it holds (``base`` or ``new``), and how they were corrupted."""

Compared = Literal["zero-shot", "regularizer", "row"]
"""What a cell's difference is to: the model's zero-shot run, the same runs without their regularizers, or
another row of the table."""


@dataclass(frozen=True)
class TableLayout:
    """A table of one number a cell: rows and columns are axes, the first one outermost."""

    name: str
    title: str
    metrics: tuple[str, ...]
    """Of ``stages.grid.MEASURES``; several stand above each other as blocks of rows."""
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    published: str | None = None
    """Name of a shipped table (``reporting.published.shipped_table``) whose figures stand beside ours."""
    averages: bool = True
    """Whether a last column holds each row's mean, where every one of its cells is there. The mean of base
    and new classes has an interval; of accuracies it is the harmonic one."""
    compared: Compared = "zero-shot"
    """What differences are to."""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Axis → the values that are shown; all where it is not named."""


@dataclass(frozen=True)
class CurveLayout:
    """Measures against the severity of a corruption, a line a method; one drawing a corruption and model."""

    name: str
    title: str
    metrics: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Axis → the values that are shown; all where it is not named."""


@dataclass(frozen=True)
class GalleryLayout:
    """Heatmaps of the same pictures under every method, where all of them predict right."""

    name: str
    title: str
    pictures: int = 8
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Axis → the values that are shown; all where it is not named."""


class Column(NamedTuple):
    """One measure of the pictures of one split: PT@test, or PT@test/occlusion by that attribution."""

    metric: str
    split: str
    attribution: str = ""
    """Bare name; empty for the one that runs are scored by."""

    def __str__(self) -> str:
        return f"{self.metric}@{self.split}" + (f"/{self.attribution}" if self.attribution else "")


@dataclass(frozen=True)
class TradeoffLayout:
    """Rivals, a row each, by many measures, a column each; all held against one row. And planes of two."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[str, ...]
    """Axes that tell rivals apart."""
    against: Mapping[str, str]
    """Values of some of these axes: the row that others are held against, all other axes being equal."""
    planes: tuple[tuple[Column, Column], ...] = ()
    """Drawings of one measure against another."""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Axis → the values that are shown; all where it is not named."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Of all columns and planes."""
        every = (*self.columns, *(one for plane in self.planes for one in plane))
        return tuple(dict.fromkeys(one.metric for one in every))


@dataclass(frozen=True)
class TransferLayout:
    """Models by what they were tuned on against evaluation sets, and what each kind of transfer gains."""

    name: str
    title: str
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Axis → the values that are shown; all where it is not named."""


Layout = TableLayout | CurveLayout | GalleryLayout | TradeoffLayout | TransferLayout
