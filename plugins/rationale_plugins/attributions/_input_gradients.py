"""Gradients of class scores with respect to the picture, at one or at many variants of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from rationale_cli.contracts import Classifier, Scalar, Specification
from rationale_cli.toolkit.attention import frozen
from rationale_cli.toolkit.relevance import class_score, directions

_AT_ONCE = 16
"""Pictures that a pass takes where a batch is smaller; autograd keeps every layer of each of them."""

Variant = Callable[[int], Tensor]
"""Number of a variant → that variant of every picture, B×3×S×S."""


def gradients(
    classifier: Classifier, pixels: Tensor, targets: Tensor, specifications: Sequence[Specification]
) -> tuple[dict[Scalar, Tensor], Tensor]:
    """∂y/∂pixels of each scalar, N×3×S×S, and the features, N×F: one forward, one backward a scalar.

    pixels N×3×S×S, targets N. Parameters are frozen and the classifier is in evaluation mode meanwhile; both
    are restored. Raises ``InputError`` for a target that is no class.
    """
    with torch.inference_mode(False), torch.enable_grad(), frozen(cast(nn.Module, classifier)):
        leaf = pixels.detach().clone().requires_grad_()
        features = classifier.features(leaf)
        seen = features.detach()
        passes = directions(seen, specifications, class_score(classifier, targets))
        found: dict[Scalar, Tensor] = {}
        for number, (direction, scalars) in enumerate(passes, start=1):
            (gradient,) = torch.autograd.grad(features, leaf, direction, retain_graph=number < len(passes))
            found |= dict.fromkeys(scalars, gradient)
    return found, seen


def weighted_gradients(
    classifier: Classifier,
    targets: Tensor,
    specifications: Sequence[Specification],
    variant: Variant,
    weights: Sequence[float],
) -> dict[Scalar, Tensor]:
    """Σ weights[v]·∂y/∂x at variant v of each picture, B×3×S×S for each scalar.

    Several variants share a pass where the batch is small. Raises as ``gradients`` does.
    """
    together = max(1, _AT_ONCE // max(len(targets), 1))
    total: dict[Scalar, Tensor] = {}
    for start in range(0, len(weights), together):
        numbers = range(start, min(start + together, len(weights)))
        pixels = torch.stack([variant(number) for number in numbers])
        found, _ = gradients(classifier, pixels.flatten(0, 1), targets.repeat(len(numbers)), specifications)
        factors = torch.tensor([weights[number] for number in numbers]).to(pixels)
        for scalar, gradient in found.items():
            summed = torch.einsum("v,v...->...", factors, gradient.view_as(pixels))
            total[scalar] = total[scalar] + summed if scalar in total else summed
    return total
