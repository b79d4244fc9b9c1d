"""Objects on other backgrounds: a baseline that only augments.

Shapes: B pictures, K of them with a known mask, S pixels.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import IMAGES, MASKS, Masks, Outputs, RegularizerOptions, Setting

from ._composing import pasted, places, surrounding_colour

Fill = Literal["other", "mean", "noise"]
"""The place of another annotated picture of the batch, the mean colour of the own place, or noise."""


class BackgroundAugment:
    """The method's own loss on copies of the annotated pictures, objects before other backgrounds.

    The label stays: mixed backgrounds as training data, as in Xiao et al. 2021 ("Noise or Signal") and
    without what ``counterfactual`` says of backgrounds alone. The pictures themselves stay in the loss. There
    are as many copies as the batch has pictures: where few are annotated, each stands on several backgrounds.
    """

    class Options(RegularizerOptions):
        """Options of other backgrounds."""

        fill: Fill = "other"
        """other: the place of another annotated picture, whose object is replaced by its own background;
        mean: the mean colour of the own place; noise: Gaussian noise, as bright and rich in contrast as the
        model's normalisation says that pictures are."""
        probability: float = Field(default=1.0, gt=0, le=1)
        """With which a copy's background is replaced."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES, MASKS)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> OtherBackgrounds:
        """Nothing is computed: the pictures are composed of each batch."""
        return OtherBackgrounds(setting.step, self.options)


class OtherBackgrounds(nn.Module):
    """The loss of a step on a batch's objects before other backgrounds."""

    def __init__(self, step: nn.Module, options: BackgroundAugment.Options) -> None:
        super().__init__()
        self.step = step
        self._options = options

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs, masks: Masks) -> Tensor:
        """images B×3×S×S, labels B → scalar; 0 where no mask is known."""
        rows = masks.known.nonzero()[:, 0]
        if not len(rows):
            # The step is taken all the same: in it, processes may wait for each other.
            return 0 * self._loss(images, labels)
        # As many copies as pictures in every process: a step may gather them.
        copied = rows[torch.arange(len(images), device=rows.device) % len(rows)]
        objects, inside = images[copied], masks.inside[copied]
        elsewhere = pasted(objects, inside, self._backgrounds(objects, inside, len(rows)))
        replaced = torch.rand(len(images), 1, 1, 1).to(images) < self._options.probability
        return self._loss(torch.where(replaced, elsewhere, objects), labels[copied])

    def _backgrounds(self, objects: Tensor, inside: Tensor, known: int) -> Tensor:
        """Of B copies of so many pictures, which take turns. Drawn on the CPU, for all devices."""
        if self._options.fill == "noise":
            return torch.randn(objects.shape).to(objects)
        if self._options.fill == "mean":
            return surrounding_colour(objects, inside)
        own = torch.arange(len(objects)) % known
        others = (own + torch.randint(1, max(known, 2), own.shape)) % known
        return places(objects, inside)[others.to(objects.device)]

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        loss: Tensor = self.step(images, labels)
        return loss
