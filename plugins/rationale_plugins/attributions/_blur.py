"""A picture without its details."""

from __future__ import annotations

from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

_SHARE = 10 / 224
"""Standard deviation as a share of the side: 10 pixels of 224, as Fong and Vedaldi (2017) blur."""


def blurred(images: Tensor) -> Tensor:
    """B×3×S×S → the same, blurred so that shapes are gone and colours stay."""
    sigma = _SHARE * images.shape[-1]
    # Three standard deviations to each side, but no more than there is to reflect at the border.
    reach = min(round(3 * sigma), min(images.shape[-2:]) - 1)
    smooth: Tensor = gaussian_blur(images, [2 * reach + 1] * 2, [sigma] * 2)
    return smooth
