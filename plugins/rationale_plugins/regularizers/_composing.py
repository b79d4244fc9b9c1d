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
    """K×3×S×S, K×S×S 0/1 → each place alone.

    Where the object was stands what lies half a picture further, across, down or both, as far as that is not
    object too; and else the place's mean colour. A plain patch would tell a model which pictures were
    composed: it could read the background of all others.
    """
    left = _as_weights(images, inside)
    filled = images * (1 - left)
    for rows, columns in ((0, 2), (2, 0), (2, 2)):
        shift = tuple(
            side // part if part else 0 for side, part in zip(images.shape[-2:], (rows, columns), strict=True)
        )
        further, covered = (one.roll(shift, (-2, -1)) for one in (images, _as_weights(images, inside)))
        taken = left * (1 - covered)
        filled, left = filled + further * taken, left - taken
    return filled + surrounding_colour(images, inside) * left


def pasted(images: Tensor, inside: Tensor, backgrounds: Tensor) -> Tensor:
    """The objects of K×3×S×S, by K×S×S 0/1, on as many backgrounds."""
    shown = _as_weights(images, inside)
    return images * shown + backgrounds * (1 - shown)


def _as_weights(images: Tensor, inside: Tensor) -> Tensor:
    return inside[:, None].to(images.dtype)
