"""A bootstrap over pictures that never touches a picture (protocol §1).

Every measure depends on counts of a few cells only, so resampling n pictures with replacement is one
multinomial draw over the cells. Paired comparisons draw over the *joint* cells of both runs: a picture
stays together with itself. Cost: replicates × occupied cells, whatever n is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .estimates import Estimate, defined
from .intervals import UNDEFINED, Interval, wilson
from .quadrants import CELLS, METRIC_INDEX, Codes, proportions, ratios

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Resampling:
    """How replicates are drawn."""

    replicates: int = 10_000
    seed: int = 0
    strata: npt.NDArray[np.int64] | None = None
    """Stratum of each picture (its class): drawn within; None draws over all pictures."""


@dataclass(frozen=True)
class Replicates:
    """B bootstrap samples of pictures that carry k codes each, by the U patterns of codes that occur."""

    draws: Floats
    """B×U: pictures of each pattern in each replicate."""
    patterns: npt.NDArray[np.int64]
    """U×k."""
    sizes: tuple[int, ...]
    """Number of values that each code can take."""

    def counts(self, index: int) -> Floats:
        """Counts of one of the codes in each replicate: B×size."""
        indicator = np.eye(self.sizes[index])[self.patterns[:, index]]
        return np.asarray(self.draws @ indicator)


def resample(codes: Sequence[Codes], sizes: Sequence[int], how: Resampling) -> Replicates:
    """Draw replicates of n pictures that carry the given codes (each of length n, values below its size)."""
    flat = np.ravel_multi_index(tuple(codes), tuple(sizes))
    total = np.bincount(flat)
    found = np.flatnonzero(total)
    patterns = np.stack(np.unravel_index(found, tuple(sizes)), axis=1)
    rng = np.random.default_rng(how.seed)
    if how.strata is None:
        return Replicates(_draw(rng, total[found], how.replicates), patterns, tuple(sizes))
    draws = np.zeros((how.replicates, len(found)))
    for stratum in np.unique(how.strata):
        counts = np.bincount(flat[how.strata == stratum], minlength=len(total))
        draws += _draw(rng, counts[found], how.replicates)
    return Replicates(draws, patterns, tuple(sizes))


def percentile(samples: Floats, level: float = LEVEL) -> Interval:
    """Percentile interval of one measure's replicates.

    Replicates in which the measure is undefined are left out; with more than half of them, so is the
    interval.
    """
    low, high = percentiles(samples[:, None], level)
    return Interval(float(low[0]), float(high[0]))


def percentiles(samples: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Percentile intervals of B×m replicates: two arrays of m; see ``percentile``."""
    ranked = np.sort(samples, axis=0)  # NaN last
    known = np.sum(~np.isnan(ranked), axis=0)
    limits = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        at = share * np.maximum(known - 1, 0)
        below = np.floor(at).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(known - 1, 0))
        columns = np.arange(ranked.shape[1])
        value = ranked[below, columns] * (1 - (at - below)) + ranked[above, columns] * (at - below)
        limits.append(np.where(known * 2 >= len(samples), value, np.nan))
    return limits[0], limits[1]


def estimates(codes: Codes, how: Resampling, level: float = LEVEL) -> dict[str, Estimate]:
    """Every measure of n pictures' cells with its interval.

    Percentiles of the bootstrap; where a cell is empty and the bootstrap could not move, Wilson's interval
    (accuracy, V, PT, IR), and for the lift IR/Acc the quotient of Wilson's limits.
    """
    counts = np.bincount(codes, minlength=len(CELLS))
    values = ratios(counts)
    replicated = ratios(resample([codes], [len(CELLS)], how).counts(0))
    result = {}
    for metric, index in METRIC_INDEX.items():
        limits = measured_interval(metric, counts, replicated[index], level)
        hits_of = proportions(counts)
        n = hits_of[metric][1] if metric in hits_of else hits_of["V"][1]
        result[metric] = Estimate(defined(values[index]), defined(limits.low), defined(limits.high), n)
    return result


def measured_interval(
    metric: str, counts: npt.NDArray[Any], samples: Floats, level: float = LEVEL
) -> Interval:
    """Interval of one measure from its replicates, by the rule of ``estimates``."""
    limits = percentile(samples, level)
    still = limits.low == limits.high
    if metric == "lift":
        return _lift_interval(counts, level) if still else limits
    if metric == "phi":
        return UNDEFINED if still else limits
    hits, n = proportions(counts)[metric]
    return wilson(hits, n, level) if still or hits in (0, n) else limits


def _lift_interval(counts: npt.NDArray[Any], level: float) -> Interval:
    """IR/Acc over the annotated, from the limits of both: conservative."""
    rr, rw, wr, ww = (int(value) for value in counts[:4])
    reliability = wilson(rr, rr + wr, level)
    accuracy = wilson(rr + rw, rr + rw + wr + ww, level)
    return Interval(
        reliability.low / accuracy.high, reliability.high / accuracy.low if accuracy.low > 0 else np.nan
    )


def _draw(rng: np.random.Generator, counts: npt.NDArray[np.int64], replicates: int) -> Floats:
    """Multinomial draws over the occupied cells: replicates×cells."""
    n = int(counts.sum())
    draws = np.zeros((replicates, len(counts)))
    occupied = np.flatnonzero(counts)
    if n:
        draws[:, occupied] = rng.multinomial(n, counts[occupied] / n, size=replicates)
    return draws
