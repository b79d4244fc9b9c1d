"""Runs that differ in the seed only: how much of a number is the seed (requirement of any honest table)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from .quadrants import CELLS, METRIC_INDEX, Codes, ratios
from .results import QUALITIES

Floats = npt.NDArray[np.float64]


class Combined(NamedTuple):
    """Mean over k runs with an interval that adds the variance of seeds and of pictures."""

    mean: float
    sd: float
    low: float
    high: float
    p: float
    """Two-sided, of the mean being 0."""


def values(codes: Codes) -> dict[str, float]:
    """accuracy, V, PT, IR and lift of one run's cells; NaN where undefined."""
    result = ratios(np.bincount(codes, minlength=len(CELLS)))
    return {metric: float(result[METRIC_INDEX[metric]]) for metric in QUALITIES}


def influences(codes: Codes) -> dict[str, Floats]:
    """Influence of each of n pictures on each measure: its variance over pictures is var(influence)/n.

    For a quotient θ = mean(x)/mean(y) it is (x − θ·y)/mean(y) (infinitesimal jackknife).
    """
    right = np.isin(codes, (0, 1, 4)).astype(np.float64)
    annotated = (codes < 4).astype(np.float64)
    known_right, valid = right * annotated, np.isin(codes, (0, 2)).astype(np.float64)
    both = known_right * valid

    def quotient(x: Floats, y: Floats) -> Floats:
        return (x - _safe(x.mean(), y.mean()) * y) / (y.mean() or np.nan)

    parts = (both, annotated, known_right, valid)
    rr, a, r, v = (_relative(part) for part in parts)
    lift = _safe(both.mean() * annotated.mean(), known_right.mean() * valid.mean())
    return {
        "accuracy": right - right.mean(),
        "V": quotient(valid, annotated),
        "PT": quotient(both, known_right),
        "IR": quotient(both, valid),
        "lift": lift * (rr + a - r - v),
    }


def combine(numbers: Sequence[float], influence: Floats, level: float = 0.95) -> Combined:
    """Mean of k numbers (one a seed) whose mean has the given influence of n pictures.

    Variance = s²/k between seeds + var(influence)/n between pictures; Student's t with the degrees of
    freedom of Welch and Satterthwaite, in which the pictures' part has as many as there are pictures.
    """
    observed = np.asarray(numbers, dtype=np.float64)
    k, n = len(observed), len(influence)
    mean = float(observed.mean())
    sd = float(observed.std(ddof=1)) if k > 1 else math.nan
    if math.isnan(mean):
        return Combined(mean, sd, math.nan, math.nan, math.nan)
    of_seeds = sd**2 / k if k > 1 else 0.0
    of_pictures = float(np.var(influence)) / n
    error = math.sqrt(of_seeds + of_pictures)
    if error == 0:
        return Combined(mean, sd, mean, mean, 1.0 if mean == 0 else math.nan)
    weight = of_seeds**2 / max(k - 1, 1) + of_pictures**2 / max(n - 1, 1)
    freedom = (of_seeds + of_pictures) ** 2 / weight
    reach = float(special.stdtrit(freedom, (1 + level) / 2)) * error
    return Combined(
        mean, sd, mean - reach, mean + reach, float(2 * special.stdtr(freedom, -abs(mean) / error))
    )


def _safe(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan


def _relative(part: Floats) -> Floats:
    # An influence relative to the mean; a mean of 0 makes the lift undefined, or 0 whatever is added.
    return part / part.mean() if part.mean() else np.zeros_like(part)
