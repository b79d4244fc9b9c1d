"""Layouts as CSV: one line a cell and measure, in fractions at full precision; what is undefined is empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from ..recipe.layouts import AXES
from .layout_cells import ABSENT, LayoutCell

COLUMNS = (
    *AXES,
    "metric",
    "state",
    "value",
    "low",
    "high",
    "n",
    "runs",
    "baseline",
    "difference",
    "difference_low",
    "difference_high",
    "verdict",
    "published",
    "published_difference",
    "beyond_published",
    "specification",
    "rma",
    "threshold",
)
"""Axes as in recipes (``seed`` is empty where several were averaged); ``state`` measured, waiting, failed or
missing; the value's 95 % interval and the pictures that it rests on; the names of its runs, by blanks; its
difference to the zero-shot run ``baseline``; what was published, and ours less that; the estimator, its RMA
and the threshold."""


def layout_csv(cells: Iterable[LayoutCell]) -> str:
    """Every cell that the recipe has."""
    return written(COLUMNS, [_line(cell) for cell in cells if cell.state != ABSENT])


def written(columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """A header and lines as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return text.getvalue()


def _line(cell: LayoutCell) -> list[Any]:
    change, basis = cell.change, cell.basis
    return [
        *(cell.axes.get(axis, "") for axis in AXES),
        cell.metric,
        cell.state,
        cell.value,
        cell.low,
        cell.high,
        cell.n,
        " ".join(cell.runs),
        *((change.baseline, change.value, change.low, change.high, change.verdict) if change else [None] * 5),
        cell.published.value if cell.published else None,
        cell.published_change.value if cell.published_change else None,
        cell.beyond_published,
        *((basis.specification, basis.rma, basis.threshold) if basis else [None] * 3),
    ]
