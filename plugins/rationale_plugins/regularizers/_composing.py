"""Pictures composed by their masks.

Shapes: K pictures, S pixels.
"""

from __future__ import annotations

from torch import Tensor


def surrounding_colour(images: Tensor, inside: Tensor) -> Tensor:
    """K×3×S×S, K×S×S 0/1 → the mean colour of what is no object: K×3×1×1."""
    around = 1 - _as_weights(images, inside)
    size = around.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    return (images * around).sum(dim=(2, 3), keepdim=True) / size


def places(images: Tensor, inside: Tensor) -> Tensor:
    """K×3×S×S, K×S×S 0/1 → each place alone, with its own mean colour where the object was."""
    shown = _as_weights(images, inside)
    return images * (1 - shown) + surrounding_colour(images, inside) * shown


def pasted(images: Tensor, inside: Tensor, backgrounds: Tensor) -> Tensor:
    """The objects of K×3×S×S, by K×S×S 0/1, on as many backgrounds."""
    shown = _as_weights(images, inside)
    return images * shown + backgrounds * (1 - shown)


def _as_weights(images: Tensor, inside: Tensor) -> Tensor:
    return inside[:, None].to(images.dtype)
