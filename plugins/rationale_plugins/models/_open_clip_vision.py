"""The image tower of CLIP in open_clip, block by block.

Shapes: B pictures, S pixels, T tokens (CLS first, patches last), R of them, D joint embedding, W width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

from rationale_cli.toolkit.deep_prompts import Before, as_they_are

from ._prompts import given

_QUICK = 1.702
"""The factor in QuickGELU."""


def is_plain(visual: nn.Module) -> bool:
    """Whether the tower is CLIP's own: plain blocks, and features that are the last CLS token projected."""
    return (
        isinstance(visual, VisionTransformer)
        and visual.pool_type == "tok"
        and visual.attn_pool is None
        and visual.proj is not None
        and not visual.output_tokens
        and not visual.transformer.grad_checkpointing
        and all(type(block) is ResidualAttentionBlock for block in visual.transformer.resblocks)
    )


def encode(visual: VisionTransformer, images: Tensor, before: Before = as_they_are) -> Tensor:
    """The same as ``visual(images)`` for a plain tower, B×3×S×S → B×D, in less time.

    In the last block only the CLS token is computed, for the others are read by nothing. That saves most
    of a block in every forward and in the backward of an explanation. ``before`` each block the tokens may
    change, those of the first before the norm that precedes it.
    """
    with given([visual.ln_pre], before):
        tokens = visual._embeds(images)
    *blocks, last = visual.transformer.resblocks
    for index, block in enumerate(blocks):
        tokens = _run(block, before(index, tokens) if index else tokens, slice(None))
    tokens = before(len(blocks), tokens) if blocks else tokens
    pooled, _ = visual._pool(_run(last, tokens, slice(0, 1)))
    return torch.as_tensor(pooled @ visual.proj)


def _run(block: ResidualAttentionBlock, tokens: Tensor, rows: slice) -> Tensor:
    """A block's output for some of its tokens, B×T×W → B×R×W."""
    normed = block.ln_1(tokens)
    tokens = tokens[:, rows] + block.ls_1(_attend(block.attn, normed, rows))
    return torch.as_tensor(tokens + block.ls_2(_transform(block.mlp, block.ln_2(tokens))))


def _transform(mlp: nn.Sequential, tokens: Tensor) -> Tensor:
    """The same as ``mlp(tokens)``, B×R×W.

    QuickGELU x·σ(1.702·x) is silu(1.702·x)/1.702: fewer operations for the backward, which keeps half as
    much. Both factors are applied where tokens are W wide, before and after the two layers, not 4W between.
    """
    widen, activation, narrow = mlp
    if not isinstance(activation, QuickGELU):
        return torch.as_tensor(mlp(tokens))
    if not type(widen) is type(narrow) is nn.Linear:
        return torch.as_tensor(narrow(F.silu(widen(tokens) * _QUICK) / _QUICK))
    hidden = F.silu(F.linear(tokens * _QUICK, widen.weight, widen.bias * _QUICK))
    return F.linear(hidden, narrow.weight, narrow.bias * _QUICK) / _QUICK


def _attend(attention: nn.MultiheadAttention, tokens: Tensor, rows: slice) -> Tensor:
    """The same as ``attention(tokens[:, rows], tokens, tokens)``, B×T×W → B×R×W.

    ``nn.MultiheadAttention`` wants tokens before pictures where gradients are asked for, and then computes
    the projection in as many small products as there are tokens: half as fast, forward and backward.
    """
    width, weight, bias = attention.embed_dim, attention.in_proj_weight, attention.in_proj_bias
    if rows == slice(None):
        query, key, value = F.linear(tokens, weight, bias).chunk(3, dim=-1)
    else:
        query = F.linear(tokens[:, rows], weight[:width], bias[:width])
        key, value = F.linear(tokens, weight[width:], bias[width:]).chunk(2, dim=-1)
    query, key, value = (
        part.view(*part.shape[:2], attention.num_heads, -1).transpose(1, 2) for part in (query, key, value)
    )
    mixed = F.scaled_dot_product_attention(query, key, value)
    return torch.as_tensor(attention.out_proj(mixed.transpose(1, 2).flatten(2)))
