"""The whole table at 101 thresholds: what a slider over τ shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .bootstrap import Resampling, measured_interval, percentiles, resample
from .curves import THRESHOLDS, threshold_counts
from .estimates import defined
from .measured import Measured
from .multiple import holm
from .paired import EVIDENCE_METRICS, Paired, paired_measures
from .quadrants import CELLS, METRIC_INDEX, Outcomes, proportions, ratios
from .verdict import ALPHA

Floats = npt.NDArray[np.float64]
Numbers = tuple[float | None, ...]

REPLICATES = 2_000
"""At most, at each threshold."""


@dataclass(frozen=True)
class Band:
    """A measure at each threshold, with its 95 % interval."""

    value: Numbers
    low: Numbers
    high: Numbers


@dataclass(frozen=True)
class RunSweep:
    """One run at each threshold."""

    run: str
    RR: tuple[int, ...]
    RW: tuple[int, ...]
    WR: tuple[int, ...]
    WW: tuple[int, ...]
    left_right: int
    left_wrong: int
    metrics: dict[str, Band]
    """V, PT, IR, lift. Accuracy does not depend on the threshold."""


@dataclass(frozen=True)
class DifferenceBand:
    """Run minus baseline at each threshold."""

    difference: Numbers
    low: Numbers
    high: Numbers
    p: Numbers
    significant: tuple[bool, ...]
    """After Holm over the table as it stands at that threshold."""


@dataclass(frozen=True)
class ComparisonSweep:
    """One run against its baseline at each threshold."""

    run: str
    baseline: str
    metrics: dict[str, DifferenceBand]
    """V, PT, IR, lift."""


@dataclass(frozen=True)
class Sweep:
    """One table (dataset, split, estimator) at each threshold."""

    dataset: str
    fingerprint: str
    split: str
    specification: str
    thresholds: tuple[float, ...]
    rows: tuple[RunSweep, ...]
    comparisons: tuple[ComparisonSweep, ...]


def sweep_run(run: str, outcomes: Outcomes, how: Resampling) -> RunSweep:
    """Counts and measures of one run at each threshold, from one bootstrap over (prediction × bin of RMA)."""
    counts = threshold_counts(outcomes, THRESHOLDS)
    values = ratios(counts)
    samples = ratios(_replicated(outcomes, _fewer(how)))
    metrics = {}
    for metric in EVIDENCE_METRICS:
        index = METRIC_INDEX[metric]
        low, high = percentiles(samples[index])
        for at in _still(metric, counts, low, high):
            low[at], high[at] = measured_interval(metric, counts[at], samples[index][:, at])
        metrics[metric] = Band(_numbers(values[index]), _numbers(low), _numbers(high))
    rr, rw, wr, ww = (tuple(int(value) for value in column) for column in counts.T[:4])
    return RunSweep(run, rr, rw, wr, ww, int(counts[0, 4]), int(counts[0, 5]), metrics)


def sweep_pair(run: Measured, baseline: Measured, how: Resampling) -> list[dict[str, Paired]]:
    """Paired differences in V, PT, IR and lift at each threshold."""
    fewer = _fewer(how)
    return [
        paired_measures(run.outcomes.codes(tau), baseline.outcomes.codes(tau), fewer)
        for tau in THRESHOLDS.tolist()
    ]


def settle_sweeps(
    pairs: Sequence[tuple[str, str]], found: Sequence[Sequence[dict[str, Paired]]], fixed: Sequence[float]
) -> tuple[ComparisonSweep, ...]:
    """Adjust each threshold's differences by Holm, together with the p values that no threshold moves."""
    marks = [_significant([one[at] for one in found], fixed) for at in range(len(THRESHOLDS))]
    return tuple(
        ComparisonSweep(
            run,
            baseline,
            {
                metric: _band([at[metric] for at in found[k]], [bool(mark[k][j]) for mark in marks])
                for j, metric in enumerate(EVIDENCE_METRICS)
            },
        )
        for k, (run, baseline) in enumerate(pairs)
    )


def _significant(found: Sequence[dict[str, Paired]], fixed: Sequence[float]) -> npt.NDArray[np.bool_]:
    p = [one[metric].p for one in found for metric in EVIDENCE_METRICS]
    adjusted = holm([*p, *fixed])[: len(p)]
    return np.asarray(adjusted < ALPHA).reshape(len(found), len(EVIDENCE_METRICS))


def _band(found: Sequence[Paired], significant: Sequence[bool]) -> DifferenceBand:
    columns = np.array([(one.difference, one.low, one.high, one.p) for one in found]).T
    difference, low, high, p = (_numbers(column) for column in columns)
    return DifferenceBand(difference, low, high, p, tuple(significant))


def _replicated(outcomes: Outcomes, how: Resampling) -> Floats:
    """B×T×6 counts: a picture in bin b is valid at the first b thresholds."""
    bins = np.searchsorted(THRESHOLDS, np.nan_to_num(outcomes.rma, nan=-1.0), side="right")
    half = len(THRESHOLDS) + 1
    codes = np.where(outcomes.annotated, bins + half * ~outcomes.right, 2 * half + ~outcomes.right)
    drawn = resample([codes.astype(np.int64)], [2 * half + 2], how)
    pattern = drawn.patterns[:, 0]
    reached = pattern[:, None] % half > np.arange(len(THRESHOLDS))
    counts = np.empty((len(drawn.draws), len(THRESHOLDS), len(CELLS)))
    for offset, chosen in ((0, pattern < half), (2, (pattern >= half) & (pattern < 2 * half))):
        valid = drawn.draws[:, chosen] @ reached[chosen].astype(np.float64)
        counts[..., offset] = valid
        counts[..., offset + 1] = drawn.draws[:, chosen].sum(axis=1)[:, None] - valid
    for offset in (0, 1):
        counts[..., 4 + offset] = drawn.draws[:, pattern == 2 * half + offset].sum(axis=1)[:, None]
    return counts


def _still(metric: str, counts: npt.NDArray[Any], low: Floats, high: Floats) -> list[int]:
    """Thresholds at which the bootstrap cannot be trusted, see ``bootstrap.estimates``."""
    if metric == "lift":
        return np.flatnonzero(low == high).tolist()
    pairs = (proportions(one)[metric] for one in counts)
    return [at for at, (hits, n) in enumerate(pairs) if n and hits in (0, n)]


def _fewer(how: Resampling) -> Resampling:
    return replace(how, replicates=min(how.replicates, REPLICATES))


def _numbers(values: Floats) -> Numbers:
    return tuple(defined(value) for value in values)
