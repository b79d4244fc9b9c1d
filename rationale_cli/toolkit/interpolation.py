"""Weights between those of two classifiers, as in WiSE-FT."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import InputError


def between(start: Mapping[str, Tensor], end: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """(1 − alpha)·start + alpha·end for tensors of the same names and shapes; exact at 0 and at 1."""
    return {name: torch.lerp(start[name].to(tensor), tensor, alpha) for name, tensor in end.items()}


def kept(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies: a delta may share its memory with the parameters that it was taken from."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def averaged_already(alpha: float | str) -> InputError:
    """What to raise where weights between zero-shot and a run are asked for that is such a mean itself."""
    return InputError(
        f"Expected fine-tuned weights but those of a run with method.alpha={alpha} are averaged already.",
        next_step="tune with --set method.alpha=1",
    )
