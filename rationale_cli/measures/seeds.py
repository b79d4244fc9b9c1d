"""Runs that differ in the seed only: how much of a number is the seed (requirement of any honest table)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from .estimates import QUALITIES
from .quadrants import CELLS, METRIC_INDEX, Codes, ratios

Floats = npt.NDArray[np.float64]

_MEMBERS: tuple[Floats, ...] = tuple(
    np.array([name in cells for name in CELLS], dtype=np.float64)
    for cells in (
        ("RR", "RW", "left_right"),
        ("RR", "RW", "WR", "WW"),
        ("RR", "RW"),
        ("RR", "WR"),
        ("RR",),
    )
)
"""Which cells are right, annotated, right and annotated, valid, right and valid."""


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
    """Influence of each of n pictures on each measure: its variance over pictures is var(influence)/n."""
    of_cells = cell_influences(np.bincount(codes, minlength=len(CELLS)))
    return {metric: influence[codes] for metric, influence in of_cells.items()}


def cell_influences(counts: npt.NDArray[Any]) -> dict[str, Floats]:
    """Influence of a picture of each of the six cells on each measure of these counts.

    For a quotient θ = mean(x)/mean(y) it is (x − θ·y)/mean(y) (infinitesimal jackknife).
    """
    share = counts / counts.sum()
    right, annotated, known_right, valid, both = _MEMBERS

    def quotient(x: Floats, y: Floats) -> Floats:
        below = float(y @ share)
        return (x - _safe(float(x @ share), below) * y) / (below or np.nan)

    def relative(part: Floats) -> Floats:
        # A mean of 0 makes the lift undefined, or 0 whatever is added.
        mean = float(part @ share)
        return part / mean if mean else np.zeros_like(part)

    lift = _safe(
        float(both @ share) * float(annotated @ share), float(known_right @ share) * float(valid @ share)
    )
    return {
        "accuracy": right - float(right @ share),
        "V": quotient(valid, annotated),
        "PT": quotient(both, known_right),
        "IR": quotient(both, valid),
        "lift": lift * (relative(both) + relative(annotated) - relative(known_right) - relative(valid)),
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
