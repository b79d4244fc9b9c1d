"""Entries of layouts whose every number the test decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rationale_cli.measures.comparison_results import Comparison, Difference
from rationale_cli.measures.estimates import Estimate
from rationale_cli.measures.run_results import Counts, Curve, Mass, RunScore, WithinClasses
from rationale_cli.measures.seed_results import SeedCell, SeedDifference, SeedEstimate
from rationale_cli.reporting.gallery import Basis
from rationale_cli.reporting.layout_entries import MEASURED, Entry, pictures

BASIS = Basis("gaa-last-dot", 0.5, "normalised")
_NOTHING = Estimate(None, None, None, 0)


def entry(
    values: Mapping[str, float | None] | None = None,
    *,
    label: str = "test",
    state: str = MEASURED,
    differences: Mapping[str, tuple[float, Any]] | None = None,
    seeds: SeedCell | None = None,
    **axes: str,
) -> Entry:
    """A measured entry with these values and intervals of ±0.01, or without ``values`` one in ``state``.

    ``differences`` are to ``zs``: metric → (difference, verdict).
    """
    told = {"seed": "0", **axes, **pictures(label)}
    if values is None:
        return Entry(told, None, None, state)
    name = "-".join(told.values())
    compared = {metric: _difference(metric, *one) for metric, one in (differences or {}).items()}
    comparison = Comparison(name, "zs", 100, compared, (), None) if compared else None
    return Entry(told, score(name, values), comparison, MEASURED, seeds, BASIS)


def score(name: str, values: Mapping[str, float | None]) -> RunScore:
    """A run's score with nothing in it but these measures."""
    return RunScore(
        run=name,
        title=name,
        model="rationale:made-up",
        method="rationale:made-up",
        seed=0,
        n=100,
        annotated=100,
        statuses={},
        skipped=0,
        counts=Counts(0, 0, 0, 0, 0, 0),
        metrics={metric: _estimate(value) for metric, value in values.items()},
        within=WithinClasses(None, _NOTHING, None, 0),
        mass=Mass(_NOTHING, _NOTHING, _NOTHING, _NOTHING, None),
        witness={},
        strata=(),
        classes=(),
        chance={},
        curve=Curve((), (), (), (), ()),
    )


def seed_cell(runs: tuple[str, ...], metric: str, mean: float, difference: float) -> SeedCell:
    """A mean over runs with an interval of ±0.1, and its difference to ``zs``."""
    return SeedCell(
        "made-up",
        runs,
        tuple(range(len(runs))),
        {metric: SeedEstimate(mean, 0.02, mean - 0.1, mean + 0.1)},
        {metric: SeedDifference("zs", difference, difference - 0.1, difference + 0.1, 0.01, "robust")},
    )


def _estimate(value: float | None) -> Estimate:
    return _NOTHING if value is None else Estimate(value, value - 0.01, value + 0.01, 100)


def _difference(metric: str, value: float, verdict: Any) -> Difference:
    return Difference(
        value, 0.0, value, value - 0.01, value + 0.01, 0.001, metric, 0.001, verdict != "not significant",
        0.01, 100, "made up", verdict, (), (), (),
    )  # fmt: skip
