"""What an audit of runs yields: frozen values that table, report and ``audit.json`` share.

Fractions, not per cent. An undefined number is ``None``, never 0. A *specification* is one way to make every
choice of the protocol; the tool's default and the named protocols are among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .comparison_results import Effect
from .estimates import Verdict

DEFAULT, REFERENCE = "default", "reference"
"""Names of the specifications that the decomposition stands between."""

AUDITED = ("PT", "IR", "V")
"""Measures that are decomposed and judged; accuracy and lift are carried along."""


@dataclass(frozen=True)
class Change:
    """A difference of differences with its 95 % interval; no interval where none can be trusted."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class AuditedChoice:
    """One choice and its levels, the default first."""

    name: str
    levels: tuple[str, ...]
    apart: tuple[str, ...]
    """Levels that treat the two runs by different rules."""


@dataclass(frozen=True)
class LevelEffect:
    """One choice made otherwise, all others at their default."""

    choice: str
    level: str
    metrics: dict[str, Effect]
    """accuracy V PT IR lift."""
    changes: dict[str, Change]
    """Difference here minus the difference by default."""
    turns: tuple[str, ...]
    """Measures whose difference changes its sign against the default, significant at both."""


@dataclass(frozen=True)
class Specified:
    """Every choice made."""

    levels: tuple[str, ...]
    """In the order of the choices."""
    names: tuple[str, ...]
    """``default``, and protocols that make these choices."""
    shared: bool
    """Whether both runs are treated by one rule in every choice."""
    metrics: dict[str, Effect]


@dataclass(frozen=True)
class Contribution:
    """What one choice adds to the difference between two specifications."""

    choice: str
    default: str
    reference: str
    shapley: Change
    first: Change
    """Made otherwise before all others."""
    last: Change
    """Made otherwise after all others."""


@dataclass(frozen=True)
class Decomposition:
    """A difference by the reference's conventions against that by the default's, split by choice."""

    metric: str
    default: Effect
    reference: Effect
    protocol: Change
    """Reference minus default: what is protocol and no fact about the models."""
    contributions: tuple[Contribution, ...]
    """They sum to ``protocol``."""


@dataclass(frozen=True)
class Agreement:
    """What all specifications together say of one difference."""

    metric: str
    specifications: int
    """Those that treat both runs alike and in which the difference is defined."""
    same_sign: int
    """As the default's."""
    significant: int
    """Of the same sign, with an interval without 0."""
    opposite: int
    """Of the other sign, with an interval without 0."""
    median: Change
    least: float | None
    greatest: float | None
    verdict: Verdict
    """That of scoring: over layers × scalar × τ and against the controls, see ``measures.verdict``."""
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class PairAudit:
    """One run against its baseline on one split, by every specification."""

    run: str
    baseline: str
    split: str
    specification: str
    """Evidence set of the default."""
    evidence: str
    """Digest of predictions and evidence by the default: a report leaves out what does not fit its runs."""
    n: int
    choices: tuple[AuditedChoice, ...]
    default: Specified
    effects: tuple[LevelEffect, ...]
    decompositions: tuple[Decomposition, ...]
    """Of V, PT and IR; none where the reference makes no choice otherwise."""
    agreements: tuple[Agreement, ...]
    specifications: tuple[Specified, ...]
    not_varied: tuple[str, ...]
    """Choices that were left at their default because nobody asked for them."""
    notes: tuple[str, ...]
    """Levels that were left out, and why."""


@dataclass(frozen=True)
class RunsAudit:
    """The audit of several pairs."""

    schema: int
    settings: dict[str, Any]
    audits: tuple[PairAudit, ...]
