"""The words and numbers of a recipe's table, the same on a terminal, in LaTeX and on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..measures.published import Printed
from ..recipe.regularizers import NONE
from . import tables
from .figures import TITLES
from .layout_cells import ABSENT, LayoutCell, Rank
from .layout_entries import FAILED, MEASURED, MISSING, WAITING
from .numbers import MINUS, PERCENT, UNDEFINED, interval, number, threshold, unit_of
from .pivot import HALF, Pivot, halves

STATES = {WAITING: "waiting", FAILED: "failed", MISSING: "not explained", ABSENT: ""}
"""What stands in the place of a number."""


@dataclass(frozen=True)
class Words:
    """A cell as it is read."""

    value: str
    """The number, or why there is none."""
    measured: bool
    rank: Rank
    limits: str
    """95 % interval in brackets."""
    change: str
    """Difference, signed."""
    marks: str
    """Of that difference, such as ``* ●``."""
    verdict: str
    """On that difference, empty without one."""
    note: str
    """``2 of 3 seeds``, while others are waiting."""
    published: str
    """As printed; with Δ where it is a difference to zero-shot."""
    beyond: str
    """Ours less published, signed."""


def words(cell: LayoutCell) -> Words:
    """Write a cell."""
    measured = cell.state == MEASURED or cell.value is not None
    change, marks = _change(cell)
    partly = 0 < len(cell.runs) < cell.planned
    return Words(
        value=number(cell.value, cell.unit) if measured else STATES[cell.state],
        measured=measured,
        rank=cell.rank,
        limits=interval(cell.low, cell.high, cell.unit),
        change=change,
        marks=marks,
        verdict=(cell.change.verdict or "") if cell.change else "",
        note=f"{len(cell.runs)} of {cell.planned} seeds" if partly and measured else "",
        published=_published(cell),
        beyond="" if cell.beyond_published is None else number(cell.beyond_published, cell.unit, signed=True),
    )


def printed(figure: Printed, *, signed: bool = False) -> str:
    """A published share in per cent with the digits that it was printed with.

    >>> printed(Printed(0.6330, 5e-5)), printed(Printed(-0.172, 5e-4), signed=True)
    ('63.30', '−17.2')
    """
    digits = max(0, round(-math.log10(2 * PERCENT.factor * figure.half))) if figure.half else 2
    text = f"{PERCENT.factor * figure.value:{'+' if signed else ''}.{digits}f}"
    return text.replace("-", MINUS)


def metric_title(metric: str) -> str:
    """Heading of a block; none where each column has a measure of its own."""
    if not metric:
        return ""
    unit = ", %" if unit_of(metric) is PERCENT else ""
    return f"{TITLES.get(metric, metric)}{unit}"


def named(axes: Sequence[str], key: Sequence[str]) -> tuple[str, ...]:
    """Values of axes as headings.

    >>> named(("model", "corruption", "setup"), ("clip", "", ""))
    ('clip', 'clean', '–')
    """
    unnamed = {"corruption": "clean"}
    return tuple(value or unnamed.get(axis, UNDEFINED) for axis, value in zip(axes, key, strict=True))


def heading(axes: Sequence[str], key: Sequence[str]) -> tuple[str, str]:
    """The last of a row's names that says something, and those before it.

    >>> heading(("method", "regularizer", "setup"), ("ft", "none", ""))
    ('ft', '')
    >>> heading(("model", "method", "setup"), ("clip", "ft", "longer"))
    ('longer', 'clip · ft')
    """
    *within, name = [one for one in named(axes, key) if one not in (UNDEFINED, NONE)] or [UNDEFINED]
    return name, " · ".join(within)


def average_titles(pivot: Pivot) -> tuple[str, ...]:
    """Headings of the columns of means."""
    name = "both (mean, H)" if _of_halves(pivot) else "average"
    return tuple(" ".join((name, *kept)) for kept in pivot.averages)


def legend(pivot: Pivot) -> list[str]:
    """What marks and lines of a table mean, as far as they occur."""
    cells = [*pivot.cells, *(one for block in pivot.blocks for row in block.rows for one in row.averages)]
    lines = [_basis(pivot)] if any(cell.basis for cell in cells) else []
    if any(len(cell.runs) > 1 for cell in pivot.cells):
        lines.append("Several seeds: their mean; its interval adds the variance of seeds and of pictures.")
    if any(cell.rank for cell in cells):
        lines.append("Bold: the best of the compared methods; underlined: the second; of what is measured.")
    if any(cell.change for cell in cells):
        lines.append(_marks(pivot))
    if any(cell.published or cell.published_change for cell in cells):
        changes = any(cell.published_change for cell in cells)
        told = "; with Δ a published difference to zero-shot beside ours" if changes else ""
        lines.append(f"Published: the printed figure, and ours less it in brackets{told}. {pivot.source}.")
    if pivot.averages and _of_halves(pivot):
        lines.append(
            "Both: base and new classes as one, accuracies by their harmonic mean H, all else by the "
            "arithmetic mean."
        )
    elif pivot.averages:
        lines.append("Average: the mean over the row's cells, where all of them are measured.")
    return lines


def _of_halves(pivot: Pivot) -> bool:
    """Whether the columns are the base and the new classes of one split."""
    if pivot.column_axes == ("split",):
        return halves([split for (split,) in pivot.columns])
    return pivot.column_axes == (HALF,) and pivot.columns == (("base",), ("new",))


def _marks(pivot: Pivot) -> str:
    if pivot.compared == "regularizer":
        unaudited = tables.MARKS["not audited"]
        return (
            "Differences are to the same without regularizer, on the same pictures and seeds: "
            f"{tables.SIGNIFICANT} significant after Holm over its table; where heatmaps enter, {unaudited} "
            "by one estimator, which is no conclusion."
        )
    if pivot.compared == "row":
        unaudited = tables.MARKS["not audited"]
        return (
            f"Differences are to {pivot.source}, on the same pictures and seeds: {tables.SIGNIFICANT} "
            f"significant after Holm over the table; where heatmaps enter, {unaudited} by that one estimator."
        )
    marks = ", ".join(f"{mark} {verdict}" for verdict, mark in tables.MARKS.items())
    return (
        f"Marks are of the difference to the model's zero-shot run: {tables.SIGNIFICANT} significant "
        f"after Holm over its table; where heatmaps enter, {marks} (no conclusion)."
    )


def _basis(pivot: Pivot) -> str:
    bases = list(dict.fromkeys(cell.basis for cell in pivot.cells if cell.basis))
    told = dict.fromkeys(
        f"RMA ({'min–max normalised' if one.rma == 'normalised' else 'raw'}) ≥ {threshold(one.threshold)}"
        for one in bases
    )
    by = ", ".join(dict.fromkeys(one.specification for one in bases))
    return f"Evidence is valid at {', '.join(told)}, by {by}. Intervals are 95 %."


def _change(cell: LayoutCell) -> tuple[str, str]:
    if cell.change is None:
        return "", ""
    value = number(cell.change.value, cell.unit, signed=True)
    marked = tables.Cell("", difference=value, verdict=cell.change.verdict).marked
    return value, marked.removeprefix(value)


def _published(cell: LayoutCell) -> str:
    if cell.published is not None:
        return printed(cell.published)
    return f"Δ {printed(cell.published_change, signed=True)}" if cell.published_change else ""
