"""LAVIS's vision transformer and text encoder with fused attention.

Their own code multiplies the attention out. ``torch.nn.functional.scaled_dot_product_attention`` computes
the same faster and in less memory, and attributions record that function (``rationale_cli.toolkit``).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


def fuse(tower: nn.Module, attention: type) -> None:
    """Replace the forward of every module of this class (LAVIS's ``vit.Attention``) in a tower.

    Bound methods, so that a deep copy of the tower attends with its own weights.
    """
    _replace(tower, attention, _fused)


def fuse_text(encoder: nn.Module, attention: type) -> None:
    """The same of a text encoder and LAVIS's ``med.BertSelfAttention``, which reads pictures, too."""
    _replace(encoder, attention, _fused_text)


def _replace(parent: nn.Module, attention: type, forward: Callable[..., Any]) -> None:
    for module in parent.modules():
        if isinstance(module, attention):
            loaded: Any = module
            loaded.forward = MethodType(forward, module)


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


def _fused_text(  # noqa: PLR0913 (the signature is LAVIS's)
    self: Any,
    hidden_states: Tensor,
    attention_mask: Tensor | None = None,
    head_mask: Tensor | None = None,
    encoder_hidden_states: Tensor | None = None,
    encoder_attention_mask: Tensor | None = None,
    past_key_value: Any = None,
    output_attentions: bool = False,
) -> Any:
    """N×L×W → N×L×W with keys and values, as LAVIS's ``BertSelfAttention.forward``.

    Its own where it is to tell or keep the attention, or has heads, positions or a past to mind.
    """
    special = output_attentions or self.save_attention or self.position_embedding_type != "absolute"
    if special or head_mask is not None or past_key_value is not None:
        return type(self).forward(
            self,
            hidden_states,
            attention_mask,
            head_mask,
            encoder_hidden_states,
            encoder_attention_mask,
            past_key_value,
            output_attentions,
        )
    read, mask = hidden_states, attention_mask
    if encoder_hidden_states is not None:
        read, mask = encoder_hidden_states, encoder_attention_mask
    query, key, value = (
        self.transpose_for_scores(layer(tokens))
        for layer, tokens in ((self.query, hidden_states), (self.key, read), (self.value, read))
    )
    dropout = self.dropout.p if self.training else 0.0
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    return mixed.transpose(1, 2).flatten(2), (key, value)
