"""One run against its baseline: differences, the grid of estimators, controls, Holm, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from .bootstrap import Resampling
from .comparison_results import Comparison, ControlPoint, Difference, Effect, GridPoint
from .estimates import defined
from .measured import Estimator, Measured
from .multiple import holm
from .paired import EVIDENCE_METRICS, Paired, excess_over_control, paired_measures, paired_proportion
from .verdict import ALPHA, CONTROLS, LAYERS, SCALARS, TAUS, agrees, judge, plain

AUDIT_SHARE = 4
"""Grid and controls take a quarter of the replicates: enough for a sign and for whether 0 lies inside."""


def compare(run: Measured, baseline: Measured, threshold: float, how: Resampling) -> Comparison:
    """Every difference run − baseline on the same pictures, not yet adjusted nor judged: see ``settle``.

    Both hold the same pictures in the same order. Measures of heatmaps carry the grid of estimators and
    thresholds and the controls, as far as both runs have them.
    """
    differences = explainer_free(run, baseline, how)
    codes = run.outcomes.codes(threshold), baseline.outcomes.codes(threshold)
    if run.outcomes.annotated.any():
        found = paired_measures(*codes, how)
        fewer = replace(how, replicates=max(how.replicates // AUDIT_SHARE, 100))
        grid = _grid(run, baseline, found, fewer)
        controls = _controls(run, baseline, found, threshold, fewer)
        for metric, one in found.items():
            differences[metric] = draft(metric, one, grid[metric], controls[metric])
    missing = missing_sets(run, baseline)
    lacking = [name for one in (run, baseline) if missing_sets(one, one) for name in (one.run,)]
    return Comparison(
        run.run,
        baseline.run,
        len(run.ids),
        differences,
        missing,
        f"rationale explain {' '.join(lacking)}" if lacking else None,
    )


def explainer_free(run: Measured, baseline: Measured, how: Resampling) -> dict[str, Difference]:
    """Differences that no heatmap enters: accuracy, and each witness that both have."""
    right = run.outcomes.right, baseline.outcomes.right
    found = {"accuracy": draft("accuracy", paired_proportion(*right, how))}
    for kind, first in run.witness.items():
        second = baseline.witness.get(kind)
        both = first.known & second.known if second is not None else np.zeros(0, bool)
        if second is None or not both.any():
            continue
        within = replace(how, strata=None if how.strata is None else how.strata[both])
        metric = f"witness:{kind}"
        found[metric] = draft(metric, paired_proportion(first.right[both], second.right[both], within))
    return found


def settle(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Adjust all differences of one table by Holm's method and judge each."""
    family = [one for comparison in comparisons for one in comparison.differences.values()]
    adjusted = iter(holm([np.nan if one.p is None else one.p for one in family]).tolist())
    return tuple(
        replace(
            comparison,
            differences={
                metric: _settled(one, next(adjusted), comparison.missing)
                for metric, one in comparison.differences.items()
            },
        )
        for comparison in comparisons
    )


def _settled(one: Difference, p_holm: float, missing: Sequence[str]) -> Difference:
    if one.metric in EVIDENCE_METRICS:
        verdict, reasons = judge(p_holm, one.grid, one.controls, missing)
    else:
        verdict, reasons = plain(p_holm), ()
    return replace(one, p_holm=defined(p_holm), significant=p_holm < ALPHA, verdict=verdict, reasons=reasons)


def effect_of(one: Paired) -> Effect:
    """Run, baseline and difference; what is not defined is None."""
    return Effect(*(defined(number) for number in one[:6]))


def draft(
    metric: str, one: Paired, grid: Iterable[GridPoint] = (), controls: Iterable[ControlPoint] = ()
) -> Difference:
    """A difference that is not yet adjusted nor judged."""
    return Difference(
        **vars(effect_of(one)),
        metric=metric,
        p_holm=None,
        significant=False,
        detectable=defined(one.detectable),
        n=one.n,
        test=one.test,
        verdict="undefined",
        reasons=(),
        grid=tuple(grid),
        controls=tuple(controls),
    )


def _grid(
    run: Measured, baseline: Measured, found: dict[str, Paired], how: Resampling
) -> dict[str, list[GridPoint]]:
    points: dict[str, list[GridPoint]] = {metric: [] for metric in EVIDENCE_METRICS}
    for first, second in _shared_estimators(run, baseline):
        for tau in TAUS:
            there = paired_measures(first.outcomes.codes(tau), second.outcomes.codes(tau), how)
            for metric, one in there.items():
                points[metric].append(_point(first, tau, found[metric].difference, one))
    return points


def _shared_estimators(run: Measured, baseline: Measured) -> list[tuple[Estimator, Estimator]]:
    pairs = [(run.main, baseline.main)]
    for key, estimator in run.grid.items():
        other = baseline.grid.get(key)
        if other is not None and estimator.name != run.main.name:
            pairs.append((estimator, other))
    return pairs


def _point(estimator: Estimator, tau: float, difference: float, one: Paired) -> GridPoint:
    return GridPoint(
        estimator.name,
        estimator.layers,
        estimator.scalar,
        tau,
        defined(one.difference),
        defined(one.low),
        defined(one.high),
        defined(one.p),
        agrees(difference, one.difference, one.low, one.high),
    )


def _controls(
    run: Measured, baseline: Measured, found: dict[str, Paired], threshold: float, how: Resampling
) -> dict[str, list[ControlPoint]]:
    points: dict[str, list[ControlPoint]] = {metric: [] for metric in EVIDENCE_METRICS}
    codes = run.outcomes.codes(threshold), baseline.outcomes.codes(threshold)
    for name in CONTROLS:
        if name not in run.controls or name not in baseline.controls:
            continue
        with_control = run.controls[name].codes(threshold), baseline.controls[name].codes(threshold)
        for metric, one in excess_over_control(codes, with_control, how).items():
            holds = agrees(found[metric].difference, one.excess, one.low, one.high)
            own, excess, low, high = (defined(value) for value in one)
            # A control that is never valid has no IR: it cannot show the difference by itself either.
            agreed = None if own is None else holds
            points[metric].append(ControlPoint(name, own, excess, low, high, agreed))
    return points


def missing_sets(run: Measured, baseline: Measured) -> tuple[str, ...]:
    """Names of the evidence sets that an audit needs and that one of the two lacks."""
    layers: tuple[str | None, ...] = (None,) if run.main.layers is None else LAYERS
    scalars: tuple[str | None, ...] = (None,) if run.main.scalar is None else SCALARS
    wanted = [
        "-".join(part for part in (run.attribution, *key) if part)
        for key in product(layers, scalars)
        if any(key) and (key not in run.grid or key not in baseline.grid)
    ]
    wanted += [name for name in CONTROLS if name not in run.controls or name not in baseline.controls]
    return tuple(wanted)
