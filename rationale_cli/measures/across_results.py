"""What the measures are by every attribution: frozen values that table, report and ``scores.json`` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .comparison_results import GridPoint
from .estimates import Estimate

Basis = Literal["causal", "insertion − deletion"]
"""The measure of faithfulness that weighs attributions; see ``faithfulness``."""


@dataclass(frozen=True)
class ByAttribution:
    """One attribution, by its set that is nearest to the main one in layers and scalar."""

    name: str
    """Of the evidence set."""
    score: float | None
    """Measured faithfulness on the basis; of two runs the lower. None where it is not known."""
    weight: float | None
    """Its share of all weights; None where faithfulness was not measured."""
    remark: str
    """Why the weight is 0."""
    clear: bool
    """Whether the score's interval lies above 0, in both runs."""
    values: dict[str, Estimate]
    """V PT IR lift of the run."""
    differences: dict[str, GridPoint]
    """To the baseline, by metric; empty without one."""


@dataclass(frozen=True)
class Part:
    """Attributions that say the same."""

    attributions: int
    weight: float | None
    """Their share of all weights."""


@dataclass(frozen=True)
class Held:
    """What all attributions say of one difference."""

    metric: str
    difference: float | None
    """By the main estimator."""
    significant: bool
    """After Holm over the table, as everywhere."""
    rise: Part
    """Attributions by which the measure rises, the interval above 0."""
    fall: Part
    unclear: Part
    """Those whose interval holds 0, or that have no such value."""

    @property
    def attributions(self) -> int:
        """All of them."""
        return self.rise.attributions + self.fall.attributions + self.unclear.attributions


@dataclass(frozen=True)
class AcrossAttributions:
    """One run by every attribution, beside its baseline where there is one."""

    run: str
    baseline: str | None
    threshold: float
    basis: Basis | None
    """None where nothing was measured of the heatmaps."""
    lacking: tuple[str, ...]
    """Runs of which nothing was measured."""
    lines: tuple[ByAttribution, ...]
    """That of the main estimator first."""
    held: tuple[Held, ...]
    """One a measure; none without a baseline."""
