"""Transfer as CSV, in fractions at full precision; what is undefined is empty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..measures.transfer_results import Transfer, TransferCell, TransferRow
from .layout_csv import written

COLUMNS = (
    *("model", "method", "tuned_on", "evaluated_on", "dataset", "factors", "kind", "runs"),
    *("metric", "value", "low", "high", "n", "chance"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "verdict"),
    *("specification", "rma", "threshold"),
)
"""One line a cell and measure: factors as ``name=level`` and runs by blanks; the un-tuned model has neither
kind nor difference."""

SUMMARY_COLUMNS = (
    *(
        "model",
        "method",
        "kind",
        "rows",
        "cells",
        "pictures",
        "cells_up",
        "cells_down",
        "verdict",
        "conclusion",
    ),
    *("share_of_gain_within", "share_low", "share_high", "metric", "gain", "low", "high", "p", "p_holm"),
)
"""One line a kind and measure; ``model`` and ``method`` are empty for all rows together."""


def transfer_csv(found: Transfer) -> str:
    """Every cell of the matrix."""
    return written(
        COLUMNS, [line for row in found.rows for cell in row.cells for line in _cell(found, row, cell)]
    )


def summary_csv(found: Transfer) -> str:
    """Every kind of transfer."""
    return written(SUMMARY_COLUMNS, _summaries(found))


def _cell(found: Transfer, row: TransferRow, cell: TransferCell) -> Iterator[list[Any]]:
    column = found.columns[cell.column]
    factors = " ".join(f"{factor}={level}" for factor, level in column.factors.items())
    place = [row.model, row.method, row.tuned_on, column.name, column.dataset, factors, cell.kind]
    for metric, one in cell.metrics.items():
        change = cell.changes.get(metric)
        yield [
            *place,
            " ".join(cell.runs),
            *(metric, one.value, one.low, one.high, one.n, column.chance),
            *(
                (change.difference, change.low, change.high, change.p, change.p_holm, change.verdict)
                if change
                else [None] * 6
            ),
            *(found.specification, found.rma, found.threshold),
        ]


def _summaries(found: Transfer) -> Iterator[list[Any]]:
    for summary in found.summaries:
        for kind in summary.kinds:
            share = kind.share
            told = [
                *(summary.model, summary.method, kind.kind, kind.rows, kind.cells, kind.pictures),
                *(kind.up, kind.down, kind.verdict, summary.conclusion),
                *((share.value, share.low, share.high) if share else [None] * 3),
            ]
            for metric, gain in kind.gains.items():
                yield [*told, metric, gain.value, gain.low, gain.high, gain.p, gain.p_holm]
