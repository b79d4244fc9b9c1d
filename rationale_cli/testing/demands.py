"""What the suites share: demands with a message, random inputs, and comparisons within rounding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..contracts import VisionLanguageModel
from ..toolkit.modes import evaluation as evaluation

ROUNDING = 1e-4
"""Largest difference, as a share of the largest value, that batching may make."""


def demand(holds: bool, asked: str) -> None:
    """Raise ``AssertionError`` with what the contract asks; not switched off by ``python -O``."""
    if not holds:
        raise AssertionError(asked)


def pictures(model: VisionLanguageModel, count: int, seed: int = 0) -> Tensor:
    """``count``×3×S×S normal noise of the model's input size, on the model's device."""
    size = model.preprocessing.size
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, size, size, generator=generator).to(model.logit_scale.device)


def close(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors agree within rounding."""
    if one.shape != other.shape:
        return False
    scale = max(float(other.detach().abs().max()), 1e-12) if other.numel() else 1.0
    return bool(((one - other).detach().abs() <= ROUNDING * scale).all())


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter."""
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def listed(names: set[str]) -> str:
    """A few names of many, for a message."""
    some = ", ".join(sorted(names)[:5])
    return some + (f" and {len(names) - 5} more" if len(names) > 5 else "")
