"""Is a heatmap to be believed? What was measured of each picture → means, intervals and rank correlations.

Names of measures and which way is better:

- ``deletion/<r>``, ``insertion/<r>`` (lower, higher): area under the curve of the target's probability as the
  most relevant patches are replaced by r, or alone are shown (Petsiuk et al. 2018); ``faithful/<r>`` is
  insertion less deletion;
- ``positive/<r>``, ``negative/<r>`` (lower, higher): area under the accuracy as the most, or the least,
  relevant patches go (Chefer, Gur, Wolf 2021);
- ``sensitivity`` (higher): correlation of the relevance and the probability that leave with random patches;
  ``infidelity`` (lower): what of the latter's mean square the former leaves unexplained (Yeh et al. 2019);
- ``energy`` (RMA), ``pointing``, ``iou``, ``auroc``, ``average_precision`` (higher): against the mask, which
  is plausibility and not faithfulness;
- ``shuffled/<s>`` (should fall to 0): rank correlation with the heatmap of the same model after the weights
  of the upper share s of its layers were shuffled (Adebayo et al. 2018); ``other class``: with the heatmap of
  another class;
- ``mirrored``, ``brighter`` (higher): rank correlation with the heatmap of the picture mirrored, or brighter;
- ``causal`` (higher): rank correlation over pictures of RMA and the object's share of what exchanging object
  and background does to the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from .bootstrap import percentile
from .estimates import Estimate, defined
from .intervals import newcombe, wilson

Floats = npt.NDArray[np.float64]

CAUSAL: Final = "causal"
SHUFFLED = "shuffled"
_SAME = 0.9
"""Rank correlation from which on two heatmaps say the same."""
_REPLICATES = 2_000
_LEAST = 5
"""Pictures that a correlation over pictures needs."""


@dataclass(frozen=True)
class SetFaithfulness:
    """One evidence set."""

    name: str
    control: bool
    measures: Mapping[str, Estimate]
    evidence: str
    """Digest of what was measured: another one now, and the result is of other heatmaps."""

    @property
    def insensitive(self) -> bool:
        """Whether the heatmap is nearly the same for a model of shuffled weights: it shows no model."""
        found = self.measures.get(f"{SHUFFLED}/100%")
        return found is not None and found.value is not None and found.value >= _SAME


@dataclass(frozen=True)
class Survival:
    """How many of the rightly predicted stay right without their object, by whether evidence was valid."""

    set: str
    witness: str
    """Which picture without the object, see ``WITNESSES``."""
    valid: Estimate
    invalid: Estimate
    difference: Estimate
    """Invalid minus valid: above 0 where valid evidence means that the object is needed."""


@dataclass(frozen=True)
class Agreement:
    """Mean rank correlation of every two sets' heatmaps of a picture."""

    names: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Faithfulness:
    """One run on one split."""

    run: str
    split: str
    n: int
    """Pictures measured."""
    steps: int
    sets: tuple[SetFaithfulness, ...]
    agreement: Agreement
    survival: tuple[Survival, ...]
    object_share: Estimate | None
    """Mean share of the object in what decides, by exchange; None where backgrounds are not known."""

    def ranking(self) -> tuple[str, ...]:
        """Sets that explain, best first by ``causal``; empty where that is not known."""
        known = {
            one.name: one.measures[CAUSAL].value
            for one in self.sets
            if CAUSAL in one.measures and not one.control
        }
        told = {name: value for name, value in known.items() if value is not None}
        return tuple(sorted(told, key=lambda name: -told[name]))


def mean(values: Floats, seed: int = 0) -> Estimate:
    """Mean over pictures with a percentile interval; pictures without a value are left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Estimate(None, None, None, 0)
    if np.isin(known, (0, 1)).all():
        limits = wilson(int(known.sum()), len(known))
    else:
        rng = np.random.default_rng(seed)
        draws = rng.multinomial(len(known), np.full(len(known), 1 / len(known)), _REPLICATES)
        limits = percentile(draws @ known / len(known))
    return Estimate(float(known.mean()), defined(limits.low), defined(limits.high), len(known))


def association(one: Floats, other: Floats, seed: int = 0) -> Estimate:
    """Spearman's rank correlation over pictures with a percentile interval."""
    known = np.isfinite(one) & np.isfinite(other)
    first, second = one[known], other[known]
    n = len(first)
    if n < _LEAST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Estimate(None, None, None, n)
    picked = np.random.default_rng(seed).integers(0, n, (_REPLICATES, n))
    ranked = [stats.rankdata(values[picked], axis=1) - (n + 1) / 2 for values in (first, second)]
    # A replicate whose values are all alike has no correlation.
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = np.sum(ranked[0] * ranked[1], axis=1) / np.prod(
            [np.sqrt(np.sum(values**2, axis=1)) for values in ranked], axis=0
        )
    limits = percentile(samples)
    value = stats.spearmanr(first, second).statistic
    return Estimate(defined(value), defined(limits.low), defined(limits.high), n)


def survival(
    name: str, witness: str, right: npt.NDArray[Any], valid: npt.NDArray[Any], stays: npt.NDArray[Any]
) -> Survival:
    """Of n annotated pictures: predicted right, evidence valid, right without the object (n bool each)."""
    hits, n = [], []
    for group in (right & valid, right & ~valid):
        hits.append(int((group & stays).sum()))
        n.append(int(group.sum()))
    shares = [_share(*pair) for pair in zip(hits, n, strict=True)]
    difference = Estimate(None, None, None, sum(n))
    if all(n):
        found = newcombe((hits[1], hits[0]), (n[1], n[0]))
        difference = Estimate(found.difference, found.low, found.high, sum(n))
    return Survival(name, witness, shares[0], shares[1], difference)


def _share(hits: int, n: int) -> Estimate:
    limits = wilson(hits, n)
    return Estimate(hits / n if n else None, defined(limits.low), defined(limits.high), n)


def agreement(names: Sequence[str], correlations: Mapping[tuple[str, str], Floats]) -> Agreement:
    """From the correlations of every two sets (in the order of ``names``), one a picture."""

    def value(one: str, other: str) -> float | None:
        if one == other:
            return 1.0
        pair = (one, other) if (one, other) in correlations else (other, one)
        known = correlations[pair][np.isfinite(correlations[pair])]
        return float(known.mean()) if len(known) else None

    return Agreement(tuple(names), tuple(tuple(value(one, other) for other in names) for one in names))
