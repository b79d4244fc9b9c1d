"""Correlations of resampled items: B×n weights tell how often each of n items stands in each replicate.

NaN marks what was not answered and is left out; a correlation of what does not vary is undefined, NaN here
and null outside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .bootstrap import Resampling

Floats = npt.NDArray[np.float64]

_FLAT = 1e-9
"""Variance, as a share of that over all items, below which values do not vary."""


def resampled(n: int, how: Resampling) -> Floats:
    """Weights (1+B)×n: first every item once, which gives the value itself, then B bootstrap samples."""
    drawn = np.random.default_rng(how.seed).multinomial(n, np.full(n, 1 / n), size=how.replicates)
    return np.concatenate([np.ones((1, n)), drawn])


def pearson(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson's r of columns: x and y n×k (or n×1 against n×k) → B×k.

    >>> x, y = np.array([[1.0], [2.0], [3.0]]), np.array([[2.0, 3.0], [4.0, 2.0], [6.0, 1.0]])
    >>> pearson(np.ones((1, 3)), x, y).round(6)
    array([[ 1., -1.]])
    """
    x, y = np.broadcast_arrays(x, y)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = _standard(x, known), _standard(y, known)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights @ known
        mean_x, mean_y, mean_xx, mean_yy, mean_xy = (
            weights @ one / total for one in (x, y, x * x, y * y, x * y)
        )
    return _correlation(mean_xy - mean_x * mean_y, mean_xx - mean_x**2, mean_yy - mean_y**2)


def spearman(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Spearman's ρ of x and y, both n: B values, with the ranks of each replicate."""
    known = np.isfinite(x) & np.isfinite(y)
    weights = weights[:, known]
    a, b = (_midranks(weights, one[known]) for one in (x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(axis=1)
        # Mid-ranks have the same mean whatever ties there are.
        a, b = (one - (total[:, None] + 1) / 2 for one in (a, b))
        scale = total**2
        covariance, first, second = (
            (weights * one).sum(axis=1) / total / scale for one in (a * b, a * a, b * b)
        )
    return _correlation(covariance, first, second)


def shares(weights: Floats, flags: Floats) -> Floats:
    """Mean of each column of n×k values (NaN where unknown) → B×k."""
    known = np.isfinite(flags)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weights @ np.where(known, flags, 0.0) / (weights @ known))


def mean_defined(values: Floats) -> Floats:
    """Mean over the columns that are defined: B×k → B, NaN where none is.

    >>> mean_defined(np.array([[0.5, np.nan], [np.nan, np.nan]]))
    array([0.5, nan])
    """
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1))


def _midranks(weights: Floats, values: Floats) -> Floats:
    """Rank of each of n values where each stands as often as its weight says; ties share their mean rank."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max(initial=-1) + 1))
    totals = np.add.reduceat(weights[:, order], starts, axis=1)
    return np.asarray((totals.cumsum(axis=1) - (totals - 1) / 2)[:, group])


def _standard(values: Floats, known: npt.NDArray[Any]) -> Floats:
    """Columns with mean 0 and variance 1, and 0 where unknown or constant."""
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - np.where(known, values, 0.0).sum(axis=0) / count, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    size = np.abs(np.where(known, values, 0.0)).max(axis=0, initial=0.0)
    return np.asarray(np.where(spread > _FLAT * size, centred / np.where(spread > 0, spread, 1.0), 0.0))


def _correlation(covariance: Floats, first: Floats, second: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = covariance / np.sqrt(first * second)
        return np.asarray(np.where((first > _FLAT) & (second > _FLAT), np.clip(found, -1, 1), np.nan))
