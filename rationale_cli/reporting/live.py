"""The tables at all 101 thresholds as whole numbers: what the page's slider shows.

Everything is computed here; the script only looks up and writes. See ``numbers`` for the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..measures.comparison_results import Comparison
from ..measures.multiple import holm
from ..measures.results import ScoreTable
from ..measures.run_results import RunScore
from ..measures.sweep import ComparisonSweep, RunSweep, Sweep
from ..measures.verdict import ALPHA
from .numbers import PERCENT, steps, unit_of


def pack(table: ScoreTable, sweep: Sweep, references: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """One table at each threshold as plain JSON values, rows in the order of ``table.rows``.

    At the table's own threshold the numbers are the table's, which rests on more replicates.
    ``references`` are shares of valid evidence of controls at each threshold.
    """
    rows = {row.run: row for row in sweep.rows}
    pairs = {pair.run: pair for pair in sweep.comparisons}
    compared = {pair.run: pair for pair in table.comparisons}
    fixed = fixed_significance(table, sweep)
    packed = [_row(rows[row.run], pairs.get(row.run), fixed.get(row.run, {})) for row in table.rows]
    for at in (at for at, tau in enumerate(sweep.thresholds) if abs(tau - table.threshold) < 1e-9):
        for line, row in zip(packed, table.rows, strict=True):
            _settle(line, at, row, compared.get(row.run))
    return {
        "tau": table.threshold,
        "rows": packed,
        "marks": {name: [steps(value, PERCENT) for value in values] for name, values in references.items()},
    }


def brief(packed: dict[str, Any]) -> dict[str, Any]:
    """What ``pack`` made with each series of numbers as a line of text; the page's script reads it back."""
    return {key: _brief(value) for key, value in packed.items()}


def series(values: Sequence[int | None]) -> str:
    """Whole numbers by their differences, equal ones counted; n stands for None.

    Between neighbouring thresholds little changes: a third of the bytes of the numbers themselves.

    >>> series([5, 5, 5, 7, None, 7])
    '5,0*2,2,n,0'
    """
    written: list[tuple[str, int]] = []
    before = 0
    for value in values:
        step = "n" if value is None else str(value - before)
        before = before if value is None else value
        times = written.pop()[1] if written and written[-1][0] == step else 0
        written.append((step, times + 1))
    return ",".join(step if times == 1 else f"{step}*{times}" for step, times in written)


def _brief(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _brief(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        numbers = bool(value) and all(one is None or isinstance(one, int) for one in value)
        return series(value) if numbers else [_brief(one) for one in value]
    return value


def fixed_significance(table: ScoreTable, sweep: Sweep) -> dict[str, dict[str, list[bool]]]:
    """Run → metric → significance at each threshold, for what the threshold does not move.

    Accuracy and witnesses stay as they are, but Holm's adjustment is over the whole table, whose other p
    values the threshold moves.
    """
    moving = [band.p for pair in sweep.comparisons for band in pair.metrics.values()]
    still = [
        (pair.run, metric, one.p)
        for pair in table.comparisons
        for metric, one in pair.differences.items()
        if metric == "accuracy" or metric.startswith("witness:")
    ]
    p_still = [_p(p) for _, _, p in still]
    result: dict[str, dict[str, list[bool]]] = {pair.run: {} for pair in table.comparisons}
    for run, metric, _ in still:
        result[run][metric] = []
    for at in range(len(sweep.thresholds)):
        adjusted = holm([*p_still, *(_p(p[at]) for p in moving)])
        for (run, metric, _), value in zip(still, adjusted.tolist(), strict=False):
            result[run][metric].append(value < ALPHA)
    return result


def flips(comparison: Comparison, sweep: Sweep) -> list[str]:
    """Conclusions that do not hold over τ ∈ [0.4, 0.6]: differences from the baseline that are significant
    at some of these thresholds and not at others, or with either sign; each as a sentence.
    """
    pair = next((one for one in sweep.comparisons if one.run == comparison.run), None)
    inside = [at for at, tau in enumerate(sweep.thresholds) if 0.4 - 1e-9 <= tau <= 0.6 + 1e-9]
    said = []
    for metric, band in pair.metrics.items() if pair else ():
        concluded = [band.difference[at] or 0.0 for at in inside if band.significant[at]]
        if not concluded or (len(concluded) == len(inside) and min(concluded) * max(concluded) > 0):
            continue
        turns = min(concluded) < 0 < max(concluded)
        how = "turns its sign" if turns else f"is significant at {len(concluded)} of {len(inside)} thresholds"
        said.append(f"{metric} of {comparison.run} against {comparison.baseline} {how} inside τ 0.40–0.60.")
    return said


def _row(row: RunSweep, pair: ComparisonSweep | None, fixed: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    packed: dict[str, Any] = {"counts": [row.RR, row.WR, row.RW, row.WW]}
    packed |= {
        metric: [_steps(values, metric) for values in (band.value, band.low, band.high)]
        for metric, band in row.metrics.items()
    }
    if pair is None:
        return packed
    packed["difference"] = {
        metric: [_steps(values, metric) for values in (band.difference, band.low, band.high)]
        for metric, band in pair.metrics.items()
    }
    marks = {metric: band.significant for metric, band in pair.metrics.items()} | dict(fixed)
    packed["significant"] = {metric: [int(mark) for mark in values] for metric, values in marks.items()}
    return packed


def _settle(packed: dict[str, Any], at: int, row: RunScore, pair: Comparison | None) -> None:
    """Put a table's own numbers at its threshold's place."""
    for metric, one in row.metrics.items():
        if metric in packed:
            _put(packed[metric], at, (one.value, one.low, one.high), metric)
    for metric, found in pair.differences.items() if pair else ():
        if metric in packed["difference"]:
            _put(packed["difference"][metric], at, (found.difference, found.low, found.high), metric)
        packed["significant"][metric][at] = int(found.significant)


def _put(series: Sequence[list[int | None]], at: int, values: Sequence[float | None], metric: str) -> None:
    for one, value in zip(series, values, strict=True):
        one[at] = steps(value, unit_of(metric))


def _steps(values: Sequence[float | None], metric: str) -> list[int | None]:
    unit = unit_of(metric)
    return [steps(value, unit) for value in values]


def _p(value: float | None) -> float:
    return np.nan if value is None else value
