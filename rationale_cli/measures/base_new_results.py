"""What scoring yields of base and new classes: one run on both, and a configuration over its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .estimates import Estimate
from .seed_results import SeedDifference, SeedEstimate


@dataclass(frozen=True)
class BaseNew:
    """One run on the base and on the new half of one split."""

    run: str
    dataset: str
    split: str
    """Without the half."""
    base: Mapping[str, Estimate]
    """accuracy, V, PT, IR; overconfidence and ECE where probabilities are stored, PIECE where it is known."""
    new: Mapping[str, Estimate]
    H: Estimate
    """Harmonic mean of both accuracies; both halves drawn anew, independently."""
    ECE: float | None
    """Arithmetic mean of both."""


@dataclass(frozen=True)
class JoinedHalves:
    """Runs of one configuration (its seeds) on base and new classes as one number a measure."""

    name: str
    regularizers: tuple[str, ...]
    runs: tuple[str, ...]
    metrics: dict[str, SeedEstimate]
    """``accuracy`` is the harmonic mean H of both, everything else the arithmetic mean."""
    differences: dict[str, SeedDifference]
    """To the same without regularizers, as in ``RegularizerEffect``; empty without any."""


@dataclass(frozen=True)
class BaseNewMeans:
    """Base and new classes of one split as one, configuration by configuration."""

    dataset: str
    split: str
    """Without the half."""
    specification: str
    rows: tuple[JoinedHalves, ...]
