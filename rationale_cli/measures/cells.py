"""Cells of a table that hold several seeds, and accuracy across splits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..hooks import bare_name
from .calibration import BINS
from .comparison_results import Comparison
from .estimates import Estimate, Verdict, defined
from .influence import estimate, traced
from .intervals import newcombe
from .measured import Measured
from .quadrants import Flags
from .regularized import by_configuration
from .scoring import proportion
from .seed_results import SeedCell, SeedDifference
from .seeds import Combined, combine
from .verdict import WEAKEST, excludes_zero


class SplitShift(NamedTuple):
    """Accuracy on one split minus accuracy on another, different pictures."""

    at_reference: Estimate
    at_split: Estimate
    difference: float
    low: float
    high: float
    p: float


def seed_cells(
    measured: Sequence[Measured], comparisons: Sequence[Comparison], threshold: float, bins: int = BINS
) -> tuple[SeedCell, ...]:
    """Means over runs of one configuration with different seeds; all hold the same pictures.

    Of several runs with the same seeds the last counts. Differences are to the one baseline that all runs of
    the cell have.
    """
    by_run = {one.run: one for one in measured}
    found = {one.run: one for one in comparisons}
    return tuple(
        _cell(list(runs.values()), by_run, found, _How(threshold, bins))
        for runs in by_configuration(measured).values()
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


class _How(NamedTuple):
    threshold: float
    bins: int


def _cell(
    runs: Sequence[Measured], by_run: Mapping[str, Measured], found: Mapping[str, Comparison], how: _How
) -> SeedCell:
    means = traced(runs, *how)
    baselines = {found[one.run].baseline for one in runs if one.run in found}
    differences = {}
    if len(baselines) == 1 and all(one.run in found for one in runs):
        baseline = baselines.pop()
        other = traced([by_run[baseline]], *how)
        differences = {
            metric: _difference(baseline, mean.minus(other[metric]).mean(), _weakest(runs, found, metric))
            for metric, mean in means.items()
            if metric in other
        }
    return SeedCell(
        " + ".join((bare_name(runs[0].method), *runs[0].regularizers)),
        tuple(one.run for one in runs),
        tuple(one.seed for one in runs),
        {metric: estimate(metric, mean.mean()) for metric, mean in means.items()},
        differences,
    )


def _difference(baseline: str, one: Combined, weakest: Verdict) -> SeedDifference:
    mean, low, high, p = (defined(value) for value in (one.mean, one.low, one.high, one.p))
    verdict: Verdict = weakest
    if math.isnan(one.p):
        verdict = "undefined"
    elif not excludes_zero(one.low, one.high):
        verdict = "not significant"
    return SeedDifference(baseline, mean, low, high, p, verdict)


def _weakest(runs: Sequence[Measured], found: Mapping[str, Comparison], metric: str) -> Verdict:
    told = [{**found[one.run].differences, **found[one.run].calibration} for one in runs]
    verdicts = [one[metric].verdict for one in told if metric in one]
    return min(verdicts, key=WEAKEST.index, default="undefined")
