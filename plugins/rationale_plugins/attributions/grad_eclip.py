"""Grad-ECLIP: the gradient of the attention's output weighs the values, a loosened attention the places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Specification
from rationale_cli.toolkit.attention import AttentionLayer
from rationale_cli.toolkit.relevance import Rule, class_score, explain


class GradEclipOptions(PluginOptions):
    """Grad-ECLIP has no options: layers and scalar are those of the specification."""


class GradEclip:
    """Grad-ECLIP (Zhao et al. 2024): (Σ_c ∂y/∂o_CLS · v_i · λ_i)⁺ of patch i, summed over the layers.

    o is the attention's output before W_O, c runs over its channels of all heads, and λ is the cosine of the
    CLS query with the patch's key over all heads, stretched to 0..1 among the patches of a picture: softmax
    attention leaves too few places. A tower without CLS token has its attention pool's query in that place.
    """

    Options = GradEclipOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[bool] = True

    def __init__(self, options: GradEclipOptions) -> None:
        self._options = options

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises as ``rationale_cli.toolkit.relevance.explain`` does."""
        height, width = classifier.model.patch_grid(images.shape[-2], images.shape[-1])
        rule = _Channels(combine="sum", patches=height * width)
        return explain(classifier, images, specifications, class_score(classifier, targets), rule)


@dataclass(frozen=True)
class _Channels(Rule):
    """Weighs tokens by channels; only the first row has a meaning, which is all that a sum reads."""

    patches: int = 0
    """How many of the last tokens are patches."""

    def weigh(self, layer: AttentionLayer, gradient: Tensor, rows: slice) -> Tensor:
        """B×1×1×T, zero for tokens that are no patches."""
        query, channels = (_joined(one[:, :, :1]) for one in (layer.query, gradient))
        key, value = (_joined(one[:, :, -self.patches :]) for one in (layer.key, layer.value))
        loosened = _stretched(F.cosine_similarity(query, key, dim=-1))
        relevance = ((value @ channels.mT).squeeze(-1) * loosened).clamp(min=0)
        return F.pad(relevance, (layer.key.shape[-2] - relevance.shape[-1], 0))[:, None, None]


def _joined(heads: Tensor) -> Tensor:
    """B×H×T×d → B×T×(H·d) float32."""
    return heads.float().transpose(1, 2).flatten(2)


def _stretched(similarity: Tensor) -> Tensor:
    """B×N → 0..1 in each picture; 1 where all are equal."""
    low, high = similarity.amin(dim=-1, keepdim=True), similarity.amax(dim=-1, keepdim=True)
    return torch.where(high > low, (similarity - low) / (high - low), 1.0)
