"""Regressions on as many pictures of each group.

Shapes: N pictures, F features, C classes.
"""

from __future__ import annotations

from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from ._logistic import Fit, Labelled, path, regressions

_TRIALS = 3
"""Subsets that a strength is judged on."""


class Balanced(NamedTuple):
    """A head, and how it was found."""

    weight: Tensor
    """C×F."""
    bias: Tensor
    """C."""
    strength: float
    """See ``Fit``."""
    worst: float
    """Accuracy in the worst group of the pictures that the strength was chosen on."""
    of_each: int
    """Pictures of each group in a subset."""


class _Quality(NamedTuple):
    """In this order: where one group is always wrong, the mean over the groups tells strengths apart."""

    worst: float
    mean: float


def balanced_regression(
    given: Labelled, groups: Tensor, classes: int, strengths: int, subsets: int
) -> Balanced:
    """The mean of regressions on subsets that hold each group as often as the smallest one.

    The strength is that with the best worst group in one half of each group, of fits on the other; the first
    of equals, which has the smallest weights. Then all N are drawn from. ``groups`` N are on the CPU. Subsets
    are drawn from torch's generator.
    """
    fitting, judging = _halves(groups)
    # A group of one picture is judged nowhere.
    judging = judging if len(judging) else fitting
    trials = [fitting[_balanced(groups[fitting])] for _ in range(min(subsets, _TRIALS))]
    paths = [list(regressions(_of(given, rows), classes, path(strengths))) for rows in trials]
    judged = [
        [_quality(fit, _of(given, judging), groups[judging]) for fit in alike]
        for alike in zip(*paths, strict=True)
    ]
    qualities = [_Quality(*(fmean(values) for values in zip(*alike, strict=True))) for alike in judged]
    best = max(range(len(qualities)), key=lambda place: qualities[place])
    strength = path(strengths)[best]
    every = [_balanced(groups) for _ in range(subsets)]
    fits = [next(regressions(_of(given, rows), classes, [strength])) for rows in every]
    weight, bias = (torch.stack(parts).mean(dim=0) for parts in list(zip(*fits, strict=True))[:2])
    least = int(groups.unique(return_counts=True)[1].min())
    return Balanced(weight, bias, strength, qualities[best].worst, least)


def _halves(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of two halves of each group, in order; the first has the odd ones."""
    turns = [_shuffled(groups == group) for group in groups.unique()]
    first, second = (torch.cat([rows[start::2] for rows in turns]).sort().values for start in (0, 1))
    return first, second


def _balanced(groups: Tensor) -> Tensor:
    """Rows of as many pictures of each group, in order."""
    turns = [_shuffled(groups == group) for group in groups.unique()]
    least = min(map(len, turns))
    return torch.cat([rows[:least] for rows in turns]).sort().values


def _shuffled(chosen: Tensor) -> Tensor:
    rows = chosen.nonzero()[:, 0]
    return rows[torch.randperm(len(rows))]


def _of(given: Labelled, rows: Tensor) -> Labelled:
    features, labels = given
    rows = rows.to(features.device)
    return features[rows], labels[rows]


def _quality(fit: Fit, given: Labelled, groups: Tensor) -> _Quality:
    right = fit.right(given).cpu().double()
    accuracies = [float(right[groups == group].mean()) for group in groups.unique()]
    return _Quality(min(accuracies), fmean(accuracies))
