"""What each picture adds to each measure of a run: by it seeds, halves and pairs of runs are joined.

A measure's influence I has a mean of 0 over the n pictures, and var(I)/n is the variance that the choice of
the pictures gives the measure (infinitesimal jackknife). Influences add up as the measures do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .calibration import BINS, equal_mass, equal_width
from .contexts import worst_group
from .estimates import WORST_GROUP, defined
from .measured import Measured
from .probabilities import Predicted
from .seed_results import SeedEstimate
from .seeds import Combined, combine, influences, values

Floats = npt.NDArray[np.float64]

_SHARES = ("accuracy", "V", "PT", "IR", "ECE", "adaptive_ECE", WORST_GROUP)


class Traced(NamedTuple):
    """One measure of k runs that differ in the seed only."""

    numbers: Floats
    """k."""
    influence: Floats
    """k×n: of each picture on each number."""

    def minus(self, other: Traced) -> Traced:
        """The difference run by run on the same pictures; one other run is taken from each."""
        return Traced(self.numbers - other.numbers, self.influence - other.influence)

    def mean(self) -> Combined:
        """Over the runs, with the variance of seeds and of pictures."""
        return combine(self.numbers.tolist(), np.asarray(self.influence.mean(axis=0)))


def traced(runs: Sequence[Measured], threshold: float, bins: int = BINS) -> dict[str, Traced]:
    """Every measure of runs on the same n pictures.

    Those of calibration, as in ``calibration_results.COMPARED``, where every run has probabilities; the worst
    group, of each run its own, where groups are known.
    """
    found = [_of_run(one, threshold, bins) for one in runs]
    shared = [metric for metric in found[0] if all(metric in one for one in found)]
    return {
        metric: Traced(
            np.array([one[metric][0] for one in found]), np.stack([one[metric][1] for one in found])
        )
        for metric in shared
    }


def estimate(metric: str, one: Combined) -> SeedEstimate:
    """Without any variance (all right, all valid) there is no interval; that of a share ends at 0 and 1."""
    still = one.low == one.high
    low, high = (None, None) if still else (defined(one.low), defined(one.high))
    if metric in _SHARES and low is not None and high is not None:
        low, high = max(low, 0.0), min(high, 1.0)
    return SeedEstimate(defined(one.mean), defined(one.sd), low, high)


def of_probabilities(one: Predicted, bins: int) -> dict[str, tuple[float, Floats]]:
    """Measures of calibration, each with the influence of every picture.

    An error is Σ over bins of |sum of gaps|/n: within the bins and signs that were observed it is a mean.
    """
    gap = one.confidence - one.right
    found = {
        "overconfidence": _mean(gap),
        "ECE": _mean(_signed(gap, equal_width(one.confidence, bins), bins)),
        "adaptive_ECE": _mean(_signed(gap, equal_mass(one.confidence, bins), bins)),
    }
    return {**found, "NLL": _mean(-one.log_true), "Brier": _mean(one.brier)}


def harmonic(base: Traced, new: Traced) -> Traced:
    """2ab/(a + b) of a measure on two sets of pictures; 0 where a or b is."""
    a, b = base.numbers, new.numbers
    total = np.where(a + b > 0, a + b, 1.0)
    slopes = 2 * (b / total) ** 2, 2 * (a / total) ** 2
    return _over_both(2 * a * b / total, base, new, slopes)


def arithmetic(base: Traced, new: Traced) -> Traced:
    """(a + b)/2 of a measure on two sets of pictures."""
    half = np.full(len(base.numbers), 0.5)
    return _over_both((base.numbers + new.numbers) / 2, base, new, (half, half))


def join(base: Mapping[str, Traced], new: Mapping[str, Traced]) -> dict[str, Traced]:
    """Each measure of both halves as one: accuracies by their harmonic mean, others by their arithmetic."""
    return {
        metric: (harmonic if metric == "accuracy" else arithmetic)(base[metric], new[metric])
        for metric in base
        if metric in new
    }


def _over_both(numbers: Floats, base: Traced, new: Traced, slopes: tuple[Floats, Floats]) -> Traced:
    sides = base.influence, new.influence
    n = sum(one.shape[1] for one in sides)
    scaled = [one * slope[:, None] * (n / one.shape[1]) for one, slope in zip(sides, slopes, strict=True)]
    return Traced(numbers, np.concatenate(scaled, axis=1))


def _of_run(one: Measured, threshold: float, bins: int) -> dict[str, tuple[float, Floats]]:
    codes = one.outcomes.codes(threshold)
    numbers, changes = values(codes), influences(codes)
    found = {metric: (numbers[metric], changes[metric]) for metric in numbers}
    if one.predictions:
        found |= of_probabilities(next(iter(one.predictions.values())).predicted, bins)
    worst = worst_group(one)
    return found if worst is None else {**found, WORST_GROUP: worst}


def _signed(gap: Floats, codes: npt.NDArray[np.integer], bins: int) -> Floats:
    """Each picture's gap by the sign of its bin's."""
    signs = np.sign(np.bincount(codes, weights=gap, minlength=bins))
    return np.asarray(signs[codes] * gap)


def _mean(terms: Floats) -> tuple[float, Floats]:
    centre = float(terms.mean())
    return centre, terms - centre
