"""How much of a map of evidence lies outside the object, as a loss.

Shapes: B pictures, h×w patch grid, S pixels.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from rationale_cli.contracts import Masks
from rationale_cli.toolkit.heatmaps import on_grid, share_inside

Form = Literal["log", "linear"]
"""−log RMA, or 1 − RMA."""

_LEAST = 1e-3
"""Added to the mass: the logarithm of none would be infinite."""


def outside(maps: Tensor, masks: Masks, form: Form) -> Tensor:
    """Maps B×h×w ≥ 0 → scalar: 0 where all mass lies on the objects; the mean over known masks.

    The mass is that of the map as it is, upsampled as heatmaps are but not min–max normalised.
    """
    inside = share_inside(maps, on_grid(masks.inside, (maps.shape[1], maps.shape[2])))
    value = 1 - inside if form == "linear" else -((inside + _LEAST) / (1 + _LEAST)).log()
    return mean_of_known(value, masks)


def mean_of_known(values: Tensor, masks: Masks) -> Tensor:
    """B values → the mean of those whose mask is known, 0 where none is."""
    known = masks.known.to(values.dtype)
    return (values * known).sum() / known.sum().clamp(min=1)
