"""The whole score of one run at one threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from .association import within_classes
from .bootstrap import LEVEL, Resampling, estimates
from .contexts import group_scores
from .curves import AreaStratum, area_strata, curve
from .estimates import WORST_GROUP, Estimate, defined
from .intervals import wilson
from .measured import Measured, Witness
from .quadrants import Outcomes, count, count_by, named, proportions, ratios
from .rma import above_area
from .run_results import ClassScore, Counts, Mass, RunScore, Stratum, WitnessScore

Array = npt.NDArray[Any]


def score_run(measured: Measured, threshold: float, how: Resampling) -> RunScore:
    """Counts, measures with intervals, witnesses, strata, classes, chance levels and curves of one run."""
    outcomes = measured.outcomes
    codes = outcomes.codes(threshold)
    by_class = count_by(codes, outcomes.label, len(measured.classnames))
    groups = group_scores(measured)
    return RunScore(
        run=measured.run,
        title=measured.title,
        model=measured.model,
        method=measured.method,
        seed=measured.seed,
        n=len(codes),
        annotated=int(outcomes.annotated.sum()),
        statuses=dict(measured.statuses),
        skipped=measured.skipped,
        counts=named(count(codes)),
        metrics=estimates(codes, how) | ({WORST_GROUP: groups[0].accuracy} if groups else {}),
        within=within_classes(by_class),
        mass=_mass(outcomes),
        witness={
            kind: _witness(kind, one, len(measured.classnames)) for kind, one in measured.witness.items()
        },
        strata=tuple(_stratum(one) for one in area_strata(outcomes, threshold)),
        classes=_class_scores(by_class, measured.classnames),
        chance={name: _chance(control, threshold, how) for name, control in measured.controls.items()},
        curve=curve(outcomes),
        groups=groups,
    )


def proportion(hits: int, n: int) -> Estimate:
    """A proportion with Wilson's interval; undefined for n = 0."""
    low, high = wilson(hits, n, LEVEL)
    return Estimate(hits / n if n else None, defined(low), defined(high), n)


def _chance(control: Outcomes, threshold: float, how: Resampling) -> dict[str, Estimate]:
    found = estimates(control.codes(threshold), how)
    return {metric: found[metric] for metric in ("V", "PT", "IR")}


def _witness(kind: str, witness: Witness, classes: int) -> WitnessScore:
    hits, n = int(np.sum(witness.right & witness.known)), int(np.sum(witness.known))
    return WitnessScore(kind, proportion(hits, n), 1 / classes)


def _stratum(stratum: AreaStratum) -> Stratum:
    metrics = {metric: proportion(*pair) for metric, pair in proportions(stratum.counts).items()}
    lift = defined(float(ratios(stratum.counts).lift))
    metrics["lift"] = Estimate(lift, None, None, metrics["V"].n)
    return Stratum(stratum.name, stratum.low, stratum.high, named(stratum.counts), metrics)


def _class_scores(by_class: Array, names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Of every class that has pictures; C×6 counts."""
    found = ratios(by_class)
    columns = (found.accuracy.tolist(), found.V.tolist(), found.PT.tolist(), found.IR.tolist())
    counts = by_class.tolist()
    return tuple(
        ClassScore(label, names[label], Counts(*counts[label]), *(defined(one[label]) for one in columns))
        for label in np.flatnonzero(by_class.sum(axis=1)).tolist()
    )


def _mass(outcomes: Outcomes) -> Mass:
    known = outcomes.annotated
    mass = np.nan_to_num(outcomes.rma)
    measured = known & ~np.isnan(outcomes.rma)
    return Mass(
        mean=_mean(mass[known]),
        right=_mean(mass[known & outcomes.right]),
        wrong=_mean(mass[known & ~outcomes.right]),
        above_area=_mean(above_area(outcomes.rma, outcomes.area)[measured]),
        area=float(outcomes.area[known].mean()) if known.any() else None,
    )


def _mean(values: Array) -> Estimate:
    """Mean with Student's interval; one number has none."""
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0)
    centre = float(values.mean())
    if n == 1:
        return Estimate(centre, None, None, 1)
    reach = float(special.stdtrit(n - 1, (1 + LEVEL) / 2)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Estimate(centre, centre - reach, centre + reach, n)
