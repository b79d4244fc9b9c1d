"""The tuned model looks where zero-shot looked: no annotation, for zero-shot's evidence is the teacher.

Shapes: B pictures, h×w patch grid, S pixels.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import IMAGES, Outputs, RegularizerOptions, Scalar, Setting
from rationale_cli.toolkit.tuned import Watch, ZeroShotRelevance

Apart = Literal["kl", "cosine"]
"""KL(zero-shot ‖ tuned) of maps that sum to 1, or 1 − their cosine."""

_SHARE = 0.01
"""Of a uniform map that both get for KL: (·)⁺ leaves patches without any relevance."""


class EvidenceAnchor:
    """Relevance for the label stays where the model as it came has it, on the very same picture.

    Both maps are GAA of the last attention layer (Chefer et al. 2021), of the tuned class score and of
    zero-shot's, each brought to a sum of 1: KL(zero-shot ‖ tuned), or 1 − cosine. Like attention transfer
    (Zagoruyko and Komodakis 2017), with class relevance for attention and zero-shot for the teacher.
    """

    class Options(RegularizerOptions):
        """Options of the anchor of evidence."""

        distance: Apart = "kl"
        """kl, or cosine for 1 − cosine of both maps."""
        scalar: Scalar = "dot"
        """Whose gradient is taken, of the annotated class: dot, native, cosine, log-softmax or contrast."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES,)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> AnchoredEvidence:
        """Keeps the weights as they came, of those that train.

        Raises ``InputError`` for a model whose features come from no CLS token and no attention pool.
        """
        known = ZeroShotRelevance(setting.classifier.model, setting.task, self.options.scalar)
        return AnchoredEvidence(Watch(setting), known, self.options)


class AnchoredEvidence(nn.Module):
    """The divergence of a batch's relevance from that of zero-shot."""

    def __init__(self, watch: Watch, known: ZeroShotRelevance, options: EvidenceAnchor.Options) -> None:
        super().__init__()
        self._watch, self._known, self._options = watch, known, options

    def watching(self) -> AbstractContextManager[object]:
        """Sees the step's own forward."""
        return self._watch.watching()

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs) -> Tensor:
        """images B×3×S×S, labels B → scalar."""
        seen = self._watch.seen(images, outputs)
        scores = self._watch.scores(seen, labels, outputs, self._options.scalar)
        tuned = seen.relevance(scores, self._watch.grid)
        return apart(tuned, self._known(images, labels, self._watch.grid), self._options.distance)


def apart(tuned: Tensor, known: Tensor, distance: Apart) -> Tensor:
    """Two maps B×h×w ≥ 0 of any sum → scalar, the mean over pictures."""
    one, other = tuned.flatten(1), known.flatten(1)
    if distance == "cosine":
        return (
            1 - (F.normalize(one, dim=1, eps=1e-30) * F.normalize(other, dim=1, eps=1e-30)).sum(dim=1).mean()
        )
    return F.kl_div(_shares(one).log(), _shares(other), reduction="batchmean")


def _shares(maps: Tensor) -> Tensor:
    """B×N → the same, of sum 1, mixed with a uniform map; which a map of zeros becomes."""
    total = maps.sum(dim=1, keepdim=True)
    uniform = 1 / maps.shape[1]
    some = maps / total.where(total > 0, 1.0)
    mixed = (1 - _SHARE) * some + _SHARE * uniform
    return mixed.where(total > 0, uniform)
