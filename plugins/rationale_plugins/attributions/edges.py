"""A control that looks at the picture and at no model: where its edges are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Specification, Specified

from ._patches import patch_means

_LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""
_SOBEL = ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0))


class EdgesOptions(PluginOptions):
    """``edges`` has no options."""


class Edges:
    """The size of the Sobel gradient of the luminance, averaged over each patch.

    A heatmap may look convincing and only trace edges (Adebayo and others 2018): this one does nothing else.
    """

    Options = EdgesOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[Specified] = False
    control: ClassVar[bool] = True

    def __init__(self, options: EdgesOptions) -> None:
        self._options = options

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; ``logits`` is None."""
        grid = classifier.model.patch_grid(images.shape[-2], images.shape[-1])
        # Of the normalisation only the scale matters: an edge is a difference.
        scale = torch.tensor(classifier.model.preprocessing.std) * torch.tensor(_LUMINANCE)
        luminance = torch.einsum("bcxy,c->bxy", images.detach().float(), scale.to(images.device))
        # Pixels repeat beyond the border, so that the frame is no edge.
        framed = F.pad(luminance[:, None], (1, 1, 1, 1), mode="replicate")
        vertical = torch.tensor(_SOBEL, device=images.device)
        both = torch.stack([vertical, vertical.T])[:, None]
        relevance = patch_means(F.conv2d(framed, both).norm(dim=1), grid)
        return Explanation(None, (relevance,) * len(specifications))
