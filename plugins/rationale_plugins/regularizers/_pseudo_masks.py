"""What zero-shot looks at, for a mask that nobody drew.

Shapes: B pictures, h×w patch grid, S pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import Masks, Outputs, RegularizerOptions, Scalar, Setting
from rationale_cli.toolkit.tuned import ZeroShotRelevance


class GuidedOptions(RegularizerOptions):
    """Options of every term that takes pseudo-masks."""

    share: float = Field(default=0.4, gt=0, lt=1)
    """Of a picture that is taken for the object. Too little leaves the object in the background; too much
    takes the background along."""
    layers: str = "all"
    """Layers of zero-shot's heatmap: last, all or a..b."""
    scalar: Scalar = "dot"
    """Whose gradient is taken, of the annotated class: dot, native, cosine, log-softmax or contrast."""


class PseudoMasks:
    """The most relevant ``share`` of each picture by zero-shot's GAA of the annotated class."""

    def __init__(self, setting: Setting, options: GuidedOptions) -> None:
        """Keeps the weights as they came, of those that train.

        Raises ``InputError`` for a model whose features come from no CLS token and no attention pool, and for
        layers that it does not have.
        """
        model = setting.classifier.model
        side = model.preprocessing.size
        self._known = ZeroShotRelevance(model, setting.task, options.scalar, options.layers)
        self._grid, self._share = model.patch_grid(side, side), options.share

    def __call__(self, images: Tensor, labels: Tensor) -> Masks:
        """images B×3×S×S, labels B; without a gradient."""
        relevance = self._known(images, labels, self._grid)
        return most_relevant(relevance, (images.shape[-2], images.shape[-1]), self._share)


class Guided(nn.Module):
    """A ``MaskedTerm`` by pseudo-masks."""

    def __init__(self, term: nn.Module, known: PseudoMasks) -> None:
        super().__init__()
        self.term, self._known = term, known

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs) -> Tensor:
        """images B×3×S×S, labels B → scalar."""
        loss: Tensor = self.term(images, labels, outputs, self._known(images, labels))
        return loss


def most_relevant(relevance: Tensor, size: tuple[int, int], share: float) -> Masks:
    """B×h×w ≥ 0 → this share of the pixels, the most relevant ones; nothing is known by a constant map."""
    smooth = F.interpolate(relevance[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    flat = smooth.flatten(1)
    below = min(max(round((1 - share) * flat.shape[1]), 1), flat.shape[1])
    inside = smooth > flat.kthvalue(below, dim=1).values[:, None, None]
    return Masks(inside.to(torch.uint8), inside.flatten(1).any(dim=1))
