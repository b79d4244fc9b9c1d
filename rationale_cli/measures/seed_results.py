"""What scoring yields of runs that differ in their seeds only, and of what regularizers did to them."""

from __future__ import annotations

from dataclasses import dataclass

from .estimates import Verdict


@dataclass(frozen=True)
class SeedEstimate:
    """A mean over runs that differ in the seed only."""

    mean: float | None
    sd: float | None
    """Between the runs."""
    low: float | None
    high: float | None
    """95 % interval that adds the variance of seeds and of pictures."""


@dataclass(frozen=True)
class SeedDifference:
    """Mean of a cell minus the mean of its baseline."""

    baseline: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    verdict: Verdict
    """The weakest verdict of its runs, and ``not significant`` where this interval holds 0."""


@dataclass(frozen=True)
class SeedCell:
    """Runs of one configuration that differ in the seed only (two or more)."""

    name: str
    runs: tuple[str, ...]
    seeds: tuple[int | None, ...]
    metrics: dict[str, SeedEstimate]
    differences: dict[str, SeedDifference]


@dataclass(frozen=True)
class RegularizerEffect:
    """Runs of one configuration minus those of the same configuration without its regularizers."""

    name: str
    """Of the method."""
    regularizers: tuple[str, ...]
    runs: tuple[str, ...]
    """By seeds that both have; one run or more."""
    differences: dict[str, SeedDifference]
    """On the same pictures, by metric, those of calibration too; ``baseline`` names the runs without, by
    blanks. Verdicts after Holm over all effects of the table; where heatmaps enter, ``not audited``."""
