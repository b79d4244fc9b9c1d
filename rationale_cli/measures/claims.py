"""Is a stated claim borne out by runs? One verdict from many paired comparisons, and never more than its
audit carries.

A claim says which way a measure goes, on average over its *cells*: model × method × dataset × pictures, each
a run (or several seeds of one) against its zero-shot run. The rule was fixed before any run was looked at:

- a cell is *for* or *against* where its test is significant after Holm over the claim's cells;
- **supported**: the interval of the mean effect lies on the claimed side, at least one cell is for and none
  against, and more than half of the cells point the claimed way;
- **contradicted**: the same with the sides exchanged;
- **mixed**: cells are significant both ways, or mean and cells say different things;
- **undecided**: anything else. The smallest mean effect that such pictures show is told;
- **not tested**: there is no cell.

What rests on heatmaps is then audited as a whole: the mean effect again by every estimator at every
threshold of ``verdict.TAUS``, and beyond every control. Where the audit fails, or is missing, the verdict
says so in place of the plain word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .comparison_results import ControlPoint, GridPoint
from .multiple import holm
from .pooling import Pooled
from .verdict import ALPHA, excludes_zero, judge

Decision = Literal["supported", "contradicted", "mixed", "undecided", "not tested"]
"""What the rule says by the one estimator."""

Verdict = Literal[
    "supported",
    "supported by this estimator only",
    "supported, but not beyond the controls",
    "supported, not audited",
    "contradicted",
    "contradicted by this estimator only",
    "contradicted, but not beyond the controls",
    "contradicted, not audited",
    "mixed",
    "undecided",
    "not tested",
]
"""Only the plain ``supported`` and ``contradicted`` are findings about the models."""

Standing = Literal["robust", "estimator-dependent", "not beyond controls", "not audited"]
"""What the audit says of a mean effect."""

Side = Literal["for", "against", "neither"]


@dataclass(frozen=True)
class Hypothesis:
    """A claim before it is tested."""

    key: str
    statement: str
    """One sentence."""
    short: str
    """The same under the heading of its setting."""
    source: str
    """Where it is made; empty where it is ours."""
    setting: str
    """Which cells it speaks of."""
    metric: str
    """accuracy, PT, IR, lift, phi, or mass (mean RMA on pictures that both get right)."""
    sign: Literal[1, -1]
    """Whether the measure is said to rise or to fall."""
    order: tuple[str, ...] = ()
    """Methods from the highest value down, where the claim is an order."""

    @property
    def explained(self) -> bool:
        """Whether heatmaps enter."""
        return self.metric != "accuracy"


@dataclass(frozen=True)
class ClaimCell:
    """One test of a claim."""

    name: str
    runs: tuple[str, ...]
    """Several where they differ in the seed only."""
    baseline: tuple[str, ...]
    """What they are held against; empty where the measure speaks of the runs alone."""
    dataset: str
    split: str
    effect: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    """Adjusted over the claim's cells."""
    side: Side


@dataclass(frozen=True)
class ClaimAudit:
    """The mean effect by other estimators and thresholds, and held against controls."""

    standing: Standing
    grid: tuple[GridPoint, ...]
    controls: tuple[ControlPoint, ...]
    missing: tuple[str, ...]
    """Evidence sets that are not there."""
    reasons: tuple[str, ...]
    """Why it is not robust."""


@dataclass(frozen=True)
class ClaimWitness:
    """What accuracy on altered pictures does meanwhile."""

    kind: str
    side: Side
    """Whether its mean change goes with the claim."""
    effect: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ThresholdPoint:
    """The mean effect by the main estimator at another threshold."""

    threshold: float
    effect: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Claim:
    """A claim and what the runs say of it."""

    hypothesis: Hypothesis
    verdict: Verdict
    threshold: float | None
    """None where no heatmap enters."""
    effect: float | None
    """Mean over cells, in the measure's own direction; of an order, its weakest link."""
    low: float | None
    high: float | None
    p: float | None
    detectable: float | None
    """Smallest true mean effect that is found with a power of 80 %."""
    pictures: int
    """Different ones that it rests on."""
    cells: tuple[ClaimCell, ...]
    audit: ClaimAudit | None
    """None where no heatmap enters, or nothing was decided."""
    witness: ClaimWitness | None = None
    """None where no witness speaks of the claim."""
    sweep: tuple[ThresholdPoint, ...] = ()
    """Empty unless the claim was looked at over all thresholds."""
    lacking: str = ""
    """What is missing for a test; empty where nothing is."""
    remedy: str = ""
    """The command that makes it, or what an audit needs."""

    @property
    def decision(self) -> Decision:
        """The verdict without what the audit adds."""
        return _PLAIN[self.verdict]


def sides(effects: Sequence[float], p: Sequence[float], sign: int) -> tuple[list[Side], list[float]]:
    """Side of each cell, and its p after Holm; NaN where a cell is undefined.

    >>> sides([-0.2, 0.1, 0.3], [0.001, 0.5, 0.002], -1)
    (['for', 'neither', 'against'], [0.003, 0.5, 0.004])
    """
    adjusted = [float(one) for one in holm(p)]
    found: list[Side] = []
    for effect, one in zip(effects, adjusted, strict=True):
        # A p that is undefined is not below alpha.
        found.append("neither" if not one < ALPHA else "for" if effect * sign > 0 else "against")
    return found, adjusted


def decide(effects: Sequence[float], found: Sequence[Side], low: float, high: float, sign: int) -> Decision:
    """The rule: effects and sides of the cells, and the interval of their mean.

    >>> decide([-0.2, -0.1, 0.02], ["for", "for", "neither"], -0.15, -0.04, -1)
    'supported'
    >>> decide([-0.2, 0.01, 0.02], ["for", "neither", "neither"], -0.10, -0.02, -1)
    'mixed'
    """
    known = [effect for effect in effects if not math.isnan(effect)]
    if not known:
        return "not tested"
    ways = {"for", "against"} & set(found)
    if len(ways) == 2:
        return "mixed"
    if not excludes_zero(low, high):
        return "undecided"
    way: Side = "for" if low * sign > 0 else "against"
    if ways - {way}:
        return "mixed"
    if not ways:
        return "undecided"
    along = sum(effect * low > 0 for effect in known)
    if 2 * along <= len(known):
        return "mixed"
    return "supported" if way == "for" else "contradicted"


def decide_order(links: Sequence[Pooled]) -> Decision:
    """Of an order: every link by itself for a support, one reversed link after Holm for the contrary.

    That *all* links hold needs no correction for their number (intersection–union test); that *one* of them
    is reversed does.
    """
    if any(math.isnan(one.value) for one in links) or not links:
        return "not tested"
    if all(one.low > 0 for one in links):
        return "supported"
    adjusted = holm([one.p for one in links])
    reversed_ = [one.value < 0 and p < ALPHA for one, p in zip(links, adjusted, strict=True)]
    return "contradicted" if any(reversed_) else "undecided"


def audited(
    grid: Sequence[GridPoint], controls: Sequence[ControlPoint], missing: Sequence[str]
) -> ClaimAudit:
    """The audit of a mean effect that was decided; see ``verdict.judge``."""
    verdict, reasons = judge(0.0, grid, controls, missing)
    standing: Standing
    if verdict == "robust" or verdict == "not audited":
        standing = verdict
    else:
        beyond = all(one.agrees is not False for one in controls)
        standing = "estimator-dependent" if beyond else "not beyond controls"
    return ClaimAudit(standing, tuple(grid), tuple(controls), tuple(missing), reasons)


def worded(decision: Decision, audit: ClaimAudit | None) -> Verdict:
    """The verdict that an audit carries; ``audit`` is None where no heatmap enters."""
    standing: Standing = "robust" if audit is None else audit.standing
    if decision == "supported":
        return _SUPPORTED[standing]
    return _CONTRADICTED[standing] if decision == "contradicted" else decision


def strength(standing: Standing) -> int:
    """Rank of an audit, the more the better."""
    return _STANDINGS.index(standing)


def side_of(effect: Pooled, sign: int) -> Side:
    """On which side of 0 the interval of an effect lies, that a claim would have go the way of ``sign``."""
    if not excludes_zero(effect.low, effect.high):
        return "neither"
    return "for" if effect.value * sign > 0 else "against"


_STANDINGS: tuple[Standing, ...] = ("not beyond controls", "estimator-dependent", "not audited", "robust")

_SUPPORTED: dict[Standing, Verdict] = {
    "robust": "supported",
    "estimator-dependent": "supported by this estimator only",
    "not beyond controls": "supported, but not beyond the controls",
    "not audited": "supported, not audited",
}
_CONTRADICTED: dict[Standing, Verdict] = {
    "robust": "contradicted",
    "estimator-dependent": "contradicted by this estimator only",
    "not beyond controls": "contradicted, but not beyond the controls",
    "not audited": "contradicted, not audited",
}
_PLAIN: dict[Verdict, Decision] = {
    "mixed": "mixed",
    "undecided": "undecided",
    "not tested": "not tested",
    **dict.fromkeys(_SUPPORTED.values(), "supported"),
    **dict.fromkeys(_CONTRADICTED.values(), "contradicted"),
}
