"""Evidence as people judge it: agreement, what they say of a threshold, and PT and IR by their validity.

n pictures were asked of P people, chosen within the four quadrants of a run (right or wrong by RMA ≥ τ or
not). A picture is valid where more people say yes than no. What holds on the whole split follows from each
quadrant's share of valid pictures and its size (post-stratification). Replicates draw people, and pictures
within each quadrant: (1+B) values, the first of which is the measure itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import krippendorff
import numpy as np
import numpy.typing as npt

from .bootstrap import Resampling
from .quadrants import CELLS, METRIC_INDEX, ratios
from .weighted import Floats, resampled

QUADRANTS = CELLS[:4]
YES, NO, UNSURE = 1.0, 0.0, 0.5
"""Answers; NaN for none."""


@dataclass(frozen=True)
class Judged:
    """What people said of n pictures of one run."""

    answers: Floats
    """n×P: ``YES``, ``NO``, ``UNSURE`` or NaN."""
    quadrant: npt.NDArray[np.int64]
    """Position in ``QUADRANTS``, length n."""
    rma: Floats
    """Length n."""
    sizes: npt.NDArray[np.int64]
    """Pictures of each quadrant on the whole split: those that could have been asked."""
    invalid: npt.NDArray[np.int64]
    """Pictures of each quadrant with nothing to show: invalid without asking."""
    how: Resampling

    @cached_property
    def votes(self) -> Floats:
        """(1+B)×n: 1 valid, 0 invalid, NaN where people are split evenly or nobody decided."""
        people = resampled(self.answers.shape[1], self.how)
        yes, no = (people @ (self.answers == one).T for one in (YES, NO))
        return np.where(yes == no, np.nan, (yes > no).astype(np.float64))

    @cached_property
    def weights(self) -> Floats:
        """(1+B)×n: how often each picture stands in a replicate of its quadrant, 0 where undecided."""
        drawn = np.zeros((self.how.replicates + 1, len(self.quadrant)))
        for place in range(len(QUADRANTS)):
            rows = np.flatnonzero(self.quadrant == place)
            if len(rows):
                how = Resampling(self.how.replicates, self.how.seed + 1 + place)
                drawn[:, rows] = resampled(len(rows), how)
        return np.where(np.isnan(self.votes), 0.0, drawn)

    @cached_property
    def decided(self) -> Floats:
        """(1+B)×4: decided pictures of each quadrant."""
        return np.asarray(self.weights @ np.eye(len(QUADRANTS))[self.quadrant])

    @cached_property
    def valid(self) -> Floats:
        """(1+B)×4: valid pictures of each quadrant on the whole split; NaN where none was decided."""
        called = (self.weights * np.nan_to_num(self.votes)) @ np.eye(len(QUADRANTS))[self.quadrant]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = called / self.decided * self.sizes
        return np.where(self.sizes == 0, 0.0, found)

    @cached_property
    def stands_for(self) -> Floats:
        """(1+B)×n: how many pictures of the split each decided one stands for."""
        with np.errstate(invalid="ignore", divide="ignore"):
            each = np.where(self.decided > 0, self.sizes / self.decided, 0.0)
        return np.asarray(self.weights * each[:, self.quadrant])


def evidence_samples(judged: Judged) -> Mapping[str, Floats]:
    """V, PT and IR (Eqs. 3 and 4) with people's validity, as on the whole split."""
    sizes = judged.sizes + judged.invalid
    right, wrong = sizes[0] + sizes[1], sizes[2] + sizes[3]
    valid_right = judged.valid[:, 0] + judged.valid[:, 1]
    valid_wrong = judged.valid[:, 2] + judged.valid[:, 3]
    none = np.zeros_like(valid_right)
    counts = np.stack(
        [valid_right, right - valid_right, valid_wrong, wrong - valid_wrong, none, none], axis=1
    )
    found = ratios(counts)
    known = np.isfinite(counts).all(axis=1)
    return {name: np.where(known, found[METRIC_INDEX[name]], np.nan) for name in ("V", "PT", "IR")}


def threshold_samples(judged: Judged) -> Mapping[str, Floats]:
    """How people's validity goes with RMA, as on the whole split.

    - accuracy and kappa (Cohen 1960) of RMA ≥ τ against people;
    - auc: probability that a picture which people call valid has the larger RMA;
    - threshold: the τ that people imply, at which RMA tells their valid from their invalid pictures best
      (largest sum of sensitivity and specificity, Youden 1950): the middle between two neighbouring RMA.
    """
    total = float((judged.sizes + judged.invalid).sum())
    both = judged.valid[:, 0] + judged.valid[:, 2]
    only_people = judged.valid[:, 1] + judged.valid[:, 3]
    only_rma = judged.sizes[0] + judged.sizes[2] - both
    accuracy = 1 - (only_people + only_rma) / total
    people, rma = (both + only_people) / total, (both + only_rma) / total
    chance = people * rma + (1 - people) * (1 - rma)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(chance < 1, (accuracy - chance) / (1 - chance), np.nan)
    auc, implied = _roc(judged)
    return {"accuracy": accuracy, "kappa": kappa, "auc": auc, "threshold": implied}


def among_samples(judged: Judged) -> Mapping[str, Floats]:
    """Agreement of people among themselves; replicates draw pictures, all alike, and not people.

    - alpha: Krippendorff's α of yes and no, unsure as no answer; alpha_unsure: of all three;
    - agreement: how often two people who both say yes or no say the same.
    """
    counts = np.stack([(judged.answers == one).sum(axis=1) for one in (YES, NO, UNSURE)], axis=1)
    weights = resampled(len(counts), judged.how)
    yes, no = counts[:, 0], counts[:, 1]
    decided = yes + no
    pairs, alike = decided * (decided - 1), yes * (yes - 1) + no * (no - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        agreement = weights @ alike / (weights @ pairs)
    return {
        "alpha": _alphas(counts[:, :2], weights),
        "alpha_unsure": _alphas(counts, weights),
        "agreement": agreement,
    }


def _alphas(counts: npt.NDArray[Any], weights: Floats) -> Floats:
    """Nominal α of n×V counts of answers under each row of weights; NaN where all say the same."""
    found = np.full(len(weights), np.nan)
    for place, times in enumerate(weights):
        drawn = np.repeat(counts, times.astype(np.int64), axis=0)
        paired = drawn[drawn.sum(axis=1) > 1]
        if (paired.sum(axis=0) > 0).sum() > 1:
            found[place] = krippendorff.alpha(value_counts=paired, level_of_measurement="nominal")
    return found


def _roc(judged: Judged) -> tuple[Floats, Floats]:
    """Area under the curve, and the threshold with the largest sum of sensitivity and specificity."""
    order = np.argsort(judged.rma, kind="stable")
    values, starts = np.unique(judged.rma[order], return_index=True)
    weights, votes = judged.stands_for[:, order], np.nan_to_num(judged.votes[:, order])
    valid, invalid = (np.add.reduceat(weights * one, starts, axis=1) for one in (votes, 1 - votes))
    above = valid[:, ::-1].cumsum(axis=1)[:, ::-1]
    below = invalid.cumsum(axis=1) - invalid
    all_valid, all_invalid = valid.sum(axis=1), invalid.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = (valid * (below + invalid / 2)).sum(axis=1) / (all_valid * all_invalid)
        gain = above / all_valid[:, None] + below / all_invalid[:, None]
    cuts = np.concatenate([[values[0] / 2], (values[:-1] + values[1:]) / 2])
    best = cuts[np.argmax(np.nan_to_num(gain), axis=1)]
    return auc, np.where(np.isnan(auc), np.nan, best)
