"""What a run differs by from its baseline, each picture's part in it told, so that effects can be pooled."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np
import numpy.typing as npt

from .bootstrap import LEVEL, Resampling
from .cases import Case, Pair
from .estimates import QUALITIES
from .intervals import quantile
from .measured import Measured
from .paired import Paired, paired_measures, paired_proportion
from .pooling import Effect, Places
from .quadrants import CELLS, Codes, Flags, Outcomes, proportions, ratios
from .seeds import cell_influences

Floats = npt.NDArray[np.float64]

Sight = Callable[[Measured], Outcomes]
"""By which heatmap a run is seen: its main estimator, another one, or a control."""

FEW = Resampling(replicates=500)
"""For the rare effect whose parts do not show its variance."""

_RIGHT = tuple(CELLS.index(name) for name in ("RR", "RW", "left_right"))


def differences(pair: Pair, sight: Sight, threshold: float, metrics: Collection[str]) -> dict[str, Effect]:
    """Run minus baseline in accuracy, V, PT, IR or lift; NaN where one of the two has no such value."""
    assert pair.baseline is not None
    first, second = (sight(one).codes(threshold) for one in (pair.run, pair.baseline))
    counts = [np.bincount(one, minlength=len(CELLS)) for one in (first, second)]
    values = [ratios(one)._asdict() for one in counts]
    influences = [cell_influences(one) for one in counts]
    found = {}
    for metric in metrics:
        value = float(values[0][metric] - values[1][metric])
        influence = influences[0][metric][first] - influences[1][metric][second]
        found[metric] = from_influence(value, pair.places, np.nan_to_num(influence))
        if not math.isnan(value) and _still(metric, (first, second), counts):
            found[metric] = _closed(found[metric], _paired(metric, (first, second)))
    return found


def association(pair: Pair, sight: Sight, threshold: float) -> Effect:
    """phi of right and valid within classes, of the run alone; NaN where nothing varies within a class."""
    outcomes = sight(pair.run)
    known = outcomes.annotated
    if not known.any():
        return _undefined(pair)
    label = outcomes.label[known]
    right = _within(outcomes.right[known], label)
    valid = _within(outcomes.valid(threshold)[known], label)
    spread = math.sqrt(float((right**2).mean() * (valid**2).mean()))
    if spread == 0:
        return _undefined(pair)
    phi = float((right * valid).mean()) / spread
    # Influence of a correlation; that of the classes' means vanishes to first order.
    half = right**2 / (right**2).mean() + valid**2 / (valid**2).mean()
    return from_influence(phi, pair.places[known], right * valid / spread - phi * half / 2)


def mass(pair: Pair, sight: Sight) -> Effect:
    """Mean RMA of the run minus that of the baseline, over the pictures that both get right.

    A heatmap without evidence has a mass of 0.
    """
    assert pair.baseline is not None
    first, second = sight(pair.run), sight(pair.baseline)
    known = first.annotated & second.annotated & first.right & second.right
    if known.sum() < 2:
        return _undefined(pair)
    moved = np.nan_to_num(first.rma[known]) - np.nan_to_num(second.rma[known])
    return from_influence(float(moved.mean()), pair.places[known], moved)


def witnessed(pair: Pair, kind: str) -> Effect:
    """Difference in accuracy on altered pictures, over those that both were shown; both have the kind."""
    assert pair.baseline is not None
    first, second = pair.run.witness[kind], pair.baseline.witness[kind]
    known = first.known & second.known
    if not known.any():
        return _undefined(pair)
    right = first.right[known], second.right[known]
    moved = right[0].astype(np.float64) - right[1]
    found = from_influence(float(moved.mean()), pair.places[known], moved)
    return _closed(found, paired_proportion(*right, FEW)) if _one_way(*right) else found


def effects_of(
    metrics: Collection[str], cases: Sequence[Case], sight: Sight, threshold: float
) -> dict[str, list[Effect]]:
    """The effect of every cell in each measure: those of ``QUALITIES``, ``phi`` and ``mass``."""
    found = [[_of_pair(metrics, pair, sight, threshold) for pair in case.pairs] for case in cases]
    return {metric: [over_seeds([seed[metric] for seed in seeds]) for seeds in found] for metric in metrics}


def over_seeds(effects: Sequence[Effect]) -> Effect:
    """Mean over runs that differ in the seed only; the variance between them joins in.

    Undefined where one of them is.
    """
    k = len(effects)
    if k == 1:
        return effects[0]
    mean = weighted([(1 / k, one) for one in effects])
    between = float(np.var([one.value for one in effects], ddof=1)) / k
    spread = between + float(np.mean([one.spread for one in effects]))
    return mean._replace(spread=spread, freedom=k - 1)


def weighted(terms: Sequence[tuple[float, Effect]]) -> Effect:
    """Σ weight · effect over at least one effect, on the same pictures or on others; spreads as independent.

    Undefined where one of them is.
    """
    places = np.unique(np.concatenate([one.places for _, one in terms]))
    parts = np.zeros(len(places))
    for weight, one in terms:
        parts[np.searchsorted(places, one.places)] += weight * one.parts
    return Effect(
        sum(weight * one.value for weight, one in terms),
        places,
        parts,
        sum(weight**2 * one.spread for weight, one in terms),
        min(one.freedom for _, one in terms),
    )


def minus(first: Effect, second: Effect) -> Effect:
    """Difference of two effects."""
    return weighted([(1, first), (-1, second)])


def from_influence(value: float, places: Places, influence: Floats) -> Effect:
    """A number, and the influence on it of each of the pictures at ``places``."""
    return Effect(value, places, (influence - influence.mean()) / len(influence))


def _of_pair(metrics: Collection[str], pair: Pair, sight: Sight, threshold: float) -> dict[str, Effect]:
    paired = [metric for metric in metrics if metric in QUALITIES]
    found = differences(pair, sight, threshold, paired) if paired else {}
    if "phi" in metrics:
        found["phi"] = association(pair, sight, threshold)
    if "mass" in metrics:
        found["mass"] = mass(pair, sight)
    return found


def _undefined(pair: Pair) -> Effect:
    return Effect(math.nan, pair.places[:0], np.zeros(0))


def _within(flags: Flags, label: npt.NDArray[np.int64]) -> Floats:
    """Flags less the mean of their class."""
    means = np.bincount(label, flags) / np.maximum(np.bincount(label), 1)
    return flags - means[label]


def _still(metric: str, codes: tuple[Codes, Codes], counts: Sequence[npt.NDArray[np.int64]]) -> bool:
    """Whether the parts understate the variance: a proportion is 0 or 1, or nothing moved in one way."""
    if metric == "accuracy":
        return _one_way(*(np.isin(one, _RIGHT) for one in codes))
    if metric == "lift":
        return any(np.ptp(cell_influences(one)["lift"][one > 0]) == 0 for one in counts)
    pairs = [proportions(one)[metric] for one in counts]
    return any(hits in (0, n) for hits, n in pairs)


def _one_way(first: Flags, second: Flags) -> bool:
    return not ((first & ~second).any() and (~first & second).any())


def _paired(metric: str, codes: tuple[Codes, Codes]) -> Paired:
    if metric == "accuracy":
        first, second = (np.isin(one, _RIGHT) for one in codes)
        return paired_proportion(first, second, FEW)
    return paired_measures(*codes, FEW)[metric]


def _closed(one: Effect, found: Paired) -> Effect:
    """The effect with at least the variance that a closed form gives it.

    Its parts stay, for they tell how it moves with other effects.
    """
    error = (found.high - found.low) / (2 * quantile(LEVEL))
    lacking = error**2 - float(one.parts @ one.parts)
    return one if math.isnan(error) else one._replace(spread=max(0.0, lacking))
