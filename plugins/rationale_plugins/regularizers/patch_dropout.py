"""Pictures with patches hidden: a baseline that no annotation guides.

Shapes: B pictures, h×w patch grid, S pixels.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import IMAGES, Outputs, RegularizerOptions, Setting


class PatchDropout:
    """The method's own loss on copies of the pictures of which random patches are hidden.

    Singh and Lee 2017, "Hide-and-Seek": what is most telling is not always there, so that the rest has to
    tell, too. Hidden patches have the mean colour of the model's normalisation. The pictures themselves stay
    in the loss, and each copy costs as much as a picture.
    """

    class Options(RegularizerOptions):
        """Options of hidden patches."""

        share: float = Field(default=0.5, gt=0, lt=1)
        """Probability with which a patch is hidden: the paper's."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES,)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> HiddenPatches:
        """Nothing is computed: patches are drawn at each step."""
        model = setting.classifier.model
        side = model.preprocessing.size
        return HiddenPatches(setting.step, model.patch_grid(side, side), self.options.share)


class HiddenPatches(nn.Module):
    """The loss of a step on pictures without some of their patches."""

    def __init__(self, step: nn.Module, grid: tuple[int, int], share: float) -> None:
        super().__init__()
        self.step = step
        self._grid, self._share = grid, share

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs) -> Tensor:
        """images B×3×S×S, labels B → scalar."""
        # Drawn on the CPU, for all devices.
        kept = (torch.rand(len(images), 1, *self._grid) >= self._share).to(images)
        shown: Tensor = self.step(images * F.interpolate(kept, size=images.shape[-2:]), labels)
        return shown
