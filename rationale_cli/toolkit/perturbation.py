"""What a classifier says of a picture as its most relevant patches go or come: deletion and insertion.

Deletion replaces the k/K most relevant patches, insertion shows nothing but these (Petsiuk, Das, Saenko
2018). Taking the least relevant patches away first (Chefer, Gur, Wolf 2021: negative perturbation) is
insertion read backwards, so that both papers' curves come from the same forwards.

Shapes: B pictures, S pixels, h×w patch grid, C classes, K steps.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..contracts import Classifier
from .ranks import correlation

Replacement = Literal["mean", "blur"]
"""What stands in the place of a patch: the mean colour of the model's normalisation, or the blurred
picture."""

_BLUR = 1 / 16
"""Standard deviation of the blur as a share of the picture's side: no outline of an object is left."""
_SUBSETS = 16
"""Random sets of patches of a correlation with what leaves with them."""


class Curves(NamedTuple):
    """Both curves of each picture; entry k of K+1 is for a share k/K of the patches."""

    deletion: Tensor
    """B×(K+1) float64, probability of the target class with the most relevant patches replaced."""
    insertion: Tensor
    """B×(K+1) float64, with nothing but the most relevant patches shown."""
    deletion_right: Tensor
    """B×(K+1) bool: whether the target is still predicted."""
    insertion_right: Tensor


def replacement(images: Tensor, kind: Replacement) -> Tensor:
    """Normalised images B×3×S×S → what is put in the place of their patches."""
    if kind == "mean":
        return torch.zeros_like(images)
    return blurred(images)


def blurred(images: Tensor) -> Tensor:
    """B×3×S×S, blurred beyond recognition; the border is mirrored."""
    sigma = _BLUR * images.shape[-1]
    reach = min(int(3 * sigma), images.shape[-1] - 1)
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    weights = (weights / weights.sum()).expand(3, 1, -1)
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    across = F.conv2d(padded, weights.unsqueeze(2), groups=3)
    return F.conv2d(across, weights.unsqueeze(3), groups=3)


def curves(
    classifier: Classifier, images: Tensor, instead: Tensor, relevance: Tensor, targets: Tensor, steps: int
) -> Curves:
    """images and ``instead`` B×3×S×S, relevance B×h×w, targets B → both curves, by 2·steps forwards of B.

    Patches of equal relevance go in reading order. Runs without gradients in the mode the classifier is in.
    """
    grid, size = relevance.shape[1:], images.shape[-2:]
    ranks = relevance.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    patches = ranks.shape[1]
    deletion, insertion = [_told(classifier, images, targets)], [_told(classifier, instead, targets)]
    for step in range(1, steps):
        chosen = (ranks < round(step * patches / steps)).unflatten(1, grid)
        there = F.interpolate(chosen[:, None].float(), size=size, mode="nearest") > 0
        deletion.append(_told(classifier, torch.where(there, instead, images), targets))
        insertion.append(_told(classifier, torch.where(there, images, instead), targets))
    deletion.append(insertion[0])
    insertion.append(deletion[0])
    gone, gone_right = (torch.stack(part, dim=1) for part in zip(*deletion, strict=True))
    come, come_right = (torch.stack(part, dim=1) for part in zip(*insertion, strict=True))
    return Curves(gone, come, gone_right, come_right)


def area(curve: Tensor) -> Tensor:
    """B×(K+1) → B: the area under the curve over the share of patches (trapezoids)."""
    return torch.trapezoid(curve.double(), dx=1 / (curve.shape[1] - 1), dim=1)


def sensitivity(
    classifier: Classifier,
    images: Tensor,
    instead: Tensor,
    relevance: Tensor,
    targets: Tensor,
    share: float = 0.25,
    seed: int = 0,
) -> Tensor:
    """Sensitivity-n (Ancona et al. 2018): B correlations of the relevance and the probability that leave with
    a random set of that share of the patches. NaN where either does not vary.

    The sets are the same for every picture and heatmap.
    """
    grid, size = relevance.shape[1:], images.shape[-2:]
    patches = relevance[0].numel()
    generator = torch.Generator().manual_seed(seed)
    picked = torch.rand(_SUBSETS, patches, generator=generator).argsort(dim=1) < max(
        1, round(share * patches)
    )
    picked = picked.to(images.device)
    whole, _ = _told(classifier, images, targets)
    drops = []
    for one in picked:
        there = F.interpolate(one.view(1, 1, *grid).float(), size=size, mode="nearest") > 0
        drops.append(whole - _told(classifier, torch.where(there, instead, images), targets)[0])
    left = relevance.flatten(1).double() @ picked.double().T
    return correlation(left, torch.stack(drops, dim=1))


def _told(classifier: Classifier, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Probability of the target and whether it is the prediction, B each."""
    with torch.no_grad():
        logits = classifier(images).double()
    chosen = logits.softmax(dim=-1).gather(1, targets[:, None]).squeeze(1)
    return chosen, logits.argmax(dim=-1) == targets
