"""Differences between two runs on the same pictures (protocol §1, §7)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .bootstrap import LEVEL, Resampling, measured_interval, percentile, resample
from .intervals import Contrast, Interval, agresti_min, mover, newcombe, quantile, two_sided
from .multiple import mcnemar
from .quadrants import CELLS, METRIC_INDEX, Codes, Flags, Ratios, proportions, ratios

Floats = npt.NDArray[np.float64]

EVIDENCE_METRICS = ("V", "PT", "IR", "lift")
"""The measures that depend on the heatmaps."""

CLOSED_FORM = "closed form"
"""Test of a difference that the bootstrap cannot judge."""

_VALID, _INVALID = (0, 2), (1, 3)
"""Cells of annotated pictures by their evidence."""

POWER = 0.8418
"""Normal quantile of a power of 80 %, rounded up."""


class Paired(NamedTuple):
    """First minus second; NaN where undefined."""

    value: float
    """Of the first."""
    baseline: float
    """Of the second."""
    difference: float
    low: float
    high: float
    p: float
    detectable: float
    """(z₀.₉₇₅ + z₀.₈₀) · standard error: the smallest true difference found with a power of 80 %."""
    n: int
    test: str


class Excess(NamedTuple):
    """A difference minus the same difference with a control."""

    difference: float
    """With the control."""
    excess: float
    low: float
    high: float


def paired_proportion(first: Flags, second: Flags, how: Resampling, level: float = LEVEL) -> Paired:
    """Difference of two proportions on the same n > 0 pictures: McNemar's exact test, bootstrap interval.

    Where nothing was gained or nothing lost the bootstrap cannot move to one side, and the interval is
    Agresti and Min's.
    """
    n = len(first)
    gained, lost = int(np.sum(first & ~second)), int(np.sum(~first & second))
    codes = (first & ~second) + 2 * (~first & second)
    counts = resample([codes.astype(np.int64)], [3], how).counts(0)
    samples = (counts[:, 1] - counts[:, 2]) / n
    limits = percentile(samples, level) if gained and lost else agresti_min(gained, lost, n, level)[1:3]
    return Paired(
        value=float(first.mean()),
        baseline=float(second.mean()),
        difference=(gained - lost) / n,
        low=limits[0],
        high=limits[1],
        p=mcnemar(gained, lost),
        detectable=_detectable(samples, limits, level),
        n=n,
        test="McNemar, exact",
    )


def paired_measures(first: Codes, second: Codes, how: Resampling, level: float = LEVEL) -> dict[str, Paired]:
    """V, PT, IR and lift of ``first`` minus ``second`` (cells of the same n pictures): paired bootstrap.

    See ``paired_from`` for p and for where the bootstrap is not to be trusted.
    """
    drawn = resample([first, second], [len(CELLS)] * 2, how)
    samples = ratios(drawn.counts(0)), ratios(drawn.counts(1))
    return paired_from(joint_counts(first, second), samples, level)


def joint_counts(first: npt.NDArray[np.integer], second: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """6×6: pictures by their cell in the first and in the second."""
    size = len(CELLS)
    flat = np.bincount(first.astype(np.int64) * size + second, minlength=size * size)
    return flat.reshape(size, size)


def paired_from(
    joint: npt.NDArray[np.int64], samples: tuple[Ratios, Ratios], level: float = LEVEL
) -> dict[str, Paired]:
    """The same from the joint counts of cells (6×6) and the replicates of both, drawn together.

    p = 2·min(P(d* ≤ 0), P(d* ≥ 0)) with one added to each count. Where a measure is 0 or 1 in a run the
    bootstrap understates its spread: then PT and IR are held against each other by Newcombe's method, V by
    Agresti and Min's, the lift by the intervals of both.
    """
    counts = joint.sum(axis=1), joint.sum(axis=0)
    values = ratios(counts[0]), ratios(counts[1])
    n = int(counts[0][:4].sum())
    result = {}
    for metric in EVIDENCE_METRICS:
        index = METRIC_INDEX[metric]
        pair = samples[0][index], samples[1][index]
        contrast = _closed_form(metric, joint, pair, level)
        difference = pair[0] - pair[1]
        test = CLOSED_FORM if contrast else "paired bootstrap"
        if contrast is None:
            observed = float(values[0][index] - values[1][index])
            contrast = Contrast(observed, *percentile(difference, level), p_value(difference, observed))
        result[metric] = Paired(
            float(values[0][index]),
            float(values[1][index]),
            contrast.difference,
            contrast.low,
            contrast.high,
            contrast.p,
            _detectable(difference, (contrast.low, contrast.high), level),
            n,
            test,
        )
    return result


def excess_over_control(
    runs: tuple[Codes, Codes], controls: tuple[Codes, Codes], how: Resampling, level: float = LEVEL
) -> dict[str, Excess]:
    """Difference of the differences: (run − baseline) with the explanation minus the same with a control.

    ``runs`` and ``controls`` hold the cells of run and baseline; all four are drawn together.
    """
    codes = (*runs, *controls)
    drawn = resample(codes, [len(CELLS)] * 4, how)
    samples = [ratios(drawn.counts(index)) for index in range(4)]
    values = [ratios(np.bincount(one, minlength=len(CELLS))) for one in codes]
    result = {}
    for metric in EVIDENCE_METRICS:
        index = METRIC_INDEX[metric]
        own, control = (float(values[k][index] - values[k + 1][index]) for k in (0, 2))
        replicated = samples[0][index] - samples[1][index] - samples[2][index] + samples[3][index]
        result[metric] = Excess(control, own - control, *percentile(replicated, level))
    return result


def p_value(samples: Floats, observed: float) -> float:
    """Two-sided bootstrap p of a difference; NaN where it is undefined.

    Twice the smaller tail, with one added to count and total. Where no replicate crosses 0 the tail lies
    beyond what the replicates can show, and the normal tail by their standard deviation may be smaller:
    so the number of replicates does not limit how many cells a table can correct for.

    >>> p_value(np.array([0.1] * 98 + [-0.1]), 0.1)
    0.04
    """
    known = samples[~np.isnan(samples)]
    if math.isnan(observed) or len(known) * 2 < len(samples):
        return math.nan
    tail = int(min(np.sum(known <= 0), np.sum(known >= 0)))
    p = min(1.0, 2 * (tail + 1) / (len(known) + 1))
    spread = float(known.std())
    return p if tail or spread == 0 else min(p, two_sided(observed / spread))


def _closed_form(
    metric: str, joint: npt.NDArray[np.int64], samples: tuple[Floats, Floats], level: float
) -> Contrast | None:
    """The contrast where the bootstrap cannot be trusted, else None."""
    counts = joint.sum(axis=1), joint.sum(axis=0)
    if metric == "lift":
        return _lift(counts, samples, level)
    hits, n = zip(*(proportions(one)[metric] for one in counts), strict=True)
    if min(n) == 0:
        return None
    if metric == "V" and not joint[:4, 4:].any() and not joint[4:, :4].any():
        gained, lost = int(joint[np.ix_(_VALID, _INVALID)].sum()), int(joint[np.ix_(_INVALID, _VALID)].sum())
        return None if gained and lost else agresti_min(gained, lost, n[0], level)
    if all(0 < h < m for h, m in zip(hits, n, strict=True)):
        return None
    return newcombe((hits[0], hits[1]), (n[0], n[1]), level)


def _lift(
    counts: tuple[npt.NDArray[Any], npt.NDArray[Any]], samples: tuple[Floats, Floats], level: float
) -> Contrast | None:
    values = [float(ratios(one).lift) for one in counts]
    still = [np.nanmin(one) == np.nanmax(one) for one in samples if not np.isnan(one).all()]
    if any(math.isnan(value) for value in values) or not any(still):
        return None
    first, second = (
        (value, measured_interval("lift", one, drawn, level))
        for value, one, drawn in zip(values, counts, samples, strict=True)
    )
    return mover(first, second, level)


def _detectable(samples: Floats, limits: tuple[float, float] | Interval, level: float) -> float:
    known = samples[~np.isnan(samples)]
    spread = float(known.std()) if len(known) else math.nan
    error = spread or (limits[1] - limits[0]) / (2 * quantile(level))
    return (quantile(0.95) + POWER) * error
