"""Calibration after the fact: maps from a model's confidences to better ones, fitted on other pictures.

None of them changes an answer. Temperature scaling and DAC scale logits and so give every class a
probability; histogram binning and isotonic regression tell the answer's alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, spatial

from .calibration import equal_mass
from .probabilities import Labels, log_softmax
from .quadrants import Flags

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

TEMPERATURES = (1e-3, 1e3)
"""Between which the temperature is sought."""

SAME = 0.05
"""Distance of unit vectors below which a class is one of the base classes."""


def fit_temperature(logits: Array, labels: Labels) -> float:
    """The T > 0 that gives n×C logits/T the smallest mean negative log-likelihood (Guo et al., ICML 2017).

    Found in log T, over which the likelihood has one minimum. Logits k times as large give k·T. Where all
    answers are right and more confidence is always better, T is the smallest of ``TEMPERATURES``.

    >>> logits = np.array([[2.0, 0.0]] * 4)  # 3 of 4 right: T makes the confidence 3/4
    >>> round(fit_temperature(logits, np.array([0, 0, 0, 1])), 4), round(2 / math.log(3), 4)
    (1.8205, 1.8205)
    """

    def loss(log_t: float) -> float:
        total = 0.0
        for rows, log_p in log_softmax(logits, math.exp(log_t)):
            total -= float(log_p[np.arange(len(log_p)), labels[rows]].sum())
        return total / len(labels)

    low, high = (math.log(limit) for limit in TEMPERATURES)
    # A coarse search first: far from its minimum the loss is flat, and a bounded search may stop there.
    grid = np.linspace(low, high, 29)
    best = int(np.argmin([loss(one) for one in grid]))
    bounds = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    return math.exp(float(found.x))


@dataclass(frozen=True)
class Map:
    """A map from confidence to calibrated confidence."""

    at: tuple[float, ...]
    value: tuple[float, ...]
    steps: bool
    """``at`` are the upper edges of steps (one fewer than values), or knots between which lines run."""

    def __call__(self, confidence: Floats) -> Floats:
        """Calibrated confidences."""
        if self.steps:
            return np.asarray(self.value)[np.searchsorted(self.at, confidence, side="right")]
        return np.interp(confidence, self.at, self.value)


def fit_histogram(confidence: Floats, right: Flags, bins: int) -> Map:
    """Histogram binning (Zadrozny & Elkan, ICML 2001) over bins of equal mass: each gives its accuracy.

    Equal confidences share a bin, so there may be fewer.
    """
    codes = equal_mass(confidence, bins)
    starts = [float(confidence[codes == number].min()) for number in range(bins) if np.any(codes == number)]
    edges = tuple(dict.fromkeys(one for one in starts if one > confidence.min()))
    of = np.searchsorted(edges, confidence, side="right")
    accuracy = np.bincount(of, weights=right) / np.bincount(of)
    return Map(edges, tuple(accuracy.tolist()), steps=True)


def fit_isotonic(confidence: Floats, right: Flags) -> Map:
    """Isotonic regression (Zadrozny & Elkan, KDD 2002): the rising map of least squares, by lines."""
    knots, place, weights = np.unique(confidence, return_inverse=True, return_counts=True)
    mean = np.bincount(place.ravel(), weights=right) / weights
    fitted = np.asarray(optimize.isotonic_regression(mean, weights=weights).x)
    flat = np.zeros(len(fitted), bool)
    flat[1:-1] = (fitted[1:-1] == fitted[:-2]) & (fitted[1:-1] == fitted[2:])
    return Map(tuple(knots[~flat].tolist()), tuple(fitted[~flat].tolist()), steps=False)


def dac_factors(
    zero_shot: tuple[Floats, Floats], tuned: tuple[Floats, Floats], neighbours: int = 5
) -> Floats:
    """Distance-aware calibration (ICML 2024): a factor on the logits for each predicted class, C.

    Both pairs hold text features at unit length: of the base classes (those tuned on), and of all C classes,
    by the model as it came and as it was tuned. γ_c = p_tuned/p_zero-shot with p = exp(−mean distance to the
    ``neighbours`` nearest base classes); 1 where the tuned class is one of the base classes. A class that
    tuning moved away from them gets less confidence.
    """
    (far, _), (near, nearest) = (_proximity(*one, neighbours) for one in (zero_shot, tuned))
    return np.where(nearest < SAME, 1.0, near / far)


def _proximity(base: Floats, classes: Floats, neighbours: int) -> tuple[Floats, Floats]:
    distances = np.sort(spatial.distance.cdist(classes, base), axis=1)
    return np.exp(-distances[:, :neighbours].mean(axis=1)), distances[:, 0]
