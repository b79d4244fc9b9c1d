"""Cells of a table that hold several seeds, and accuracy across splits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..hooks import bare_name
from .intervals import newcombe
from .measured import Measured
from .quadrants import Flags
from .results import QUALITIES, Comparison, Estimate, SeedCell, SeedDifference, SeedEstimate, Verdict, defined
from .scoring import proportion
from .seeds import Combined, combine, influences, values
from .verdict import WEAKEST, excludes_zero

Floats = npt.NDArray[np.float64]


class _Mean(NamedTuple):
    """The numbers of k runs in one measure, and the influence of each picture on their mean."""

    numbers: list[float]
    influence: Floats


class SplitShift(NamedTuple):
    """Accuracy on one split minus accuracy on another, different pictures."""

    at_reference: Estimate
    at_split: Estimate
    difference: float
    low: float
    high: float
    p: float


def seed_cells(
    measured: Sequence[Measured], comparisons: Sequence[Comparison], threshold: float
) -> tuple[SeedCell, ...]:
    """Means over runs of one configuration with different seeds; all hold the same pictures.

    Of several runs with one seed the last counts. Differences are to the one baseline that all runs of the
    cell have.
    """
    by_configuration: dict[str, dict[int | None, Measured]] = {}
    for one in measured:
        by_configuration.setdefault(one.configuration, {})[one.seed] = one
    by_run = {one.run: one for one in measured}
    found = {one.run: one for one in comparisons}
    return tuple(
        _cell(list(runs.values()), by_run, found, threshold)
        for runs in by_configuration.values()
        if len(runs) > 1
    )


def split_shift(reference: Flags, split: Flags) -> SplitShift:
    """Accuracy over ``split`` minus accuracy over ``reference`` (flags of right predictions, not empty).

    The pictures differ: Newcombe's interval for independent proportions.
    """
    hits, n = (int(split.sum()), int(reference.sum())), (len(split), len(reference))
    contrast = newcombe(hits, n)
    return SplitShift(proportion(hits[1], n[1]), proportion(hits[0], n[0]), *contrast)


def beyond_baseline(
    reference: tuple[Flags, Flags], split: tuple[Flags, Flags]
) -> tuple[Estimate, float | None]:
    """How much more a run shifts than its baseline, with p: pairs (run, baseline) of flags on each split.

    Difference of the paired differences within each split; the splits are independent of each other.
    """
    differences = [np.asarray(one, float) - np.asarray(other, float) for one, other in (split, reference)]
    change = float(differences[0].mean() - differences[1].mean())
    # As one influence function over the pictures of both splits.
    parts = [one - one.mean() for one in differences]
    n = sum(len(part) for part in parts)
    signed = np.concatenate([parts[0] * n / len(parts[0]), -parts[1] * n / len(parts[1])])
    combined = combine([change], signed)
    return Estimate(change, defined(combined.low), defined(combined.high), n), defined(combined.p)


def _cell(
    runs: Sequence[Measured],
    by_run: Mapping[str, Measured],
    found: Mapping[str, Comparison],
    threshold: float,
) -> SeedCell:
    means = {metric: _mean(runs, metric, threshold) for metric in QUALITIES}
    baselines = {found[one.run].baseline for one in runs if one.run in found}
    differences = {}
    if len(baselines) == 1 and all(one.run in found for one in runs):
        baseline = baselines.pop()
        verdicts = [found[one.run].differences for one in runs]
        for metric, mean in means.items():
            weakest = _weakest([one[metric].verdict for one in verdicts if metric in one])
            other = _mean([by_run[baseline]], metric, threshold)
            differences[metric] = _difference(baseline, mean, other, weakest)
    return SeedCell(
        bare_name(runs[0].method),
        tuple(one.run for one in runs),
        tuple(one.seed for one in runs),
        {metric: _estimate(combine(*mean)) for metric, mean in means.items()},
        differences,
    )


def _mean(runs: Sequence[Measured], metric: str, threshold: float) -> _Mean:
    codes = [one.outcomes.codes(threshold) for one in runs]
    influence = np.mean([influences(one)[metric] for one in codes], axis=0)
    return _Mean([values(one)[metric] for one in codes], influence)


def _estimate(one: Combined) -> SeedEstimate:
    # Without any variance (all right, all valid) there is no interval to tell: the runs' rows have Wilson's.
    still = one.low == one.high
    low, high = (None, None) if still else (defined(one.low), defined(one.high))
    return SeedEstimate(defined(one.mean), defined(one.sd), low, high)


def _difference(baseline: str, mean: _Mean, other: _Mean, weakest: Verdict) -> SeedDifference:
    against = [number - other.numbers[0] for number in mean.numbers]
    combined = combine(against, mean.influence - other.influence)
    low, high, p = (defined(value) for value in (combined.low, combined.high, combined.p))
    verdict: Verdict = weakest
    if math.isnan(combined.p):
        verdict = "undefined"
    elif not excludes_zero(combined.low, combined.high):
        verdict = "not significant"
    return SeedDifference(baseline, defined(combined.mean), low, high, p, verdict)


def _weakest(verdicts: Sequence[Verdict]) -> Verdict:
    return min(verdicts, key=WEAKEST.index, default="undefined")
