"""Weights between those of two classifiers, as in WiSE-FT."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def between(start: Mapping[str, Tensor], end: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """(1 − alpha)·start + alpha·end for tensors of the same names and shapes; exact at 0 and at 1."""
    return {name: torch.lerp(start[name].to(tensor), tensor, alpha) for name, tensor in end.items()}


def kept(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies: a delta may share its memory with the parameters that it was taken from."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
