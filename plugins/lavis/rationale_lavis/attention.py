"""LAVIS's vision transformer with fused attention.

Its own code multiplies the attention out. ``torch.nn.functional.scaled_dot_product_attention`` computes
the same faster and in less memory, and attributions record that function (``rationale_cli.toolkit``).
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


def fuse(tower: nn.Module, attention: type) -> None:
    """Replace the forward of every module of this class (LAVIS's ``vit.Attention``) in a tower.

    Bound methods, so that a deep copy of the tower attends with its own weights.
    """
    for module in tower.modules():
        if isinstance(module, attention):
            loaded: Any = module
            loaded.forward = MethodType(_fused, module)


def _fused(self: Any, x: Tensor, register_hook: bool = False) -> Tensor:
    """B×T×W → B×T×W, the same as LAVIS's ``Attention.forward``; its own where it is to keep the attention."""
    if register_hook:
        eager: Tensor = type(self).forward(self, x, register_hook)
        return eager
    batch, tokens, width = x.shape
    joint = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, width // self.num_heads)
    query, key, value = joint.permute(2, 0, 3, 1, 4)
    dropout = self.attn_drop.p if self.training else 0.0
    mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=self.scale)
    attended: Tensor = self.proj_drop(self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width)))
    return attended
