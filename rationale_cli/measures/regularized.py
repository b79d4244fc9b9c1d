"""What regularizers did: runs with them against the same runs without, by seeds and by pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..hooks import bare_name
from .base_new_results import JoinedHalves
from .calibration import BINS
from .calibration_results import COMPARED
from .estimates import WORST_GROUP, Verdict, defined
from .influence import Traced, estimate, join, traced
from .measured import Measured
from .multiple import holm
from .seed_results import RegularizerEffect, SeedDifference
from .seeds import Combined
from .verdict import ALPHA

_PLAIN = ("accuracy", WORST_GROUP, *COMPARED)
"""Measures that no heatmap enters."""

Seeded = Mapping[tuple[int | None, int | None], Measured]
"""Runs of one configuration by the seeds of training and of the shots."""


class _Pair(NamedTuple):
    """Runs with regularizers, and those without where there are any, by the same seeds in the same order."""

    runs: tuple[Measured, ...]
    without: tuple[Measured, ...]


def regularizer_effects(
    measured: Sequence[Measured], threshold: float, bins: int = BINS
) -> tuple[RegularizerEffect, ...]:
    """Each configuration with regularizers minus the same without, over the seeds that both have.

    All hold the same pictures. Adjusted by Holm's method among themselves, measures of calibration apart.
    """
    found = [_effect(one, threshold, bins) for one in _pairs(measured) if one.without]
    settled = settle([one.differences for one in found])
    return tuple(
        replace(one, differences=differences) for one, differences in zip(found, settled, strict=True)
    )


def joined_halves(
    base: Sequence[Measured], new: Sequence[Measured], threshold: float, bins: int = BINS
) -> tuple[JoinedHalves, ...]:
    """Every configuration on base and new classes as one, and what its regularizers did to that.

    ``base`` holds the same pictures for every run, and so does ``new``. Runs that are not in both are left
    out; differences are adjusted by Holm's method among themselves, measures of calibration apart.
    """
    other = {one.run: one for one in new}
    both = [one for one in base if one.run in other]
    found = [_joined(one, other, threshold, bins) for one in _pairs(both, alone=True)]
    settled = settle([one.differences for one in found])
    return tuple(
        replace(one, differences=differences) for one, differences in zip(found, settled, strict=True)
    )


def counterparts(measured: Sequence[Measured]) -> list[tuple[Measured, Measured]]:
    """Each configuration with regularizers: a run without them, and the one with them by the same seeds."""
    return [(one.without[0], one.runs[0]) for one in _pairs(measured) if one.without]


def by_configuration(measured: Sequence[Measured]) -> dict[str, Seeded]:
    """Runs that differ in their seeds only under one key; of several with the same seeds the last counts."""
    found: dict[str, dict[tuple[int | None, int | None], Measured]] = {}
    for one in measured:
        found.setdefault(one.configuration, {})[one.seed, one.shot_seed] = one
    return dict(found)


def settle(found: Sequence[Mapping[str, SeedDifference]]) -> list[dict[str, SeedDifference]]:
    """A verdict on every difference after Holm over all of them, those of calibration by themselves.

    What heatmaps enter is ``not audited``: one estimator has looked at it.
    """
    adjusted: dict[tuple[int, str], float] = {}
    for calibration in (False, True):
        places = [
            (row, metric)
            for row, one in enumerate(found)
            for metric in one
            if (metric in COMPARED) == calibration
        ]
        p_values = [found[row][metric].p for row, metric in places]
        holmed = holm([math.nan if p is None else p for p in p_values])
        adjusted |= dict(zip(places, holmed.tolist(), strict=True))
    return [
        {metric: replace(one, verdict=_verdict(metric, adjusted[row, metric])) for metric, one in of.items()}
        for row, of in enumerate(found)
    ]


def _verdict(metric: str, p: float) -> Verdict:
    if math.isnan(p):
        return "undefined"
    if p >= ALPHA:
        return "not significant"
    return "significant" if metric in _PLAIN else "not audited"


def _pairs(measured: Sequence[Measured], *, alone: bool = False) -> list[_Pair]:
    """Configurations with those that lack nothing but their regularizers; ``alone`` keeps all seeds."""
    every = by_configuration(measured)
    plain = {next(iter(one.values())).unregularized: one for one in every.values() if not _names(one)}
    found = []
    for one in every.values():
        first = next(iter(one.values()))
        without: Seeded = plain.get(first.unregularized, {}) if _names(one) else {}
        shared = [seeds for seeds in one if seeds in without]
        kept = list(one) if alone and not shared else shared
        found.append(_Pair(tuple(one[seeds] for seeds in kept), tuple(without[seeds] for seeds in shared)))
    return found


def _names(runs: Seeded) -> tuple[str, ...]:
    return next(iter(runs.values())).regularizers


def _effect(pair: _Pair, threshold: float, bins: int) -> RegularizerEffect:
    first = pair.runs[0]
    ours, theirs = traced(pair.runs, threshold, bins), traced(pair.without, threshold, bins)
    return RegularizerEffect(
        bare_name(first.method),
        first.regularizers,
        tuple(one.run for one in pair.runs),
        _differences(ours, theirs, pair.without),
    )


def _joined(pair: _Pair, other: Mapping[str, Measured], threshold: float, bins: int) -> JoinedHalves:
    def whole(runs: Sequence[Measured]) -> dict[str, Traced]:
        halves = runs, [other[one.run] for one in runs]
        return join(*(traced(half, threshold, bins) for half in halves))

    ours = whole(pair.runs)
    theirs = whole(pair.without) if pair.without else {}
    first = pair.runs[0]
    return JoinedHalves(
        bare_name(first.method),
        first.regularizers,
        tuple(one.run for one in pair.runs),
        {metric: estimate(metric, one.mean()) for metric, one in ours.items()},
        _differences(ours, theirs, pair.without),
    )


def _differences(
    ours: Mapping[str, Traced], theirs: Mapping[str, Traced], without: Sequence[Measured]
) -> dict[str, SeedDifference]:
    names = " ".join(one.run for one in without)
    return {
        metric: _difference(names, one.minus(theirs[metric]).mean())
        for metric, one in ours.items()
        if metric in theirs
    }


def _difference(without: str, one: Combined) -> SeedDifference:
    mean, low, high, p = (defined(value) for value in (one.mean, one.low, one.high, one.p))
    return SeedDifference(without, mean, low, high, p, "undefined")
