"""Where a heatmap lies beside the object's mask, by measures other than RMA.

Shapes: B pictures, h×w patch grid, S×S pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .heatmaps import upsample
from .ranks import ends

_TOLERANCE = 15 / 224
"""How far beside the object the pointing game's point may lie, as a share of the picture's side (Zhang et al.
2018: 15 of 224 pixels)."""


class Localisation(NamedTuple):
    """B values each, float64; NaN where the mask is empty or the whole picture, or the heatmap constant."""

    pointing: Tensor
    """1 where the largest value lies on the object or within 15/224 of the side beside it, else 0."""
    iou: Tensor
    """Intersection over union of the mask and as many of the most relevant pixels as it has."""
    auroc: Tensor
    """Probability that a pixel of the object is more relevant than one outside, ties by half."""
    average_precision: Tensor


def localise(relevance: Tensor, masks: Tensor) -> Localisation:
    """relevance B×h×w, masks B×S×S (any value above 0 is object)."""
    heat = upsample(relevance, (masks.shape[1], masks.shape[2])).flatten(1).double()
    inside = (masks > 0).flatten(1)
    size = inside.sum(dim=1)
    known = (size > 0) & (size < inside.shape[1]) & (heat.amax(dim=1) > heat.amin(dim=1))
    values, order = heat.sort(dim=1, descending=True, stable=True)
    hits = inside.gather(1, order).double().cumsum(dim=1)
    last = ends(values)
    found = (
        _pointing(heat, masks),
        _overlap(hits, size),
        *_ranked(inside.gather(1, order), hits, last, size),
    )
    return Localisation(*(torch.where(known, one, torch.nan) for one in found))


def _pointing(heat: Tensor, masks: Tensor) -> Tensor:
    height, width = masks.shape[1:]
    top = heat.argmax(dim=1)
    down = torch.arange(height, device=masks.device)[None] - (top // width)[:, None]
    across = torch.arange(width, device=masks.device)[None] - (top % width)[:, None]
    near = down[:, :, None] ** 2 + across[:, None, :] ** 2 <= (_TOLERANCE * width) ** 2
    return (near & (masks > 0)).flatten(1).any(dim=1).double()


def _overlap(hits: Tensor, size: Tensor) -> Tensor:
    shared = hits.gather(1, (size - 1).clamp(min=0)[:, None]).squeeze(1)
    return shared / (2 * size - shared)


def _ranked(inside: Tensor, hits: Tensor, last: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Area under the ROC curve and average precision; equal values count as one step."""
    hits = hits.gather(1, last)
    false = (last + 1).double() - hits
    positives, negatives = size.double(), inside.shape[1] - size.double()
    precision = hits / (last + 1)
    average = (precision * inside).sum(dim=1) / positives
    # Both curves by their points at the ends of equal values; points inside add nothing.
    zero = torch.zeros_like(hits[:, :1])
    across = torch.cat((zero, false), dim=1) / negatives[:, None]
    up = torch.cat((zero, hits), dim=1) / positives[:, None]
    return torch.trapezoid(up, across, dim=1), average
