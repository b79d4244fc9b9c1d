"""L2-regularised logistic regression over a path of strengths.

Features are shifted and scaled by their one mean and deviation, and the weights brought back: then one range
of strengths suits every model. Shapes: N pictures, F features, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_WEAKEST, _STRONGEST = -7, 2
"""Powers of ten of C."""
_ITERATIONS = 200
_TOLERANCE = 1e-4
"""Largest slope of the mean loss at which a fit is done."""
_AT_ONCE = 2**26
"""Logits that are held at once."""

Labelled = tuple[Tensor, Tensor]
"""Features N×F and classes N."""


class Fit(NamedTuple):
    """One regression, of features as they are."""

    weight: Tensor
    """C×F."""
    bias: Tensor
    """C."""
    strength: float
    """C, the weight of the loss beside half the squared length of the weights (scikit-learn's C)."""

    def right(self, given: Labelled) -> Tensor:
        """Which pictures it predicts right: N bool."""
        features, labels = given
        size = max(1, _AT_ONCE // len(self.bias))
        answers = [
            F.linear(part, self.weight, self.bias).argmax(dim=1) for part in torch.split(features, size)
        ]
        return torch.cat(answers) == labels


class Regression(NamedTuple):
    """The best of a path."""

    weight: Tensor
    """C×F."""
    bias: Tensor
    """C."""
    strength: float
    """See ``Fit``."""
    accuracy: float
    """On the held-out pictures."""


def path(strengths: int) -> list[float]:
    """So many strengths from weak to strong, evenly on a logarithmic scale."""
    found: list[float] = torch.logspace(_WEAKEST, _STRONGEST, strengths, dtype=torch.float64).tolist()
    return found


def best_regression(train: Labelled, validation: Labelled, classes: int, strengths: int) -> Regression:
    """Of a path the one with which most held-out pictures are right.

    Of equally good ones the first, which has the smallest weights.
    """
    best: Regression | None = None
    for fit in regressions(train, classes, path(strengths)):
        accuracy = float(fit.right(validation).double().mean())
        if best is None or accuracy > best.accuracy:
            best = Regression(*fit, accuracy)
    assert best is not None
    return best


def regressions(train: Labelled, classes: int, strengths: Sequence[float]) -> Iterator[Fit]:
    """Minimise ½|W|² + C·Σ cross-entropy for each C in turn, each from the one before.

    L-BFGS with 200 iterations at most.
    """
    features, labels = train
    mean, deviation = features.mean(), features.std(correction=0).clamp(min=torch.finfo(features.dtype).tiny)
    weight = torch.zeros(classes, features.shape[1], device=features.device)
    bias = torch.zeros(classes, device=features.device)
    standard = (features - mean) / deviation
    for strength in strengths:
        weight, bias = _fitted(weight, bias, (standard, labels), strength)
        own = weight / deviation
        yield Fit(own, bias - own.sum(dim=1) * mean, strength)


def _fitted(weight: Tensor, bias: Tensor, given: Labelled, strength: float) -> Labelled:
    """Weight and bias after minimising from these."""
    features, labels = given
    # Divided by C·N the objective has the size of a mean loss, whatever C is. Where the penalty then is
    # steep, weights are counted in units in which its curvature is 1: steps would overshoot otherwise.
    unit = min(1.0, math.sqrt(strength * len(labels)))
    penalty = unit**2 / (2 * strength * len(labels))
    scaled, bias = ((weight / unit).detach().requires_grad_(), bias.detach().clone().requires_grad_())
    optimizer = torch.optim.LBFGS(
        (scaled, bias), max_iter=_ITERATIONS, tolerance_grad=_TOLERANCE * unit, line_search_fn="strong_wolfe"
    )
    size = max(1, _AT_ONCE // len(bias))

    def objective() -> Tensor:
        optimizer.zero_grad()
        total = penalty * scaled.square().sum()
        total.backward()
        value = total.detach()
        for part, truth in zip(torch.split(features, size), torch.split(labels, size), strict=True):
            logits = F.linear(part, unit * scaled, bias)
            loss = F.cross_entropy(logits, truth, reduction="sum") / len(labels)
            loss.backward()
            value = value + loss.detach()
        return value

    with torch.enable_grad():
        optimizer.step(objective)
    return unit * scaled.detach(), bias.detach()
