"""From values of pixels to relevance of patches."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from rationale_cli.errors import WorkError

Sign = Literal["absolute", "positive"]
"""What of a signed value is relevance: its size, or the part that speaks for the class."""


def unsigned(values: Tensor, sign: Sign) -> Tensor:
    """Values of either sign → ≥ 0, of the same shape."""
    return values.abs() if sign == "absolute" else values.clamp(min=0)


def patch_means(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """N×S×S → N×h×w float32, the mean over each patch.

    A patch is S//h × S//w pixels from the upper left corner on, as a convolution cuts it; pixels beyond the
    last patch, which the tower never sees, are left out.
    """
    (height, width), (rows, columns) = grid, values.shape[-2:]
    side = rows // height, columns // width
    cut = values[:, None, : height * side[0], : width * side[1]].float()
    return F.avg_pool2d(cut, side)[:, 0]


def over_patches(values: Tensor, grid: tuple[int, int], sign: Sign) -> Tensor:
    """Signed values of every channel of every pixel, B×3×S×S → relevance B×h×w, float32, ≥ 0.

    Made unsigned, then summed over the channels and pixels of each patch. (A mean over pixels: it differs
    from the sum by one factor for all patches.) Raises ``WorkError`` where it is not finite.
    """
    return finite(patch_means(unsigned(values, sign).sum(dim=1), grid))


def finite(relevance: Tensor) -> Tensor:
    """The relevance as it is. Raises ``WorkError`` where it is not finite."""
    if not bool(relevance.isfinite().all()):
        raise WorkError(
            "Expected finite relevance but got infinite values or NaN.",
            next_step="explain without mixed precision, and check the run's loss for NaN",
        )
    return relevance
