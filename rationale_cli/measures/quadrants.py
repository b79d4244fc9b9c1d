"""Right or wrong by valid or invalid: the four quadrants and the ratios over them (protocol §1).

The last axis of every array of counts has six cells, in the order of ``CELLS``; leading axes are free
(replicates of a bootstrap, thresholds, classes). Undefined ratios are NaN here and null outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .run_results import Counts

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CELLS = ("RR", "RW", "WR", "WW", "left_right", "left_wrong")
"""Right/wrong prediction by valid/invalid evidence; then the pictures without usable annotation."""


@dataclass(frozen=True)
class Outcomes:
    """What happened to each of n pictures; arrays of length n."""

    label: npt.NDArray[np.int64]
    right: Flags
    """Prediction equals label."""
    annotated: Flags
    """Has a mask or box with at least one pixel after the crop."""
    rma: Floats
    """NaN without evidence or annotation: never valid, at no threshold."""
    area: Floats
    """|M|/N; NaN without annotation."""

    def valid(self, threshold: float) -> Flags:
        """RMA ≥ threshold."""
        return valid(self.rma, threshold)

    def codes(self, threshold: float) -> Codes:
        """Cell of each picture at a threshold."""
        return cells(self.right, self.valid(threshold), self.annotated)


class Ratios(NamedTuple):
    """Measures of counts; NaN where the denominator is empty."""

    accuracy: Floats
    """(RR+RW)/n over all pictures, annotated or not."""
    V: Floats
    """Valid-evidence rate (RR+WR)/n over the annotated."""
    PT: Floats
    """Prediction Trustworthiness RR/(RR+RW), Eq. 3."""
    IR: Floats
    """Inference Reliability RR/(RR+WR), Eq. 4."""
    lift: Floats
    """PT/V, which is IR/Acc over the annotated: 1 where evidence and correctness are independent."""
    phi: Floats
    """Correlation of right and valid over the annotated."""


METRIC_INDEX = {name: index for index, name in enumerate(Ratios._fields)}
"""Position of each measure in ``Ratios``."""


def valid(rma: Floats, threshold: float) -> Flags:
    """RMA ≥ threshold; a picture without evidence (NaN) is invalid even at threshold 0.

    >>> valid(np.array([0.5, 0.49, np.nan]), 0.5)
    array([ True, False, False])
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(rma >= threshold)


def cells(right: Flags, evidence: Flags, annotated: Flags) -> Codes:
    """Index into ``CELLS`` for each picture."""
    wrong = ~np.asarray(right)
    return np.where(annotated, 2 * wrong + ~np.asarray(evidence), 4 + wrong).astype(np.int64)


def right_of(codes: npt.NDArray[np.integer]) -> Flags:
    """Whether the prediction is right in each cell of an array.

    >>> right_of(np.arange(6))
    array([ True,  True, False, False,  True, False])
    """
    return np.asarray((codes < 2) | (codes == 4))


def count(codes: Codes) -> npt.NDArray[np.int64]:
    """Pictures in each cell.

    >>> count(cells(np.array([True, True, False]), np.array([True, False, True]), np.array([True] * 3)))
    array([1, 1, 1, 0, 0, 0])
    """
    return np.bincount(codes, minlength=len(CELLS))


def count_by(codes: Codes, groups: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Counts of each of ``size`` groups: size×6."""
    flat = np.bincount(groups * len(CELLS) + codes, minlength=size * len(CELLS))
    return flat.reshape(size, len(CELLS))


def named(counts: Array) -> Counts:
    """One vector of six counts by name."""
    return Counts(*(int(value) for value in counts))


def ratios(counts: Array) -> Ratios:
    """Counts …×6 → measures of shape … (protocol §1, Eqs. 3 and 4).

    >>> result = ratios(np.array([30, 10, 20, 40, 0, 0]))
    >>> [round(float(value), 3) for value in result]
    [0.4, 0.5, 0.75, 0.6, 1.5, 0.408]
    >>> bool(np.isnan(ratios(np.array([0, 0, 2, 1, 0, 0])).PT))
    True
    """
    rr, rw, wr, ww, left_right, left_wrong = (
        np.asarray(counts[..., index], dtype=np.float64) for index in range(len(CELLS))
    )
    right, is_valid = rr + rw, rr + wr
    annotated = right + wr + ww
    margins = right * is_valid * (annotated - right) * (annotated - is_valid)
    return Ratios(
        accuracy=_divide(right + left_right, annotated + left_right + left_wrong),
        V=_divide(is_valid, annotated),
        PT=_divide(rr, right),
        IR=_divide(rr, is_valid),
        lift=_divide(rr * annotated, right * is_valid),
        phi=_divide(rr * ww - rw * wr, np.sqrt(margins)),
    )


def proportions(counts: Array) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of those measures that are proportions, for one vector of counts."""
    rr, rw, wr, ww, left_right, left_wrong = (int(value) for value in counts)
    annotated = rr + rw + wr + ww
    return {
        "accuracy": (rr + rw + left_right, annotated + left_right + left_wrong),
        "V": (rr + wr, annotated),
        "PT": (rr, rr + rw),
        "IR": (rr, rr + wr),
    }


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
