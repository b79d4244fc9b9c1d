"""What scoring yields of all runs: frozen values that table, report and ``scores.json`` share.

Fractions, not per cent. An undefined number (an empty denominator) is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from .across_results import AcrossAttributions
from .base_new_results import BaseNew, BaseNewMeans
from .comparison_results import Comparison
from .estimates import Estimate, defined
from .precision_results import PrecisionEffect
from .run_results import RunScore
from .seed_results import RegularizerEffect, SeedCell


@dataclass(frozen=True)
class ScoreTable:
    """Comparable runs: one dataset, split, estimator and threshold."""

    dataset: str
    fingerprint: str
    split: str
    specification: str
    """Name of the evidence set, such as ``gaa-last-dot``."""
    attribution: str
    layers: str | None
    scalar: str | None
    target: str
    rma: str
    """``normalised`` or ``raw``."""
    threshold: float
    chance: float
    """Accuracy of guessing: one over the number of classes."""
    rows: tuple[RunScore, ...]
    cells: tuple[SeedCell, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    """What a reader must know: lines for under the table."""
    effects: tuple[RegularizerEffect, ...] = ()
    """What regularizers did, where runs with and without them are there."""
    precisions: tuple[PrecisionEffect, ...] = ()
    """What another precision does, where a run was explained in several."""
    across: tuple[AcrossAttributions, ...] = ()
    """Runs by every attribution that they were explained by, where there are several."""


@dataclass(frozen=True)
class Shift:
    """Accuracy of one run on another split than the reference split (unpaired)."""

    run: str
    dataset: str
    reference: str
    split: str
    at_reference: Estimate
    at_split: Estimate
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    significant: bool
    baseline: str | None
    beyond_baseline: Estimate | None
    """This difference minus the baseline's; pairs of the same pictures within each split."""
    beyond_p: float | None


@dataclass(frozen=True)
class ScoreResult:
    """Everything that was scored."""

    schema: int
    settings: dict[str, Any]
    """thresholds, rma, replicates, seed, resample, level, specification, baseline as asked for."""
    tables: tuple[ScoreTable, ...]
    shifts: tuple[Shift, ...]
    warnings: tuple[str, ...]
    halves: tuple[BaseNew, ...] = ()
    """Runs that were judged on base and new classes."""
    joined: tuple[BaseNewMeans, ...] = ()
    """The same by configurations, each over its seeds, with what regularizers did."""


def to_json(value: Any) -> Any:
    """Results as plain JSON values: dataclasses become objects, tuples lists, NaN null.

    >>> to_json(Estimate(0.5, 0.4, float("nan"), 10))
    {'value': 0.5, 'low': 0.4, 'high': None, 'n': 10}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, np.generic):
        return to_json(value.item())
    if isinstance(value, float):
        return defined(value)
    return value
