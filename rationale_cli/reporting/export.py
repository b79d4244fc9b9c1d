"""Scores as CSV: one line a table, run and metric, in fractions at full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from ..measures.comparison_results import Comparison
from ..measures.estimates import Estimate
from ..measures.results import ScoreResult, ScoreTable
from ..measures.run_results import RunScore

COLUMNS = (
    "dataset",
    "split",
    "specification",
    "rma",
    "threshold",
    "run",
    "model",
    "method",
    "seed",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "baseline",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "significant",
    "verdict",
)


def score_csv(result: ScoreResult) -> str:
    """Every measure and witness of every run; what is undefined is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for table in result.tables:
        compared = {one.run: one for one in table.comparisons}
        for row in table.rows:
            writer.writerows(_lines(table, row, compared.get(row.run)))
    return text.getvalue()


def _lines(table: ScoreTable, row: RunScore, comparison: Comparison | None) -> Iterator[list[Any]]:
    place = [table.dataset, table.split, table.specification, table.rma, table.threshold]
    who = [row.run, row.model, row.method, row.seed]
    witnesses = {f"witness:{kind}": one.accuracy for kind, one in row.witness.items()}
    compared = {**comparison.differences, **comparison.calibration} if comparison else {}
    for metric, one in {**row.metrics, **witnesses, **_calibration(row)}.items():
        line = [*place, *who, metric, one.value, one.low, one.high, one.n]
        difference = compared.get(metric)
        if comparison is None or difference is None:
            yield [*line, *[None] * 8]
            continue
        yield [
            *line,
            comparison.baseline,
            difference.difference,
            difference.low,
            difference.high,
            difference.p,
            difference.p_holm,
            difference.significant,
            difference.verdict,
        ]


def _calibration(row: RunScore) -> dict[str, Estimate]:
    """``ECE`` as predicted, ``ECE:temperature`` after that method; accuracy stands there already."""
    if row.calibration is None:
        return {}
    found = {
        f"{metric}:{one.name}" if one.made else metric: estimate
        for one in row.calibration.predictions
        for metric, estimate in one.metrics.items()
        if metric != "accuracy"
    }
    confident = row.calibration.confident
    return found | ({"confident_wrong_reason": confident.rate} if confident else {})
