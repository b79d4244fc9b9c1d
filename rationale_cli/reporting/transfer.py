"""Transfer in words and tables: the matrix of models and evaluation sets, and a line for each kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..measures.estimates import Estimate
from ..measures.transfer_results import (
    MEASURES,
    SAME,
    KindGain,
    KindSummary,
    Transfer,
    TransferCell,
    TransferRow,
    TransferSummary,
)
from ..measures.verdict import ALPHA
from .gallery import Basis
from .layout_cells import ABSENT, Change, LayoutCell
from .layout_entries import MEASURED
from .numbers import UNDEFINED, interval, number
from .pivot import Block, Key, Pivot, PivotRow
from .tables import SIGNIFICANT, Cell, Row, Table

UNTUNED = "un-tuned"


@dataclass(frozen=True)
class TransferShown:
    """Transfer under the name of its files and its heading."""

    name: str
    title: str
    found: Transfer

    @property
    def pivot(self) -> Pivot:
        """See ``matrix``."""
        return matrix(self.found, self.name, self.title)


_SHORT = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}


def kind_title(kind: str) -> str:
    """A kind of transfer as it is read.

    >>> kind_title("same"), kind_title("size"), kind_title("size+style+task")
    ('same', 'other size', 'other size, style and task')
    """
    if kind == SAME:
        return SAME
    *others, last = kind.split("+")
    return f"other {', '.join(others)} and {last}" if others else f"other {last}"


def matrix(found: Transfer, name: str, title: str) -> Pivot:
    """Rows are models by what they were tuned on, columns evaluation sets; a block of rows a measure."""
    axes, columns = _columns(found)
    several = len({row.model for row in found.rows}) > 1
    rows = [((row.model,) if several else (), row) for row in found.rows]
    return Pivot(
        name,
        title,
        (*(("model",) if several else ()), "method", "tuned on"),
        axes,
        columns,
        (),
        tuple(
            Block(
                metric,
                tuple(
                    PivotRow((*told, row.method, row.tuned_on or UNTUNED), _cells(found, row, metric), ())
                    for told, row in rows
                ),
            )
            for metric in MEASURES
        ),
        "",
    )


def summary_tables(found: Transfer) -> list[Table]:
    """A table of kinds for all rows, and where there are several models or methods for each."""
    return [_summary_table(found, one) for one in found.summaries]


def sentences(one: TransferSummary) -> Iterator[str]:
    """A line for each kind, and what comes of all of them."""
    for kind in one.kinds:
        gain = kind.gains[MEASURES[0]]
        told = f"{number(gain.value, signed=True)} points {interval(gain.low, gain.high, signed=True)}"
        share = f", {_percent(kind.share)} of the gain within" if kind.share else ""
        yield f"{kind_title(kind.kind)}: {told} over {_count(kind)}{share}: {kind.verdict}."
    yield f"{one.conclusion}."


def meaning(found: Transfer) -> tuple[str, ...]:
    """What the columns and verdicts of the summary mean."""
    return (
        "Mean change of tuned models against the un-tuned model on the same pictures, in points, over the "
        "kind's evaluation sets, seeds and rows; intervals of 95 % count a picture once and a seed once. "
        f"{SIGNIFICANT} significant after Holm over the kinds; PT and V by one estimator only, which is no "
        "conclusion.",
        "A kind does not transfer where no gain is shown and it is surely less than "
        f"{100 * found.margin:g} % of the gain within; in part: surely less than within; mixed: on some sets "
        "tuning surely helps, on others it surely hurts. That a gain is not significant decides nothing.",
    )


def _columns(found: Transfer) -> tuple[tuple[str, ...], tuple[Key, ...]]:
    """Axes and keys: a level for each factor that varies, where that tells all columns apart."""
    factors = dict.fromkeys(factor for column in found.columns for factor in column.factors)
    varying = tuple(
        factor for factor in factors if len({column.factors.get(factor, "") for column in found.columns}) > 1
    )
    keys = [tuple(column.factors.get(factor, "") for factor in varying) for column in found.columns]
    if varying and len(set(keys)) == len(keys) and all(column.factors for column in found.columns):
        return varying, tuple(keys)
    return ("evaluated on",), tuple((column.name,) for column in found.columns)


def _cells(found: Transfer, row: TransferRow, metric: str) -> tuple[LayoutCell, ...]:
    there = {cell.column: cell for cell in row.cells}
    return tuple(_cell(found, metric, there.get(place)) for place in range(len(found.columns)))


def _cell(found: Transfer, metric: str, cell: TransferCell | None) -> LayoutCell:
    if cell is None:
        return LayoutCell(metric, {}, ABSENT)
    one, change = cell.metrics[metric], cell.changes.get(metric)
    told = None
    if change is not None and change.difference is not None:
        told = Change("", change.difference, change.low, change.high, change.verdict)
    return LayoutCell(
        metric,
        {},
        MEASURED,
        cell.runs,
        len(cell.runs),
        one.value,
        one.low,
        one.high,
        one.n,
        told,
        basis=Basis(found.specification, found.threshold, found.rma),
    )


def _summary_table(found: Transfer, one: TransferSummary) -> Table:
    titles = [_SHORT.get(metric, metric) for metric in MEASURES]
    *_, conclusion = sentences(one)
    return Table(
        title=" · ".join(("Transfer by kind", *_scope(found, one))),
        columns=(titles[0], "of the gain within", *titles[1:], "verdict"),
        rows=tuple(_summary_row(kind) for kind in one.kinds),
        legend=meaning(found),
        findings=(conclusion[0].upper() + conclusion[1:],),
        subject="evaluated on",
    )


def _scope(found: Transfer, one: TransferSummary) -> Iterator[str]:
    """Whose rows a summary is of; nothing where it is of all."""
    if one.model is not None and len({row.model for row in found.rows}) > 1:
        yield one.model
    if one.method is not None:
        yield one.method


def _summary_row(kind: KindSummary) -> Row:
    gains = [_gain(kind.gains[metric]) for metric in MEASURES]
    share = Cell(UNDEFINED)
    if kind.share is not None:
        share = Cell(number(kind.share.value), (number(kind.share.low), number(kind.share.high)))
    return Row(kind_title(kind.kind), _count(kind), (gains[0], share, *gains[1:], Cell(kind.verdict)))


def _gain(one: KindGain) -> Cell:
    if one.value is None:
        return Cell(UNDEFINED)
    mark = SIGNIFICANT if one.p_holm is not None and one.p_holm < ALPHA else ""
    limits = tuple("" if end is None else number(end, signed=True) for end in (one.low, one.high))
    return Cell(number(one.value, signed=True) + mark, (limits[0], limits[1]))


def _count(kind: KindSummary) -> str:
    cells = f"{kind.cells} cell{'s' if kind.cells > 1 else ''}"
    return f"{cells}, {kind.up} up, {kind.down} down"


def _percent(one: Estimate) -> str:
    return f"{number(one.value)} % {interval(one.low, one.high)}"
