"""Counterfactual pictures: the object elsewhere keeps its class, the place alone has none.

Shapes: B pictures, K of them with a known mask, C classes, S pixels.
"""

from __future__ import annotations

import math
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import IMAGES, MASKS, Masks, Outputs, RegularizerOptions, Setting
from rationale_cli.toolkit.tuned import TunedScores

from ._composing import pasted, places


class Counterfactual:
    """Cross-entropy of objects on others' backgrounds + KL(uniform ‖ prediction) of the backgrounds alone.

    Pictures are composed by their masks within the batch, in the spirit of Chang, Adam and Goldenberg 2021
    ("Towards Robust Classification Model by Counterfactual and Invariant Data Generation") and of Xiao et al.
    2021 ("Noise or Signal"). Where an object was taken away stands its own background, from half a picture
    further. No attribution is asked, so none is trained to please.
    """

    class Options(RegularizerOptions):
        """Options of the counterfactual pictures."""

        background: float = Field(default=1.0, ge=0)
        """Factor of the second part, that a background alone has no class. It makes the scores of backgrounds
        even; which is the highest may tell the class all the more. At 0 that part is not computed."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES, MASKS)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> ComposedPictures:
        """Nothing is computed: the pictures are composed of each batch."""
        return ComposedPictures(setting, self.options.background)


class ComposedPictures(nn.Module):
    """The loss of pictures that are composed of a batch."""

    def __init__(self, setting: Setting, background: float) -> None:
        super().__init__()
        self.classifier = cast(nn.Module, setting.classifier)
        self._features = setting.classifier.features
        self._texts = TunedScores(setting)
        self._background = background

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs, masks: Masks) -> Tensor:
        """images B×3×S×S, labels B → scalar; 0 where no mask is known."""
        rows = masks.known.nonzero()[:, 0]
        if not len(rows):
            return 0 * outputs.loss
        moved, places = composed(images[rows], masks.inside[rows], _others(len(rows)).to(rows.device))
        pictures = torch.cat((moved, places)) if self._background else moved
        logs = self._texts.score_others(self._features(pictures), outputs, "log-softmax")
        kept = F.nll_loss(logs[: len(rows)], labels[rows])
        if not self._background:
            return kept
        told = -logs[len(rows) :].mean() - math.log(logs.shape[-1])
        return kept + self._background * told


def composed(images: Tensor, inside: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """K×3×S×S, K×S×S 0/1 and K indices → each object on that other picture's place, and each place alone."""
    alone = places(images, inside)
    return pasted(images, inside, alone[others]), alone


def _others(count: int) -> Tensor:
    """For each of so many pictures another; itself where it is alone. Drawn on the CPU, for all devices."""
    shift = int(torch.randint(1, max(count, 2), ()))
    return (torch.arange(count) + shift) % count
