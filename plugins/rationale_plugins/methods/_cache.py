"""Tip-Adapter's cache: a classifier with one key for each training picture, and the search of its weights.

Zhang et al. 2022, "Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification". With f̂ the unit
image feature, W the unit class vectors (rows), K the keys (rows), V the one-hot labels of the keys and s the
model's own scale (CLIP's is 100)::

    logits = s·f̂·Wᵀ + α·exp(−β(1 − f̂·Kᵀ))·V

Shapes: B pictures, D joint embedding, N keys, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import Scalar, VisionLanguageModel
from rationale_cli.toolkit.heads import TextClassifier

_BETAS, _ALPHAS = 200, 20
_SMALLEST = 0.1
_AT_ONCE = 2**25
"""Elements that the search holds at once."""


class CacheClassifier(TextClassifier):
    """Zero-shot logits plus what the cache says; with an empty cache, or α = 0, zero-shot alone.

    The scalars that explanations differentiate are those of the whole logit, cache included: ``native`` is
    the logit; ``cosine`` the logit over s, as for every classifier from text. No class vector is the same for
    all pictures, so ``dot`` takes the one at the picture, ∂logit/∂f̂ over s, held fixed, times the feature: it
    differs from ``native`` as for class vectors from text, by not removing the gradient along the feature.
    With α = 0 all three are zero-shot's.
    """

    alpha: Tensor
    beta: Tensor
    cache_labels: Tensor

    def __init__(
        self,
        model: VisionLanguageModel,
        class_vectors: Tensor,
        *,
        alpha: float,
        beta: float,
        trainable: bool = False,
    ) -> None:
        super().__init__(model, class_vectors)
        self.register_buffer("alpha", torch.tensor(alpha))
        self.register_buffer("beta", torch.tensor(beta))
        self.register_buffer("cache_labels", torch.empty(0, dtype=torch.long))
        self._trainable = trainable
        self.fill(class_vectors.new_empty(0, class_vectors.shape[-1]), self.cache_labels)

    def fill(self, keys: Tensor, labels: Tensor) -> None:
        """Take keys N×D, unit length, and their classes N."""
        self.keys = nn.Parameter(keys.detach().clone(), requires_grad=self._trainable)
        self.cache_labels = labels

    def logits(self, features: Tensor) -> Tensor:
        """B×D → B×C."""
        unit = F.normalize(features, dim=-1)
        return super().logits(features) + self.alpha * self._of_classes(self._affinity(unit))

    def score(self, features: Tensor, kind: Scalar) -> Tensor:
        """See ``Classifier.score``, and the class."""
        if kind == "cosine":
            return self.logits(features) / self.model.logit_scale
        if kind == "dot":
            affinity = self._affinity(F.normalize(features, dim=-1)).detach()
            weight = self.alpha * self.beta / self.model.logit_scale
            cache = self._of_classes(affinity * (features @ self.keys.T))
            return super().score(features, kind) + weight * cache
        return super().score(features, kind)

    def delta(self) -> dict[str, Tensor]:
        """Class vectors, keys and their classes, α and β."""
        return super().delta() | {"keys": self.keys.detach().cpu().contiguous()}

    def load_delta(self, tensors: Mapping[str, Tensor]) -> None:
        """See ``Classifier.load_delta``; the number of keys is that of the checkpoint."""
        keys, labels = tensors.get("keys"), tensors.get("cache_labels")
        width = self.class_vectors.shape[-1]
        if keys is not None and labels is not None and keys.shape == (len(labels), width):
            self.fill(keys.to(self.class_vectors), labels.to(self.class_vectors.device))
        super().load_delta(tensors)

    def _affinity(self, unit: Tensor) -> Tensor:
        """B×D unit rows → exp(−β(1 − f̂·Kᵀ)), B×N."""
        return torch.exp(-self.beta * (1 - unit @ self.keys.T))

    def _of_classes(self, values: Tensor) -> Tensor:
        """B×N → B×C, the sum over each class's keys: values·V."""
        return values @ F.one_hot(self.cache_labels, len(self.class_vectors)).to(values)


class Found(NamedTuple):
    """The best weights of a search."""

    alpha: float
    beta: float
    accuracy: float
    """On the pictures of the search."""


def search(
    classifier: CacheClassifier,
    features: Tensor,
    labels: Tensor,
    *,
    largest_alpha: float,
    largest_beta: float,
) -> Found:
    """The pair of a 200×20 grid of β and α with which most pictures (features M×D, labels M) are right.

    β_i = 0.1 + i·(largest_beta − 0.1)/200 and α_j = 0.1 + j·(largest_alpha − 0.1)/20, as in the released
    code; of equally good pairs the first, β in the outer loop.
    """
    betas = [_SMALLEST + step * (largest_beta - _SMALLEST) / _BETAS for step in range(_BETAS)]
    alphas = [_SMALLEST + step * (largest_alpha - _SMALLEST) / _ALPHAS for step in range(_ALPHAS)]
    right = torch.zeros(_BETAS, _ALPHAS, dtype=torch.long, device=features.device)
    weights = torch.tensor(alphas, device=features.device).view(-1, 1, 1)
    classes = len(classifier.class_vectors)
    keys_of = _keys_of(classifier.cache_labels, classes)
    with torch.no_grad():
        for part, truth in _parts(features, labels, classes * max(keys_of.shape[1], _ALPHAS)):
            unit = F.normalize(part, dim=-1)
            zero_shot = classifier.model.logit_scale * (unit @ classifier.class_vectors.T)
            # A key that is not there is infinitely far.
            distance = F.pad(1 - unit @ classifier.keys.T, (0, 1), value=torch.inf)[:, keys_of]
            for row, beta in enumerate(betas):
                cache = torch.exp(-beta * distance).sum(dim=-1)
                right[row] += ((zero_shot + weights * cache).argmax(dim=-1) == truth).sum(dim=-1)
    # The first of the largest, which argmax does not promise.
    best = int((right == right.max()).flatten().nonzero()[0])
    row, column = divmod(best, _ALPHAS)
    return Found(alphas[column], betas[row], int(right[row, column]) / len(labels))


def _keys_of(labels: Tensor, classes: int) -> Tensor:
    """labels N → C×M, each class's keys; N where a class has fewer than M.

    Sums over them cost far less than a product with the one-hot labels, and their order is fixed.
    """
    order = labels.argsort(stable=True)
    ordered = labels[order]
    counts = labels.bincount(minlength=classes)
    place = torch.arange(len(labels), device=labels.device) - (counts.cumsum(0) - counts)[ordered]
    keys = torch.full((classes, int(counts.max())), len(labels), device=labels.device)
    keys[ordered, place] = order
    return keys


def _parts(features: Tensor, labels: Tensor, width: int) -> list[tuple[Tensor, Tensor]]:
    """Parts of the pictures, small enough for ``width`` numbers each."""
    size = max(1, _AT_ONCE // width)
    return list(zip(torch.split(features, size), torch.split(labels, size), strict=True))
