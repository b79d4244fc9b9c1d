"""What aligning models with people yields: frozen values that table, report and ``alignment`` files share.

Fractions and correlations, not per cent. What is undefined is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .estimates import Estimate

Kind = Literal["answer", "score"]
"""``answer``: what the model answered, as people do; ``score``: the probability that it gave to that."""


@dataclass(frozen=True)
class People:
    """What people answered, and how far they agree among themselves."""

    people: int
    items: int
    responses: int
    binary: bool
    """Whether all responses are 0 or 1; else they are ratings."""
    varying: int
    """People who did not give one answer to every item: correlations within a person rest on them."""
    measures: dict[str, Estimate]
    """accuracy, majority, agreement, truth, one_out, reliability: those that apply; see
    ``measures.alignment.people_samples``."""
    seconds: float | None = None
    """Median response time, where times were told, in their unit."""


@dataclass(frozen=True)
class Mixed:
    """A mixed model of a model's answers by people's, with people as groups."""

    slope: float | None
    low: float | None
    high: float | None
    pseudo_r: float | None
    converged: bool
    formula: str


@dataclass(frozen=True)
class ModelAlignment:
    """One model's answers, or scores, against people's answers to the same items."""

    model: str
    kind: Kind
    items: int
    """Items that it answered and people judged."""
    constant: bool
    """Whether it gave one answer to all of them, which leaves every correlation undefined."""
    measures: dict[str, Estimate]
    """accuracy, agreement, majority, pearson, spearman, within, pooled, pseudo_r, normalised: those that
    apply; see ``measures.alignment.model_samples``."""
    differences: dict[str, Estimate]
    """To the baseline on the same resampled items; empty without one."""
    mixed: Mixed | None = None


@dataclass(frozen=True)
class Alignment:
    """Models held against people."""

    schema: int
    human: str
    """Name of the file of people's answers."""
    split: str | None
    """Of the runs; None where answers came from a file."""
    positive: str | None
    """The class that an answer of 1 means, where classes are known."""
    baseline: str | None
    people: People
    models: tuple[ModelAlignment, ...]
    notes: tuple[str, ...]
    replicates: int
    seed: int
    evidence: dict[str, str]
    """Run → digest of the answers that this rests on."""
