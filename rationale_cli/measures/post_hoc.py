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

    The likelihood has one maximum, where the mean logit that the probabilities expect is the label's: found
    as a root in log T. Logits k times as large give k·T. T is the smallest of ``TEMPERATURES`` where more
    confidence is always better (all answers are right), the largest where none is better than any.

    >>> logits = np.array([[2.0, 0.0]] * 4)  # 3 of 4 right: T makes the confidence 3/4
    >>> round(fit_temperature(logits, np.array([0, 0, 0, 1])), 4), round(2 / math.log(3), 4)
    (1.8205, 1.8205)
    """

    def excess(log_t: float) -> float:
        """Σ_c p_c·log p_c − log p_label, summed over pictures: falls with T as far as it is above 0."""
        total = 0.0
        for rows, log_p in log_softmax(logits, math.exp(log_t)):
            label = log_p[np.arange(len(log_p)), labels[rows]]
            total += float(np.einsum("ij,ij->", np.exp(log_p), log_p) - label.sum())
        return total

    low, high = (math.log(limit) for limit in TEMPERATURES)
    if excess(low) <= 0:
        return TEMPERATURES[0]
    if excess(high) >= 0:
        return TEMPERATURES[1]
    return math.exp(float(optimize.brentq(excess, low, high, xtol=1e-12, rtol=1e-12)))


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
