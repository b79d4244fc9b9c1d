"""A mean effect over cells by other estimators, thresholds, controls and without an explainer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .cases import Case, Look, Pair, members
from .claims import ClaimAudit, ClaimWitness, Hypothesis, ThresholdPoint, audited, side_of
from .comparing import missing_sets
from .comparison_results import ControlPoint, GridPoint
from .effects import Sight, effects_of, minus, over_seeds, witnessed
from .estimates import defined
from .measured import Estimator, Measured
from .pooling import Effect, pool
from .quadrants import Outcomes
from .verdict import CONTROLS, TAUS, agrees

SWEPT = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Thresholds at which a mean effect is looked at again."""

_MIDDLE = 0.5
"""Where the mean mass, which has no threshold, takes its place in the grid."""

BACKGROUNDS = ("exact", "background", "box")
"""Pictures without the object, the most telling first."""


def seen(one: Measured) -> Outcomes:
    """A run by its main estimator."""
    return one.outcomes


def sweep(metrics: Sequence[str], cases: Sequence[Case], look: Look) -> dict[str, tuple[ThresholdPoint, ...]]:
    """Each mean effect at the thresholds of ``SWEPT``."""
    points: dict[str, list[ThresholdPoint]] = {metric: [] for metric in metrics}
    for threshold in SWEPT if metrics else ():
        for metric, effects in effects_of(metrics, cases, seen, threshold).items():
            one = pool(effects, look.universe)
            limits = defined(one.low), defined(one.high)
            points[metric].append(ThresholdPoint(threshold, defined(one.value), *limits))
    return {metric: tuple(found) for metric, found in points.items()}


def audits(
    means: Mapping[str, float], effects: Mapping[str, Sequence[Effect]], cases: Sequence[Case], look: Look
) -> dict[str, ClaimAudit]:
    """The audit of each measure's mean effect; ``effects`` are those of the cells."""
    missing = missing_in(cases)
    grid, controls = _grid(means, cases, look), _controls(means, effects, cases, look)
    return {metric: audited(grid[metric], controls[metric], missing) for metric in means}


def missing_in(cases: Sequence[Case]) -> tuple[str, ...]:
    """Evidence sets that an audit needs and that some run lacks."""
    found = (name for case in cases for pair in case.pairs for name in _missing(pair))
    return tuple(dict.fromkeys(found))


def witness(one: Hypothesis, cases: Sequence[Case], look: Look) -> ClaimWitness | None:
    """What accuracy on altered pictures does; None where there is no witness for such a claim.

    Where valid evidence is said to go, the background alone should serve better; where valid evidence is
    said to be right more often, so should the object alone. Of the lift no witness speaks.
    """
    kinds, sign = {
        "PT": (BACKGROUNDS, -one.sign),
        "mass": (BACKGROUNDS, -one.sign),
        "IR": (("object",), one.sign),
    }.get(one.metric, ((), 0))
    there = [member.witness for member in members(cases)]
    kind = next((name for name in kinds if all(name in kinds_of for kinds_of in there)), None)
    if kind is None:
        return None
    found = pool(
        (over_seeds([witnessed(pair, kind) for pair in case.pairs]) for case in cases), look.universe
    )
    return ClaimWitness(kind, side_of(found, sign), *(defined(number) for number in found[:3]))


def _missing(pair: Pair) -> tuple[str, ...]:
    return missing_sets(pair.run, pair.baseline or pair.run)


def _grid(means: Mapping[str, float], cases: Sequence[Case], look: Look) -> dict[str, list[GridPoint]]:
    points: dict[str, list[GridPoint]] = {metric: [] for metric in means}
    for estimator, sight in _estimators(cases):
        for threshold in TAUS:
            wanted = [one for one in means if one != "mass" or threshold == _MIDDLE]
            for metric, effects in effects_of(wanted, cases, sight, threshold).items():
                there = pool(effects, look.universe)
                point = GridPoint(
                    estimator.name,
                    estimator.layers,
                    estimator.scalar,
                    threshold,
                    defined(there.value),
                    defined(there.low),
                    defined(there.high),
                    defined(there.p),
                    agrees(means[metric], there.value, there.low, there.high),
                )
                points[metric].append(point)
    return points


def _estimators(cases: Sequence[Case]) -> list[tuple[Estimator, Sight]]:
    """The main estimator, and those others of the grid that every run has."""
    everyone = members(cases)
    first = everyone[0]
    found: list[tuple[Estimator, Sight]] = [(first.main, seen)]
    for key, estimator in first.grid.items():
        if estimator.name != first.main.name and all(key in one.grid for one in everyone):
            found.append((estimator, _by(key)))
    return found


def _by(key: tuple[str | None, str | None]) -> Sight:
    return lambda one: one.grid[key].outcomes


def _with(control: str) -> Sight:
    return lambda one: one.controls[control]


def _controls(
    means: Mapping[str, float], effects: Mapping[str, Sequence[Effect]], cases: Sequence[Case], look: Look
) -> dict[str, list[ControlPoint]]:
    points: dict[str, list[ControlPoint]] = {metric: [] for metric in means}
    everyone = members(cases)
    for name in CONTROLS:
        if any(name not in one.controls for one in everyone):
            continue
        shown = effects_of(tuple(means), cases, _with(name), look.threshold)
        for metric, others in shown.items():
            # A control that has no such value in any cell cannot show the effect by itself either.
            itself = defined(pool(others, look.universe).value)
            pairs = zip(effects[metric], others, strict=True)
            known = [pair for pair in pairs if not any(math.isnan(one.value) for one in pair)]
            excess = pool([minus(*pair) for pair in known], look.universe)
            value, low, high = excess[:3]
            agreed = None if itself is None else agrees(means[metric], value, low, high)
            point = ControlPoint(name, itself, defined(value), defined(low), defined(high), agreed)
            points[metric].append(point)
    return points
