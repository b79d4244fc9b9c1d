"""Gradients of the class score with respect to the picture: they need nothing of the tower's layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from rationale_cli.contracts import (
    Classifier,
    Explanation,
    PluginOptions,
    Scalar,
    Specification,
    Specified,
)
from rationale_cli.toolkit.blur import blurred

from ._input_gradients import gradients, weighted_gradients
from ._patches import Sign, over_patches
from ._seeded import generators


class InputXGradientOptions(PluginOptions):
    """Options of ``input-x-gradient``."""

    sign: Sign = "absolute"
    """What of a signed contribution counts: its size, or the part that speaks for the class."""


class InputXGradient:
    """x ⊙ ∂y/∂x (Shrikumar, Greenside, Kundaje 2017): to first order, what each pixel adds to the score.

    The picture is the model's normalised input, so what is compared with is the mean colour. Contributions
    are made unsigned and summed over channels and pixels of each patch.
    """

    Options = InputXGradientOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[Specified] = "scalar"

    def __init__(self, options: InputXGradientOptions) -> None:
        self._sign = options.sign

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises ``InputError`` for a target that is no class."""
        found, features = gradients(classifier, images, targets, specifications)
        with torch.no_grad():
            logits = classifier.logits(features)
        products = {scalar: images.detach() * one for scalar, one in found.items()}
        return Explanation(logits, _relevance(classifier, products, specifications, self._sign), features)


class IntegratedGradientsOptions(PluginOptions):
    """Options of ``integrated-gradients``."""

    steps: int = Field(default=50, ge=1, le=1000)
    """Points on the way from the baseline to the picture, at the nodes of Gauss and Legendre (the paper: 20
    to 300)."""
    baseline: Literal["mean", "blur"] = "mean"
    """Where the way begins: the mean colour, zero at the model's input, or the picture blurred."""
    sign: Sign = "absolute"
    """What of a signed contribution counts: its size, or the part that speaks for the class."""


class IntegratedGradients:
    """(x − b) ⊙ ∫ ∂y/∂x at b + α(x − b) dα over α from 0 to 1 (Sundararajan, Taly, Yan 2017).

    Before signs go, contributions add up to y(x) − y(b). They are made unsigned and summed over channels and
    pixels of each patch.
    """

    Options = IntegratedGradientsOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[Specified] = "scalar"

    def __init__(self, options: IntegratedGradientsOptions) -> None:
        self._options = options

    def passes(self, grid: tuple[int, int], scalars: int) -> tuple[int, int]:
        """See ``Repeated.passes``."""
        return self._options.steps, self._options.steps * scalars

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises ``InputError`` for a target that is no class."""
        contributions = self.contributions(classifier, images, targets, specifications)
        relevance = _relevance(classifier, contributions, specifications, self._options.sign)
        return Explanation(None, relevance)

    def contributions(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> dict[Scalar, Tensor]:
        """Of every pixel, B×3×S×S for each scalar, signed."""
        pixels = images.detach()
        baseline = blurred(pixels) if self._options.baseline == "blur" else torch.zeros_like(pixels)
        nodes, weights = np.polynomial.legendre.leggauss(self._options.steps)
        # From the interval −1..1 to 0..1.
        shares, factors = ((nodes + 1) / 2).tolist(), (weights / 2).tolist()
        mean = weighted_gradients(
            classifier,
            targets,
            specifications,
            lambda number: torch.lerp(baseline, pixels, shares[number]),
            factors,
        )
        return {scalar: (pixels - baseline) * one for scalar, one in mean.items()}


class SmoothGradOptions(PluginOptions):
    """Options of ``smoothgrad``; the defaults are the paper's."""

    samples: int = Field(default=50, ge=1)
    """Noisy copies of each picture."""
    noise: float = Field(default=0.15, gt=0)
    """Standard deviation of the noise as a share of the picture's range of values (the paper: 0.1 to 0.2)."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Another seed draws other noise; it is the same for a picture in any batch."""
    sign: Sign = "absolute"
    """What of the mean gradient counts: its size, or the part that speaks for the class."""


class SmoothGrad:
    """The mean of ∂y/∂x over copies of the picture with Gaussian noise (Smilkov and others 2017).

    The mean gradient is made unsigned and summed over channels and pixels of each patch.
    """

    Options = SmoothGradOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[Specified] = "scalar"

    def __init__(self, options: SmoothGradOptions) -> None:
        self._options = options

    def passes(self, grid: tuple[int, int], scalars: int) -> tuple[int, int]:
        """See ``Repeated.passes``."""
        return self._options.samples, self._options.samples * scalars

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises ``InputError`` for a target that is no class."""
        pixels, drawing = images.detach(), list(generators(images, self._options.seed))
        spread = pixels.amax(dim=(1, 2, 3), keepdim=True) - pixels.amin(dim=(1, 2, 3), keepdim=True)

        def noisy(number: int) -> Tensor:
            noise = torch.stack([torch.randn(pixels.shape[1:], generator=one) for one in drawing])
            return pixels + self._options.noise * spread * noise.to(pixels)

        samples = self._options.samples
        mean = weighted_gradients(classifier, targets, specifications, noisy, [1 / samples] * samples)
        return Explanation(None, _relevance(classifier, mean, specifications, self._options.sign))


def _relevance(
    classifier: Classifier,
    values: Mapping[Scalar, Tensor],
    specifications: Sequence[Specification],
    sign: Sign,
) -> tuple[Tensor, ...]:
    height, width = next(iter(values.values())).shape[-2:]
    grid = classifier.model.patch_grid(height, width)
    maps = {scalar: over_patches(one, grid, sign) for scalar, one in values.items()}
    return tuple(maps[one.scalar] for one in specifications)
