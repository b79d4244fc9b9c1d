"""Gradients of the class score with respect to the picture: they need nothing of the tower's layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

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

from ._input_gradients import Variant, gradients, weighted_gradients
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


class _Mean(NamedTuple):
    """A weighted mean of gradients at variants of the pictures, times what it is multiplied with."""

    variant: Variant
    weights: Sequence[float]
    """One for each variant."""
    times: Tensor | float


class _Averaged(ABC):
    """Signed values of every pixel by the score's mean gradient over variants of the picture."""

    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[Specified] = "scalar"

    def __init__(self, variants: int, sign: Sign) -> None:
        self._variants, self._sign = variants, sign

    def passes(self, grid: tuple[int, int], scalars: int) -> tuple[int, int]:
        """See ``Repeated.passes``."""
        return self._variants, self._variants * scalars

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises ``InputError`` for a target that is no class."""
        values = self.contributions(classifier, images, targets, specifications)
        return Explanation(None, _relevance(classifier, values, specifications, self._sign))

    def contributions(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> dict[Scalar, Tensor]:
        """Of every pixel, B×3×S×S for each scalar, signed."""
        asked = self._mean(images.detach())
        found = weighted_gradients(classifier, targets, specifications, asked.variant, asked.weights)
        return {scalar: asked.times * one for scalar, one in found.items()}

    @abstractmethod
    def _mean(self, pixels: Tensor) -> _Mean:
        """For pictures B×3×S×S without a graph."""


class IntegratedGradientsOptions(PluginOptions):
    """Options of ``integrated-gradients``."""

    steps: int = Field(default=50, ge=1, le=1000)
    """Points on the way from the baseline to the picture, at the nodes of Gauss and Legendre (the paper: 20
    to 300)."""
    baseline: Literal["mean", "blur"] = "mean"
    """Where the way begins: the mean colour, zero at the model's input, or the picture blurred."""
    sign: Sign = "absolute"
    """What of a signed contribution counts: its size, or the part that speaks for the class."""


class IntegratedGradients(_Averaged):
    """(x − b) ⊙ ∫ ∂y/∂x at b + α(x − b) dα over α from 0 to 1 (Sundararajan, Taly, Yan 2017).

    Before signs go, contributions add up to y(x) − y(b). They are made unsigned and summed over channels and
    pixels of each patch.
    """

    Options = IntegratedGradientsOptions

    def __init__(self, options: IntegratedGradientsOptions) -> None:
        super().__init__(options.steps, options.sign)
        self._options = options

    def _mean(self, pixels: Tensor) -> _Mean:
        baseline = blurred(pixels) if self._options.baseline == "blur" else torch.zeros_like(pixels)
        nodes, weights = np.polynomial.legendre.leggauss(self._options.steps)
        # From the interval −1..1 to 0..1.
        shares, factors = ((nodes + 1) / 2).tolist(), (weights / 2).tolist()
        return _Mean(lambda number: torch.lerp(baseline, pixels, shares[number]), factors, pixels - baseline)


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


class SmoothGrad(_Averaged):
    """The mean of ∂y/∂x over copies of the picture with Gaussian noise (Smilkov and others 2017).

    The mean gradient is made unsigned and summed over channels and pixels of each patch.
    """

    Options = SmoothGradOptions

    def __init__(self, options: SmoothGradOptions) -> None:
        super().__init__(options.samples, options.sign)
        self._options = options

    def _mean(self, pixels: Tensor) -> _Mean:
        drawing = list(generators(pixels, self._options.seed))
        spread = pixels.amax(dim=(1, 2, 3), keepdim=True) - pixels.amin(dim=(1, 2, 3), keepdim=True)

        def noisy(number: int) -> Tensor:
            noise = torch.stack([torch.randn(pixels.shape[1:], generator=one) for one in drawing])
            return pixels + self._options.noise * spread * noise.to(pixels)

        samples = self._options.samples
        return _Mean(noisy, [1 / samples] * samples, 1.0)


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
