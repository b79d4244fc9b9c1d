"""Counts at many thresholds by one sort, and strata of mask area (protocol §1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .estimates import defined
from .quadrants import CELLS, Outcomes, count, ratios
from .run_results import Curve

Floats = npt.NDArray[np.float64]

THRESHOLDS: Floats = np.arange(101) / 100
"""0, 0.01 … 1: where curves are given."""

TERTILES = ("small", "middle", "large")


class AreaStratum(NamedTuple):
    """A tertile of mask area."""

    name: str
    low: float
    high: float
    counts: npt.NDArray[np.int64]


def threshold_counts(outcomes: Outcomes, thresholds: Floats) -> npt.NDArray[np.int64]:
    """Counts at T thresholds: T×6, exact for every threshold (valid when RMA ≥ τ).

    One sort each for the right and the wrong; then every threshold is a binary search.

    >>> flags = np.array([True, True, False])
    >>> values = np.array([0.2, 0.8, 0.5])
    >>> outcomes = Outcomes(np.zeros(3, int), flags, np.ones(3, bool), values, values)
    >>> threshold_counts(outcomes, np.array([0.0, 0.5, 0.9]))[:, :4].tolist()
    [[2, 0, 1, 0], [1, 1, 1, 0], [0, 2, 0, 1]]
    """
    counts = np.empty((len(thresholds), len(CELLS)), dtype=np.int64)
    for offset, chosen in ((0, outcomes.right), (2, ~outcomes.right)):
        mass = outcomes.rma[chosen & outcomes.annotated]
        known = np.sort(mass[~np.isnan(mass)])
        is_valid = len(known) - np.searchsorted(known, thresholds, side="left")
        counts[:, offset] = is_valid
        counts[:, offset + 1] = len(mass) - is_valid
    counts[:, 4] = np.sum(outcomes.right & ~outcomes.annotated)
    counts[:, 5] = np.sum(~outcomes.right & ~outcomes.annotated)
    return counts


def curve(outcomes: Outcomes, thresholds: Floats = THRESHOLDS) -> Curve:
    """V, PT, IR and lift at each threshold."""
    values = ratios(threshold_counts(outcomes, thresholds))
    return Curve(
        tuple(float(value) for value in thresholds),
        *(_optional(column) for column in (values.V, values.PT, values.IR, values.lift)),
    )


def area_tertiles(outcomes: Outcomes) -> list[npt.NDArray[np.intp]]:
    """Positions of the pictures in each tertile of mask area; empty with fewer than three annotated ones.

    Pictures are ranked by area, ties in their order, so that the three strata differ by one at most.
    """
    chosen = np.flatnonzero(outcomes.annotated)
    if len(chosen) < len(TERTILES):
        return []
    ranked = chosen[np.argsort(outcomes.area[chosen], kind="stable")]
    return np.array_split(ranked, len(TERTILES))


def area_strata(outcomes: Outcomes, threshold: float) -> list[AreaStratum]:
    """Counts by tertile of mask area, see ``area_tertiles``."""
    codes = outcomes.codes(threshold)
    strata = []
    for name, part in zip(TERTILES, area_tertiles(outcomes), strict=False):
        areas = outcomes.area[part]  # in rising order
        strata.append(AreaStratum(name, float(areas[0]), float(areas[-1]), count(codes[part])))
    return strata


def _optional(values: npt.NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(defined(value) for value in values)
