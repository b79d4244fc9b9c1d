"""Calibration: does an answer given with a confidence of 80 % turn out right in 80 % of the cases?

Confidence is the softmax probability of the answer over the classes that were asked for. Pictures are put
into bins of similar confidence; a bin's gap is mean confidence minus accuracy. Bins of equal width are
[lo, hi), the last one closed, so that every confidence from 0 to 1 has one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .quadrants import Flags

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

BINS = 15
"""Of equal width (Guo et al., ICML 2017)."""

GROUPS = 10
"""Of proximity (Xiong et al., NeurIPS 2023)."""

NEIGHBOURS = 5
"""Pictures that proximity looks at; published figures for ImageNet rest on 10."""


class Binned(NamedTuple):
    """k bins; NaN where a bin is empty."""

    n: npt.NDArray[np.int64]
    confidence: Floats
    """Mean confidence."""
    accuracy: Floats

    @property
    def gap(self) -> Floats:
        """Mean confidence minus accuracy."""
        return self.confidence - self.accuracy


def equal_width(confidence: Floats, bins: int = BINS) -> Codes:
    """Bin of each confidence in [0, 1], all equally wide; a confidence on an edge belongs to the upper bin.

    >>> equal_width(np.array([0.0, 0.49, 0.5, 1.0]), 2).tolist()
    [0, 0, 1, 1]
    """
    return np.searchsorted(np.arange(1, bins) / bins, confidence, side="right")


def equal_mass(confidence: Floats, bins: int = BINS) -> Codes:
    """Bin of each confidence, all equally full up to one picture; ties stay in the order of the pictures.

    >>> equal_mass(np.array([0.9, 0.2, 0.3, 0.8]), 2).tolist()
    [1, 0, 0, 1]
    """
    codes = np.empty(len(confidence), np.int64)
    for number, part in enumerate(np.array_split(np.argsort(confidence, kind="stable"), bins)):
        codes[part] = number
    return codes


def binned(confidence: Floats, right: Flags, codes: Codes, bins: int) -> Binned:
    """Pictures, mean confidence and accuracy of each bin."""
    n = np.bincount(codes, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [np.bincount(codes, weights=one, minlength=bins) / n for one in (confidence, right)]
    return Binned(n, means[0], means[1])


def expected_error(found: Binned) -> float:
    """ECE: Σ_b n_b/n · |gap_b| (Naeini et al., AAAI 2015); NaN without a picture."""
    return _total(found, np.abs(found.gap))


def rms_error(found: Binned) -> float:
    """Root mean square calibration error: √(Σ_b n_b/n · gap_b²)."""
    return math.sqrt(_total(found, found.gap**2))


def maximum_error(found: Binned) -> float:
    """MCE: the largest |gap| of a bin that holds pictures, however few."""
    return float(np.nanmax(np.abs(found.gap))) if found.n.any() else math.nan


def weighted_maximum_error(found: Binned) -> float:
    """max_b n_b/n · |gap_b|, which some published code prints as MCE."""
    share = found.n / max(int(found.n.sum()), 1)
    return float(np.nanmax(share * np.abs(found.gap))) if found.n.any() else math.nan


def ece(confidence: Floats, right: Flags, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal width.

    >>> round(ece(np.array([0.9, 0.8, 0.6, 0.3]), np.array([True, False, True, False]), 2), 6)
    0.15
    """
    return expected_error(binned(confidence, right, equal_width(confidence, bins), bins))


def adaptive_ece(confidence: Floats, right: Flags, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal mass (Nguyen & O'Connor, EMNLP 2015)."""
    return expected_error(binned(confidence, right, equal_mass(confidence, bins), bins))


def proximity(features: Floats, reference: Floats, neighbours: int = NEIGHBOURS) -> Floats:
    """exp(−mean Euclidean distance) from each of n×D features to its nearest of m×D reference features.

    The reference are features of other pictures, such as the validation split's.
    """
    # Imported here: it takes a tenth of a second, and scoring does without.
    from scipy import spatial

    tree = spatial.cKDTree(reference)
    distances, _ = tree.query(features, k=np.arange(1, min(neighbours, len(reference)) + 1))
    return np.asarray(np.exp(-np.asarray(distances).mean(axis=1)))


def by_proximity(confidence: Floats, near: Floats, bins: int, groups: int = GROUPS) -> Codes:
    """Bin of each confidence within its group: ``groups`` quantiles of ``near`` × ``bins`` of equal width."""
    edges = np.quantile(near, np.linspace(0, 1, groups + 1))[1:-1]
    return np.searchsorted(edges, near, side="right") * bins + equal_width(confidence, bins)


def piece(confidence: Floats, right: Flags, near: Floats, bins: int = 10, groups: int = GROUPS) -> float:
    """Proximity-informed ECE (Xiong et al., NeurIPS 2023): gaps within groups of equal proximity.

    Σ n_gb/n · |gap_gb| over the bins of ``by_proximity``; see ``proximity``.
    """
    codes = by_proximity(confidence, near, bins, groups)
    return expected_error(binned(confidence, right, codes, groups * bins))


def _total(found: Binned, errors: Floats) -> float:
    n = int(found.n.sum())
    return float(np.nansum(found.n * errors) / n) if n else math.nan
