"""Counterfactual pictures without annotation: what zero-shot looks at stands for the object.

Shapes: B pictures, S pixels.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import IMAGES, Outputs, RegularizerOptions, Scalar, Setting

from ._pseudo_masks import PseudoMasks
from .counterfactual import ComposedPictures


class GuidedCounterfactual:
    """The loss of ``counterfactual``, composed by pseudo-masks of the model as it came.

    A pseudo-mask is the most relevant ``share`` of a picture by zero-shot's GAA of the annotated class
    (Chefer et al. 2021; the dataset's prompts), over all layers by default. Language stands for annotation,
    as in GALS (Petryk et al. 2022); but what is asked of the tuned model is said in predictions, so that none
    of its own attributions is trained to please. It can be no better than zero-shot's heatmaps: explain a
    zero-shot run and look at its RMA and pointing game first.
    """

    class Options(RegularizerOptions):
        """Options of the guided counterfactual pictures."""

        share: float = Field(default=0.4, gt=0, lt=1)
        """Of a picture that is taken for the object. Too little leaves the object in the background that
        shall have no class; too much takes the background along."""
        layers: str = "all"
        """Layers of zero-shot's heatmap: last, all or a..b."""
        scalar: Scalar = "dot"
        """Whose gradient is taken, of the annotated class: dot, native, cosine, log-softmax or contrast."""
        background: float = Field(default=1.0, ge=0)
        """Factor of the second part, that a background alone has no class; at 0 it is not computed."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES,)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> GuidedPictures:
        """Keeps the weights as they came, of those that train.

        Raises ``InputError`` for a model whose features come from no CLS token and no attention pool, and for
        layers that it does not have.
        """
        asked = self.options
        known = PseudoMasks(setting, asked.scalar, asked.layers, asked.share)
        return GuidedPictures(ComposedPictures(setting, asked.background), known)


class GuidedPictures(nn.Module):
    """The loss of pictures that are composed of a batch by what zero-shot looks at."""

    def __init__(self, composed: ComposedPictures, known: PseudoMasks) -> None:
        super().__init__()
        self.composed, self._known = composed, known

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs) -> Tensor:
        """images B×3×S×S, labels B → scalar."""
        loss: Tensor = self.composed(images, labels, outputs, self._known(images, labels))
        return loss
