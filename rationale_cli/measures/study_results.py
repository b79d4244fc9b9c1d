"""What a study with people yields: whether they see valid reasons where a threshold does.

Fractions, not per cent. What is undefined is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .estimates import Estimate

Show = Literal["heatmap", "region"]


@dataclass(frozen=True)
class Excluded:
    """A person whose answers do not count, and why."""

    person: str
    reason: str


@dataclass(frozen=True)
class StudyStratum:
    """One quadrant of a run by RMA."""

    quadrant: str
    pictures: int
    """Of the split, with evidence to look at."""
    asked: int
    decided: int
    """Asked pictures that more people call valid than invalid, or the other way round."""
    valid: Estimate
    """Share of the decided that most people call valid, with Wilson's interval."""


@dataclass(frozen=True)
class StudyScore:
    """People's judgments of one run's evidence."""

    schema: int
    study: str
    run: str
    split: str
    specification: str
    threshold: float
    show: Show
    people: int
    """Whose answers count."""
    excluded: tuple[Excluded, ...]
    answers: dict[str, int]
    """yes, no, unsure."""
    among: dict[str, Estimate]
    """alpha, alpha_unsure, agreement: of people among themselves."""
    against: dict[str, Estimate]
    """accuracy, kappa, auc, threshold: of people and RMA, as on the whole split."""
    by_people: dict[str, Estimate]
    """V, PT, IR with people's validity in the place of RMA ≥ τ, as on the whole split."""
    by_rma: dict[str, Estimate]
    """The same by RMA ≥ τ."""
    strata: tuple[StudyStratum, ...]
    notes: tuple[str, ...]
    replicates: int
    seed: int
    evidence: str
    """Digest of the evidence that was shown."""
