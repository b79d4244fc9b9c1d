"""A picture without its details."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SHARE = 10 / 224
"""Standard deviation as a share of the side: 10 pixels of 224, as Fong and Vedaldi (2017) blur."""


def blurred(images: Tensor) -> Tensor:
    """B×C×S×S → the same, blurred so that shapes are gone and colours stay; the border is mirrored."""
    sigma = _SHARE * images.shape[-1]
    # Three standard deviations to each side, but no more than there is to mirror at the border.
    reach = min(round(3 * sigma), min(images.shape[-2:]) - 1)
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    channels = images.shape[1]
    weights = (weights / weights.sum()).expand(channels, 1, -1)
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    across = F.conv2d(padded, weights.unsqueeze(2), groups=channels)
    return F.conv2d(across, weights.unsqueeze(3), groups=channels)
