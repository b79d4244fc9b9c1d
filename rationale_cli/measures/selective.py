"""Selective prediction: what is lost by abstaining least, and which score says best when to abstain.

Pictures are answered in the order of a score, the highest first. Risk at a coverage is the mean loss of what
is answered; AURC, the area under it, is the mean risk over all coverages (Geifman & El-Yaniv, ICLR 2019).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

COVERAGES: Floats = np.arange(1, 101) / 100
"""Where curves are given."""


class RiskCoverage(NamedTuple):
    """The curve of one score and one loss over n pictures."""

    risk: Floats
    """At ``COVERAGES``."""
    area: float
    """AURC."""
    influence: Floats
    """Of each picture on the area: its variance over pictures is var(influence)/n."""


def risk_coverage(score: Floats, loss: npt.NDArray[np.floating | np.bool_]) -> RiskCoverage:
    """Risk against coverage for n > 0 pictures; ties are answered in random order, and risks expected ones.

    >>> curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([False, False, True, True]))
    >>> round(curve.area, 4), curve.risk[[49, 99]].tolist()
    (0.2083, [0.0, 0.5])
    """
    n, losses = len(score), np.asarray(loss, np.float64)
    _, block, sizes = np.unique(-np.asarray(score), return_inverse=True, return_counts=True)
    mean = np.bincount(block, weights=losses) / sizes
    of_place = np.repeat(np.arange(len(sizes)), sizes)
    answered = np.arange(1, n + 1)
    risk = np.cumsum(mean[of_place]) / answered
    area = float(risk.mean())
    # Derivative of Σ_k w_k·R_k by the weight of a picture: its own risk, and what it does to those after it.
    after = np.cumsum((1 / answered)[::-1])[::-1]
    after_risk = np.cumsum((risk / answered)[::-1])[::-1]

    def of_block(values: Floats) -> Floats:
        return (np.bincount(of_place, weights=values) / sizes)[block]

    influence = of_block(risk) + losses * of_block(after) - of_block(after_risk) - area
    at = np.ceil(COVERAGES * n - 1e-9).astype(np.int64) - 1
    return RiskCoverage(risk[np.maximum(at, 0)], area, influence)


def together(first: Floats, second: Floats) -> Floats:
    """Two scores as one without a weight to choose: the mean of their ranks, from 0 to 1."""
    return (_ranks(first) + _ranks(second)) / 2


def _ranks(values: Floats) -> Floats:
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(sizes) - (sizes + 1) / 2 + 0.5)[place] / len(values))
