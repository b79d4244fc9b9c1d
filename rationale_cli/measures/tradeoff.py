"""What each way of tuning costs and buys: rivals by many measures, each against one of them.

A measure is looked at on one split and, where heatmaps enter, by one attribution; so a way of tuning that was
trained on one attribution is judged by others too. Measures that no heatmap enters:

- ``background``: accuracy on the background alone less guessing, 1/C;
- ``object_share``: of what the label's logit loses where object or background is exchanged, the object's
  share (see ``causal``), a mean over pictures where it loses anything;
- ``cost``: seconds of training over those of the rival that all are held against.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..recipe.layouts import Column
from .calibration_results import COMPARED
from .estimates import QUALITIES, WORST_GROUP, Verdict, defined
from .influence import Traced, estimate, traced
from .measured import Measured, Witness
from .multiple import holm
from .seed_results import SeedDifference, SeedEstimate
from .verdict import ALPHA

BACKGROUND, OBJECT_SHARE, COST = "background", "object_share", "cost"
OWN = (BACKGROUND, OBJECT_SHARE, COST)
KNOWN = (*QUALITIES, *COMPARED, *OWN, WORST_GROUP)
"""Measures that a column may show."""

_BY_HEATMAPS = ("V", "PT", "IR", "lift")
_BACKGROUNDS = ("exact", "box", "background")
"""Witnesses of the background, the most telling first."""

Floats = npt.NDArray[np.float64]
Seeds = tuple[int | None, int | None]


@dataclass(frozen=True)
class Rival:
    """Runs of one configuration by the seeds of training and shots, each by split."""

    runs: Mapping[Seeds, Mapping[str, Measured]]
    seconds: Mapping[Seeds, float]
    """Of the training."""


class Contrast(NamedTuple):
    """One number of a rival, and its difference to the one that all are held against."""

    runs: tuple[str, ...]
    n: int
    """Pictures; 0 where it is not of pictures."""
    estimator: str
    """Evidence set that it was judged by; empty where no heatmap enters."""
    value: SeedEstimate
    difference: SeedDifference | None
    """By the seeds that both have, on the same pictures; None of the rival to itself."""


def contrasts(
    rivals: Sequence[tuple[Rival, Rival | None]],
    columns: Sequence[Column],
    threshold: float,
    bins: int,
) -> list[list[Contrast | None]]:
    """For each rival and the one that it is held against a number for each column; None if not measured.

    Differences are tested by seeds and pictures; Holm over all of them. Where heatmaps enter, one estimator
    has looked at each, so that none is more than ``not audited``.
    """
    found = [[_contrast(*pair, column, threshold, bins) for column in columns] for pair in rivals]
    places = [
        (row, place)
        for row, line in enumerate(found)
        for place, one in enumerate(line)
        if one is not None and one.difference is not None
    ]
    tested = [_difference_of(found[row][place]) for row, place in places]
    adjusted = holm([math.nan if one.p is None else one.p for one in tested]).tolist()
    for (row, place), one, p in zip(places, tested, adjusted, strict=True):
        cell = found[row][place]
        assert cell is not None
        settled = replace(one, verdict=_verdict(columns[place].metric, p))
        found[row][place] = cell._replace(difference=settled)
    return found


def _difference_of(one: Contrast | None) -> SeedDifference:
    assert one is not None and one.difference is not None
    return one.difference


def _verdict(metric: str, p: float) -> Verdict:
    if math.isnan(p):
        return "undefined"
    if p >= ALPHA:
        return "not significant"
    return "not audited" if metric in _BY_HEATMAPS else "significant"


def _contrast(
    rival: Rival, against: Rival | None, column: Column, threshold: float, bins: int
) -> Contrast | None:
    if column.metric == COST:
        return _cost(rival, against)

    def of(one: Rival, seeds: Iterable[Seeds]) -> Traced | None:
        return _traced(column, [one.runs[each].get(column.split) for each in seeds], threshold, bins)

    own = of(rival, rival.runs)
    if own is None:
        return None
    first = next(iter(rival.runs.values()))[column.split]
    seen = _by(first, column.attribution) if column.metric in _BY_HEATMAPS else None
    found = Contrast(
        tuple(splits[column.split].run for splits in rival.runs.values()),
        own.influence.shape[1],
        "" if seen is None else seen.main.name,
        estimate(column.metric, own.mean()),
        None,
    )
    if against is None or against is rival:
        return found
    shared = _paired(rival, against)
    ours, theirs = of(rival, shared[0]), of(against, shared[1])
    if ours is None or theirs is None:
        return found
    mean = ours.minus(theirs).mean()
    names = " ".join(against.runs[each][column.split].run for each in shared[1])
    value, low, high, p = (defined(part) for part in (mean.mean, mean.low, mean.high, mean.p))
    return found._replace(difference=SeedDifference(names, value, low, high, p, "undefined"))


def _paired(one: Rival, other: Rival) -> tuple[list[Seeds], list[Seeds]]:
    """Seeds of both in the same order; a single run, which no seed changes, stands beside each of many."""
    if len(one.runs) == 1 or len(other.runs) == 1:
        return list(one.runs), list(other.runs)
    shared = [each for each in one.runs if each in other.runs]
    return shared, shared


def _traced(column: Column, runs: Sequence[Measured | None], threshold: float, bins: int) -> Traced | None:
    known = [one for one in runs if one is not None]
    if not known or len(known) < len(runs):
        return None
    if column.metric in OWN:
        terms = _background if column.metric == BACKGROUND else _object_share
        return _of_terms(known, terms)
    seen = [_by(one, column.attribution) for one in known]
    judged = [one for one in seen if one is not None]
    return traced(judged, threshold, bins).get(column.metric) if len(judged) == len(seen) else None


def _by(one: Measured, attribution: str) -> Measured | None:
    """The same run judged by another attribution's heatmaps; None where it was not explained by it."""
    if attribution in ("", one.attribution):
        return one
    sets = (each.estimator for name, each in one.explained.items() if _is_of(name, attribution))
    found = next(sets, None)
    return None if found is None else replace(one, main=found)


def _is_of(name: str, attribution: str) -> bool:
    return name == attribution or name.startswith(f"{attribution}-")


def _of_terms(
    runs: Sequence[Measured], terms: Callable[[Measured], tuple[Floats, npt.NDArray[np.bool_]] | None]
) -> Traced | None:
    """Means of a term of each picture over the pictures where it is known."""
    found = [terms(one) for one in runs]
    if any(one is None or not one[1].any() for one in found):
        return None
    numbers, influence = [], []
    for one in found:
        assert one is not None
        values, known = one
        mean = float(values[known].mean())
        numbers.append(mean)
        influence.append(np.where(known, values - mean, 0.0) / known.mean())
    return Traced(np.array(numbers), np.stack(influence))


def _background(one: Measured) -> tuple[Floats, npt.NDArray[np.bool_]] | None:
    seen: Witness | None = next((one.witness[kind] for kind in _BACKGROUNDS if kind in one.witness), None)
    if seen is None:
        return None
    return seen.right.astype(np.float64) - 1 / len(one.classnames), seen.known


def _object_share(one: Measured) -> tuple[Floats, npt.NDArray[np.bool_]] | None:
    if one.effects is None:
        return None
    share = one.effects.share()
    return share, ~np.isnan(share)


def _cost(rival: Rival, against: Rival | None) -> Contrast | None:
    spent = list(rival.seconds.values())
    whole = list(against.seconds.values()) if against else []
    if not spent or not sum(whole):
        return None
    ratio = float(np.mean(spent) / np.mean(whole))
    runs = tuple(next(iter(splits.values())).run for splits in rival.runs.values())
    return Contrast(runs, 0, "", SeedEstimate(ratio, None, None, None), None)
