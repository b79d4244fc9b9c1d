"""The cells of a transfer matrix: what a model does on one evaluation set, and what tuning changed there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .bootstrap import Resampling
from .cases import Look, Pair
from .effects import differences, from_influence, over_seeds
from .estimates import Estimate, Verdict, defined
from .intervals import UNDEFINED, Interval, quantile, wilson
from .measured import Measured
from .multiple import holm
from .paired import paired_measures, paired_proportion
from .pooled_audit import seen
from .pooling import Effect, Pooled, pool
from .quadrants import Codes, Flags, count, proportions
from .seeds import combine, influences, values
from .transfer_results import BALANCED, MEASURES, TransferChange
from .verdict import plain

Floats = npt.NDArray[np.float64]

_MAIN = MEASURES[0]
_OTHERS = tuple(one for one in MEASURES if one != BALANCED)


@dataclass(frozen=True)
class Trial:
    """One tuned row on one evaluation set: its seeds, each against the un-tuned model on these pictures."""

    row: int
    kind: str | None
    pairs: tuple[Pair, ...]


class Tried(NamedTuple):
    """A trial with the change in each measure: of each run, and over the seeds."""

    trial: Trial
    runs: Mapping[str, Mapping[str, Effect]]
    """Run → measure → change."""
    changes: Mapping[str, Pooled]


def balanced_accuracy(right: Flags, label: npt.NDArray[np.integer]) -> tuple[float, Floats]:
    """Mean over the classes that occur of the share that is right, and each picture's influence on it.

    >>> value, influence = balanced_accuracy(np.array([True, True, True, False]), np.array([0, 0, 0, 1]))
    >>> value, influence.tolist()
    (0.5, [0.0, 0.0, 0.0, 0.0])
    """
    _, place, sizes = np.unique(label, return_inverse=True, return_counts=True)
    recall = np.bincount(place, right) / sizes
    influence = (right - recall[place]) * (len(right) / (len(sizes) * sizes[place]))
    return float(recall.mean()), influence


def cell_estimates(runs: Sequence[Measured], threshold: float) -> dict[str, Estimate]:
    """Every measure of runs on the same pictures that differ in the seed only: mean, and Wilson's interval.

    Of several runs, and of balanced accuracy, with as many pictures as would have the variance that seeds and
    pictures give the mean, but no more than there are (Korn & Graubard 1998).
    """
    told = [_told(one, threshold) for one in runs]
    counts = [proportions(count(one.outcomes.codes(threshold))) for one in runs]
    found = {}
    for metric in MEASURES:
        n = min(one[_MAIN if metric == BALANCED else metric][1] for one in counts)
        numbers = [one[metric][0] for one in told]
        if len(runs) == 1 and metric != BALANCED:
            limits = wilson(*counts[0][metric])
        else:
            limits = _effective(numbers, np.mean([one[metric][1] for one in told], axis=0), n)
        found[metric] = Estimate(
            defined(float(np.mean(numbers))), defined(limits.low), defined(limits.high), n
        )
    return found


def tried(trial: Trial, look: Look) -> Tried:
    """Work out what tuning changed; a single run is tested as in the table of its score."""
    runs = {pair.run.run: _of_pair(pair, look.threshold) for pair in trial.pairs}
    pooled = {
        metric: pool([over_seeds([one[metric] for one in runs.values()])], look.universe)
        for metric in MEASURES
    }
    if len(trial.pairs) == 1:
        pooled |= _of_single(trial.pairs[0], look.threshold, look.how)
    return Tried(trial, runs, pooled)


def within_shares(one: Pooled) -> Interval:
    """The interval of a difference of two shares, which ends at −1 and 1; NaN stays."""
    return Interval(*np.clip((one.low, one.high), -1.0, 1.0).tolist())


def settled_changes(tried: Sequence[Tried]) -> list[dict[str, TransferChange]]:
    """The change in every measure of each trial, Holm over all of them, measure by measure."""
    found = [one.changes for one in tried]
    settled: list[dict[str, TransferChange]] = [{} for _ in tried]
    for metric in MEASURES:
        adjusted = holm([one[metric].p for one in found]).tolist()
        for place, (one, p_holm) in enumerate(zip(found, adjusted, strict=True)):
            settled[place][metric] = _change(metric, one[metric], p_holm)
    return settled


def _told(one: Measured, threshold: float) -> dict[str, tuple[float, Floats]]:
    """Every measure of one run with the pictures' influence on it."""
    codes = one.outcomes.codes(threshold)
    numbers, parts = values(codes), influences(codes)
    own = {metric: (numbers[metric], parts[metric]) for metric in _OTHERS}
    return {**own, BALANCED: balanced_accuracy(one.outcomes.right, one.outcomes.label)}


def _effective(numbers: Sequence[float], influence: Floats, n: int) -> Interval:
    """Wilson's interval of a mean of shares, whose variance tells how many pictures it is worth."""
    mean = combine(numbers, influence)
    if math.isnan(mean.mean):
        return UNDEFINED
    reach = (mean.high - mean.low) / 2
    worth = min(n, mean.mean * (1 - mean.mean) * (quantile(0.95) / reach) ** 2) if reach else n
    return wilson(mean.mean * worth, worth)


def _of_pair(pair: Pair, threshold: float) -> dict[str, Effect]:
    assert pair.baseline is not None, "a change needs an un-tuned model"
    found = differences(pair, seen, threshold, _OTHERS)
    (first, ours), (second, theirs) = (
        balanced_accuracy(one.outcomes.right, one.outcomes.label) for one in (pair.run, pair.baseline)
    )
    own = from_influence(first - second, pair.places, ours - theirs)
    # Where nothing was lost, or nothing gained, the spread is what a closed form adds to the accuracy's.
    return {**found, BALANCED: own._replace(spread=found[_MAIN].spread)}


def _of_single(pair: Pair, threshold: float, how: Resampling) -> dict[str, Pooled]:
    """The paired tests of a single run, as in the table of its score."""
    assert pair.baseline is not None
    codes: list[Codes] = [one.outcomes.codes(threshold) for one in (pair.run, pair.baseline)]
    found = paired_measures(codes[0], codes[1], how)
    found[_MAIN] = paired_proportion(pair.run.outcomes.right, pair.baseline.outcomes.right, how)
    return {
        metric: Pooled(one.difference, one.low, one.high, one.p, one.detectable, one.n, 1)
        for metric in _OTHERS
        for one in [found[metric]]
    }


def _change(metric: str, one: Pooled, p_holm: float) -> TransferChange:
    verdict: Verdict = plain(p_holm)
    if verdict == "significant" and metric in ("PT", "V"):
        verdict = "not audited"
    told = (one.value, *within_shares(one), one.p, p_holm)
    value, low, high, p, holmed = (defined(number) for number in told)
    return TransferChange(value, low, high, p, holmed, verdict)
