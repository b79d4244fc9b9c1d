"""CLIP's tensors by open_clip's names and by those of transformers, from one to the other.

transformers keeps queries, keys and values apart where open_clip packs them, and projections transposed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_BLOCKS = (
    ("vision_model.encoder.layers.", "visual.transformer.resblocks."),
    ("text_model.encoder.layers.", "transformer.resblocks."),
)
_ALONE = (
    ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
    ("vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
    ("vision_model.pre_layrnorm.", "visual.ln_pre."),
    ("vision_model.post_layernorm.", "visual.ln_post."),
    ("visual_projection.weight", "visual.proj"),
    ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.final_layer_norm.", "ln_final."),
    ("text_projection.weight", "text_projection"),
    ("logit_scale", "logit_scale"),
)
_STARTS = (*_BLOCKS, *_ALONE)
"""How a name begins in transformers, and in open_clip."""
_INNER = (
    ("self_attn.out_proj.", "attn.out_proj."),
    ("layer_norm1.", "ln_1."),
    ("layer_norm2.", "ln_2."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
)
"""The same within a block."""
_TRANSPOSED = ("visual_projection.weight", "text_projection.weight", "visual.proj", "text_projection")
_SINGLE = re.compile(r"(.*resblocks\.\d+\.)self_attn\.([qkv])_proj\.(weight|bias)")
_PACKED = re.compile(r"(.*encoder\.layers\.\d+\.)attn\.in_proj_(weight|bias)")


def as_open_clip(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Tensors of transformers' CLIP by open_clip's names; others as they are.

    Of packed weights all three parts must be there.
    """
    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    given = _from_the_towers(tensors, "vision_model.", "text_model.")
    if given is None:
        return tensors
    for name, tensor in given.items():
        new = _renamed(name, 0)
        single = _SINGLE.fullmatch(new)
        if single:
            parts.setdefault(f"{single[1]}attn.in_proj_{single[3]}", {})[single[2]] = tensor
        else:
            found[new] = tensor.T if name in _TRANSPOSED else tensor
    packed = {name: torch.cat([of[one] for one in "qkv"]) for name, of in parts.items() if len(of) == 3}
    return found | packed


def as_transformers(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Tensors of open_clip's CLIP by the names of transformers; others as they are."""
    given = _from_the_towers(tensors, "visual.", "transformer.resblocks.")
    if given is None:
        return tensors
    found: dict[str, Tensor] = {}
    for name, tensor in given.items():
        new = _renamed(name, 1)
        packed = _PACKED.fullmatch(new)
        if packed:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{packed[1]}self_attn.{letter}_proj.{packed[2]}"] = part
        else:
            found[new] = tensor.T if name in _TRANSPOSED else tensor
    return found


def _from_the_towers(tensors: Mapping[str, Tensor], *towers: str) -> dict[str, Tensor] | None:
    """Without what stands before all names; None where neither tower is there."""
    starts = [re.search(rf"(^|\.)({re.escape(tower)})", name) for tower in towers for name in tensors]
    places = [one.string[: one.start(2)] for one in starts if one is not None]
    if not places:
        return None
    before = min(places, key=len)
    return {name.removeprefix(before): one for name, one in tensors.items()}


def _renamed(name: str, side: int) -> str:
    """From one side of the tables to the other: 0 from transformers, 1 from open_clip."""
    for start in _STARTS:
        if name.startswith(start[side]):
            name = start[1 - side] + name.removeprefix(start[side])
            break
    for inner in _INNER:
        name = name.replace(f".{inner[side]}", f".{inner[1 - side]}")
    return name
