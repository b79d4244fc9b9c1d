"""Backgrounds alone say no more of the class than they said to the model as it came.

Shapes: B pictures, K of them with a known mask, C classes, D joint embedding, S pixels.
"""

from __future__ import annotations

from typing import ClassVar, cast

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import IMAGES, MASKS, Masks, Outputs, RegularizerOptions, Setting
from rationale_cli.toolkit.anchors import divergence
from rationale_cli.toolkit.heads import class_embeddings
from rationale_cli.toolkit.substitution import as_it_came
from rationale_cli.toolkit.tuned import TunedScores

from ._composing import places
from ._pseudo_masks import Guided, GuidedOptions, PseudoMasks


class BackgroundAnchor:
    """T² · KL(zero-shot ‖ tuned) of the predictions on each picture's background alone.

    Zero-shot saw none of the training pictures: what it says of a background is no shortcut of these data.
    Predictions that are even over all classes, the second part of ``counterfactual``, leave it open which
    class is highest, and that may tell the class; here their order is zero-shot's. Distillation from the
    model as it came (Hinton et al. 2015; Li and Hoiem 2016, "Learning without Forgetting") on what is no
    evidence: of whole pictures everything may be learned. Where an object was taken away stands its own
    background, as in ``counterfactual``.
    """

    class Options(RegularizerOptions):
        """Options of the anchor of backgrounds."""

        temperature: float = Field(default=1.0, gt=0)
        """T, which divides the logits of both predictions."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES, MASKS)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> AnchoredBackgrounds:
        """Encodes the dataset's prompts, and keeps the image weights as they came, of those that train."""
        return AnchoredBackgrounds(setting, self.options.temperature)


class GuidedBackgroundAnchor:
    """``background-anchor`` with what zero-shot looks at in place of a mask that somebody drew.

    A pseudo-mask is the most relevant ``share`` of a picture by zero-shot's GAA of the annotated class
    (Chefer et al. 2021; the dataset's prompts), as in ``guided-counterfactual``. Where it misses the object,
    the object is held at what zero-shot said of it, too.
    """

    class Options(GuidedOptions):
        """Options of the guided anchor of backgrounds."""

        temperature: float = Field(default=1.0, gt=0)
        """T, which divides the logits of both predictions."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES,)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> Guided:
        """Keeps the weights as they came, of those that train.

        Raises ``InputError`` for a model whose features come from no CLS token and no attention pool, and for
        layers that it does not have.
        """
        anchored = AnchoredBackgrounds(setting, self.options.temperature)
        return Guided(anchored, PseudoMasks(setting, self.options))


class AnchoredBackgrounds(nn.Module):
    """The divergence of predictions on backgrounds from those of ``vectors`` C×D: scale · unit vectors."""

    vectors: Tensor

    def __init__(self, setting: Setting, temperature: float) -> None:
        super().__init__()
        model = setting.classifier.model
        self.classifier = cast(nn.Module, setting.classifier)
        self._features = setting.classifier.features
        self._texts = TunedScores(setting)
        self._zero_shot = as_it_came(model, "embed_images")
        self._temperature = temperature
        scale = model.logit_scale.detach().clone()
        self.register_buffer("vectors", scale * class_embeddings(model, setting.task))

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs, masks: Masks) -> Tensor:
        """images B×3×S×S → scalar; 0 where no mask is known."""
        rows = masks.known.nonzero()[:, 0]
        if not len(rows):
            return 0 * outputs.loss
        alone = places(images[rows], masks.inside[rows])
        logits = self._texts.score_others(self._features(alone), outputs, "native")
        known = F.normalize(self._zero_shot(alone), dim=-1) @ self.vectors.T
        return divergence(logits, known, self._temperature)
