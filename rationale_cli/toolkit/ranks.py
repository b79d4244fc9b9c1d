"""Ranks and rank correlation of rows, with equal values at their mean rank. Shapes: B rows of N values."""

from __future__ import annotations

import torch
from torch import Tensor


def ends(values: Tensor) -> Tensor:
    """For each of the sorted values B×N the place of the last one that equals it."""
    places = torch.arange(values.shape[1], device=values.device).expand_as(values)
    last = torch.ones_like(values, dtype=torch.bool)
    last[:, :-1] = values[:, 1:] != values[:, :-1]
    far = torch.where(last, places, values.shape[1])
    return far.flip(1).cummin(dim=1).values.flip(1)


def ranks(values: Tensor) -> Tensor:
    """B×N → B×N float64, counted from 0."""
    ordered, order = values.sort(dim=1, stable=True)
    first = values.shape[1] - 1 - ends(ordered.flip(1)).flip(1)
    mean = (first + ends(ordered)).double() / 2
    return torch.empty_like(mean).scatter_(1, order, mean)


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's correlation of the rows, B float64; NaN where a row is constant."""
    first, second = (rows.double() - rows.double().mean(dim=1, keepdim=True) for rows in (one, other))
    scale = first.norm(dim=1) * second.norm(dim=1)
    return torch.where(scale > 0, (first * second).sum(dim=1) / scale, torch.nan)


def rank_correlation(one: Tensor, other: Tensor) -> Tensor:
    """Spearman's correlation of the rows, B float64; NaN where a row is constant."""
    return correlation(ranks(one), ranks(other))
