"""Right for the right reasons: what lies outside the object must not matter to the prediction.

Shapes: B pictures, S pixels, H heads, T tokens, d width of a head, h×w patch grid.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from rationale_cli.contracts import IMAGES, MASKS, Masks, Outputs, RegularizerOptions, Setting
from rationale_cli.toolkit.modes import evaluation
from rationale_cli.toolkit.tuned import TunedScores, Watch

from ._mass import mean_of_known


class RightReasons:
    """Σ over what lies outside the object of (∂ Σ_c log p_c / ∂x)², a mean over pictures.

    Ross, Hughes and Doshi-Velez 2017, "Right for the Right Reasons". With pixels, x is the picture as the
    model takes it, and the whole tower is passed forward and twice backward once more. With tokens, x are the
    values of the patch tokens in the last attention layer, as the CLS token reads them: only what comes after
    that layer is passed a second time.
    """

    class Options(RegularizerOptions):
        """Options of the penalty on gradients."""

        weight: float = Field(default=1.0, ge=0)
        """Factor of the term in the loss; the paper chooses it so that both terms are of one size."""
        at: Literal["pixels", "tokens"] = "pixels"
        """Where the gradient is taken."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES, MASKS)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> nn.Module:
        """Raises ``InputError`` with tokens for a model without a CLS token or attention pool."""
        return PixelGradients(setting) if self.options.at == "pixels" else TokenGradients(Watch(setting))


class PixelGradients(nn.Module):
    """The squared gradient in pixels outside the masks."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.classifier = cast(nn.Module, setting.classifier)
        self._features = setting.classifier.features
        self._texts = TunedScores(setting)

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs, masks: Masks) -> Tensor:
        """images B×3×S×S → scalar."""
        leaf = images.detach().requires_grad_()
        # Fused attention has no second derivative.
        with evaluation(self.classifier), sdpa_kernel(SDPBackend.MATH):
            logs = self._texts.score(self._features(leaf), outputs, "log-softmax")
            (gradient,) = torch.autograd.grad(logs.sum(), leaf, create_graph=True)
        squares = gradient.float().square().sum(dim=1) * (1 - masks.inside.float())
        return mean_of_known(squares.sum(dim=(1, 2)), masks)


class TokenGradients(nn.Module):
    """The squared gradient in the values of patches outside the masks."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def watching(self) -> AbstractContextManager[object]:
        """Sees the step's own forward."""
        return self._watch.watching()

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs, masks: Masks) -> Tensor:
        """images B×3×S×S → scalar."""
        seen, grid = self._watch.seen(images, outputs), self._watch.grid
        logs = self._watch.every_score(seen, outputs, "log-softmax")
        squares = seen.value_gradients(logs.sum(dim=1), grid)
        outside = 1 - F.adaptive_avg_pool2d(masks.inside.float()[:, None], grid)[:, 0]
        return mean_of_known((squares * outside).sum(dim=(1, 2)), masks)
