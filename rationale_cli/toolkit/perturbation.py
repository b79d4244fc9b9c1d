"""What a classifier says of a picture as its most relevant patches go or come: deletion and insertion.

Deletion replaces the k/K most relevant patches, insertion shows nothing but these (Petsiuk, Das, Saenko
2018). Taking the least relevant patches away first (Chefer, Gur, Wolf 2021: negative perturbation) is
insertion read backwards, so that both papers' curves come from the same forwards.

Shapes: B pictures, S pixels, h×w patch grid, C classes, K steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..contracts import Classifier
from .blur import blurred
from .ranks import correlation

Replacement = Literal["mean", "blur"]
"""What stands in the place of a patch: the mean colour of the model's normalisation, or the blurred
picture."""

_SUBSETS, _SUBSET, _SEED = 16, 0.25, 0
"""Random sets of patches of a correlation with what leaves with them; a set's share of all patches."""


class Curves(NamedTuple):
    """Both curves of each picture; entry k of K+1 is for a share k/K of the patches."""

    deletion: Tensor
    """B×(K+1) float64, probability of the target class with the most relevant patches replaced."""
    insertion: Tensor
    """B×(K+1) float64, with nothing but the most relevant patches shown."""
    deletion_right: Tensor
    """B×(K+1) bool: whether the target is still predicted."""
    insertion_right: Tensor


class Removals:
    """Forwards of a batch that are the same whatever the heatmap, each made once and when it is asked for.

    Without gradients, in the mode the classifier is in.
    """

    def __init__(self, classifier: Classifier, images: Tensor, instead: Tensor) -> None:
        """Images and what takes the place of their patches: B×3×S×S, normalised."""
        self.images, self.instead = images, instead
        self._classifier = classifier
        self._drawn: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    @cached_property
    def whole(self) -> Tensor:
        """B×C logits of the images."""
        return self.told(self.images)

    @cached_property
    def empty(self) -> Tensor:
        """B×C logits of what takes their place."""
        return self.told(self.instead)

    def told(self, images: Tensor) -> Tensor:
        """B×C logits, float64."""
        with torch.no_grad():
            return self._classifier(images).double()

    def without(self, chosen: Tensor) -> Tensor:
        """Patches chosen, B×h×w or 1×h×w → B×3×S×S with these replaced."""
        return torch.where(self._there(chosen), self.instead, self.images)

    def only(self, chosen: Tensor) -> Tensor:
        """B×3×S×S with nothing but these."""
        return torch.where(self._there(chosen), self.images, self.instead)

    def drawn(self, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Random quarters of the patches, N×(h·w), and the logits without them, N×B×C.

        They are the same for every batch.
        """
        if grid not in self._drawn:
            patches = grid[0] * grid[1]
            generator = torch.Generator().manual_seed(_SEED)
            order = torch.rand(_SUBSETS, patches, generator=generator).argsort(dim=1)
            picked = (order < max(1, round(_SUBSET * patches))).to(self.images.device)
            told = [self.told(self.without(one.view(1, *grid))) for one in picked]
            self._drawn[grid] = picked, torch.stack(told)
        return self._drawn[grid]

    def _there(self, chosen: Tensor) -> Tensor:
        return F.interpolate(chosen[:, None].float(), size=self.images.shape[-2:], mode="nearest") > 0


def replacement(images: Tensor, kind: Replacement) -> Tensor:
    """Normalised images B×3×S×S → what is put in the place of their patches."""
    if kind == "mean":
        return torch.zeros_like(images)
    return blurred(images)


def curves(removals: Removals, relevance: Tensor, targets: Tensor, steps: int) -> Curves:
    """relevance B×h×w, targets B → both curves, by 2·(steps − 1) forwards of B beside those that are shared.

    Patches of equal relevance go in reading order.
    """
    grid = relevance.shape[1:]
    ranks = relevance.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    patches = ranks.shape[1]
    whole, empty = removals.whole, removals.empty
    deletion, insertion = [whole], [empty]
    for step in range(1, steps):
        chosen = (ranks < round(step * patches / steps)).unflatten(1, grid)
        deletion.append(removals.told(removals.without(chosen)))
        insertion.append(removals.told(removals.only(chosen)))
    gone, gone_right = _read([*deletion, empty], targets)
    come, come_right = _read([*insertion, whole], targets)
    return Curves(gone, come, gone_right, come_right)


def area(curve: Tensor) -> Tensor:
    """B×(K+1) → B: the area under the curve over the share of patches (trapezoids)."""
    return torch.trapezoid(curve.double(), dx=1 / (curve.shape[1] - 1), dim=1)


class Taken(NamedTuple):
    """What leaves with random quarters of the patches, N of them, of each picture."""

    relevance: Tensor
    """B×N float64, the sum over the patches that leave."""
    probability: Tensor
    """B×N float64, by how much that of the target falls."""

    def sensitivity(self) -> Tensor:
        """Sensitivity-n (Ancona et al. 2018), B: the correlation of both. NaN where either does not vary."""
        return correlation(self.relevance, self.probability)

    def infidelity(self) -> Tensor:
        """Infidelity (Yeh et al. 2019), B: the mean square of β·relevance − probability at the best β.

        As a share of that at β = 0, so that a heatmap that tells nothing has 1 and a perfect one 0. NaN where
        the probability never moves.
        """
        size = self.relevance.square().sum(dim=1, keepdim=True)
        scale = (self.relevance * self.probability).sum(dim=1, keepdim=True) / size.clamp(min=1e-300)
        left = (scale * self.relevance - self.probability).square().sum(dim=1)
        return left / self.probability.square().sum(dim=1)


def taken(removals: Removals, relevance: Tensor, targets: Tensor) -> Taken:
    """relevance B×h×w, targets B; the patches are the same for every heatmap."""
    picked, without = removals.drawn((relevance.shape[1], relevance.shape[2]))
    whole, _ = _read([removals.whole], targets)
    left, _ = _read(list(without), targets)
    return Taken(relevance.flatten(1).double() @ picked.double().T, whole - left)


def _read(told: Sequence[Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
    """K logits B×C → probability of the target and whether it is the prediction, B×K each."""
    logits = torch.stack(list(told), dim=1)
    chosen = targets[:, None, None].expand(-1, logits.shape[1], 1)
    probability = logits.softmax(dim=-1).gather(2, chosen).squeeze(2)
    return probability, logits.argmax(dim=-1) == targets[:, None]
