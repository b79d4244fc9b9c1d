"""From relevance on the patch grid to heatmaps, and their mass on the object (RMA).

A heatmap is the relevance, upsampled bilinearly to the model's input (corners not aligned), then min–max
normalised for each picture (protocol §2). Upsampling is linear, U = P·r·Qᵀ, so RMA needs no heatmap at all:
Σ(U ⊙ M) = Σ(r ⊙ PᵀMQ), with the mask brought down to the grid once for every specification; and the
extremes of U lie at the outermost samples of each cell between four patch centres, of which there are few.

Shapes: B pictures, h×w patch grid, S×S pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_RELATIVE = 4 * torch.finfo(torch.float32).eps


class EvidenceMass(NamedTuple):
    """How much of each heatmap lies on the object; B values each, on the device of the relevance."""

    rma: Tensor
    """Σ(H⊙M)/ΣH of the min–max normalised heatmap (protocol Eq. 1), as in the reference; NaN where
    ``constant``."""
    raw: Tensor
    """The same of the upsampled relevance as it is; |M|/S² for a constant map, NaN for a map of zeros."""
    constant: Tensor
    """Whether the heatmap says nothing of where: it is constant up to rounding, zero, or not finite."""


def upsample(relevance: Tensor, size: tuple[int, int]) -> Tensor:
    """B×h×w → B×S×S float32, bilinear, corners not aligned."""
    return F.interpolate(relevance.float()[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def heatmaps(relevance: Tensor, size: tuple[int, int]) -> Tensor:
    """B×h×w → B×S×S float32 in [0, 1], what a person looks at; zeros where the relevance is constant."""
    large = upsample(relevance, size)
    low, high = large.amin(dim=(1, 2), keepdim=True), large.amax(dim=(1, 2), keepdim=True)
    scaled = (large - low) / (high - low)
    return torch.where(_constant(low, high), torch.zeros_like(scaled), scaled)


def evidence(relevance: Tensor, masks: Tensor) -> EvidenceMass:
    """relevance B×h×w ≥ 0, masks B×S×S (any value above 0 is object) → RMA of the whole batch.

    Computed in float64 where the device has it. A mask without a pixel gives 0: whoever counts leaves
    such a picture out.
    """
    return evidence_on(relevance, on_grid(masks, (relevance.shape[1], relevance.shape[2])))


class GridMasks(NamedTuple):
    """Masks brought down to a patch grid: what heatmaps of any number of estimators are held against."""

    inside: Tensor
    """B×h×w: how much of each patch's weight lies on the object, PᵀMQ."""
    down: Tensor
    """S×h: each row of pixels as a weighted mean of rows of patches, P."""
    across: Tensor
    """S×w, Q."""


def on_grid(masks: Tensor, grid: tuple[int, int]) -> GridMasks:
    """Masks B×S×S (any value above 0 is object) on a grid of h×w patches."""
    real = torch.float32 if masks.device.type == "mps" else torch.float64
    down, across = (
        _weights(pixels, cells).to(masks.device, real)
        for pixels, cells in zip(masks.shape[1:], grid, strict=True)
    )
    return GridMasks(down.T @ (masks > 0).to(real) @ across, down, across)


def evidence_on(relevance: Tensor, masks: GridMasks) -> EvidenceMass:
    """``evidence`` of …×B×h×w relevance on masks that are on the grid already: values of shape …×B."""
    inside, down, across = masks
    maps = relevance.to(inside.dtype)
    everywhere = torch.outer(down.sum(dim=0), across.sum(dim=0))
    corners = down[_outermost(*down.shape)] @ maps @ across[_outermost(*across.shape)].T
    low, high = corners.amin(dim=(-2, -1), keepdim=True), corners.amax(dim=(-2, -1), keepdim=True)
    constant = _constant(low, high)[..., 0, 0]
    rma = _share(maps - low, inside, everywhere).masked_fill(constant, torch.nan)
    return EvidenceMass(rma, _share(maps, inside, everywhere), constant)


def share_inside(maps: Tensor, masks: GridMasks) -> Tensor:
    """The share of maps B×h×w ≥ 0 on the object, with a gradient: B; 0 for a map of zeros."""
    everywhere = torch.outer(masks.down.sum(dim=0), masks.across.sum(dim=0)).to(maps.dtype)
    total = (maps * everywhere).sum(dim=(1, 2))
    return (maps * masks.inside.to(maps.dtype)).sum(dim=(1, 2)) / torch.where(total > 0, total, 1.0)


def _share(maps: Tensor, inside: Tensor, everywhere: Tensor) -> Tensor:
    return (maps * inside).sum(dim=(-2, -1)) / (maps * everywhere).sum(dim=(-2, -1))


def _constant(low: Tensor, high: Tensor) -> Tensor:
    return ~(high - low > _RELATIVE * torch.maximum(low.abs(), high.abs()))


@lru_cache(maxsize=16)
def _weights(pixels: int, cells: int) -> Tensor:
    """pixels×cells float64: each pixel as a weighted mean of patches, by torch's own interpolation."""
    unit = torch.eye(cells, dtype=torch.float64)[None]
    return F.interpolate(unit, size=pixels, mode="linear", align_corners=False)[0].T.contiguous()


@lru_cache(maxsize=16)
def _outermost(pixels: int, cells: int) -> list[int]:
    """First and last pixel between every two neighbouring patch centres.

    Between them the interpolation is linear, so nothing is larger or smaller than at these two.
    """
    cell = [int(max((pixel + 0.5) * cells / pixels - 0.5, 0)) for pixel in range(pixels)]
    edges = {0, pixels - 1}
    for pixel in range(1, pixels):
        if cell[pixel] != cell[pixel - 1]:
            edges |= {pixel - 1, pixel}
    return sorted(edges)
