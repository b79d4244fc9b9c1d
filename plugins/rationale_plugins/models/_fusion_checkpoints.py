"""Layouts of checkpoints of ALBEF and BLIP, and their way to the names of the native models.

Everything that is dropped is listed here; what else a file holds reaches the strict comparison.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_POSITIONS = "visual_encoder.pos_embed"
_SURPLUS = (
    # Momentum copies of the towers and projections.
    r"(visual_encoder|text_encoder|vision_proj|text_proj)_m\.",
    # Queues of negatives in pre-training and retrieval.
    r"(image_queue|text_queue|idx_queue|queue_ptr|ptr_queue)$",
    # Numbers 0, 1, 2, … that older versions of transformers stored.
    r"text_encoder\.(bert\.)?embeddings\.position_ids$",
    r"vision_model\.embeddings\.position_ids$",
)
_WORDS_BACK = r"text_encoder\.cls\."
"""The head of masked-language modelling, in ALBEF's pre-training."""
_DECODER = r"text_decoder(_m)?\."
"""BLIP's captioner."""
_KINDS = r"text_encoder\.embeddings\.token_type_embeddings\."
"""BERT's table of token types."""

_FROM_TRANSFORMERS = (
    (r"^vision_model\.embeddings\.class_embedding$", "visual_encoder.cls_token"),
    (r"^vision_model\.embeddings\.position_embedding$", _POSITIONS),
    (r"^vision_model\.embeddings\.patch_embedding\.", "visual_encoder.patch_embed.proj."),
    (r"^vision_model\.post_layernorm\.", "visual_encoder.norm."),
    (
        r"^vision_model\.encoder\.layers\.(\d+)\.self_attn\.projection\.",
        r"visual_encoder.blocks.\1.attn.proj.",
    ),
    (r"^vision_model\.encoder\.layers\.(\d+)\.self_attn\.", r"visual_encoder.blocks.\1.attn."),
    (r"^vision_model\.encoder\.layers\.(\d+)\.layer_norm([12])\.", r"visual_encoder.blocks.\1.norm\2."),
    (r"^vision_model\.encoder\.layers\.(\d+)\.mlp\.", r"visual_encoder.blocks.\1.mlp."),
)
"""The image tower of transformers' ``BlipForImageTextRetrieval``; its other names are the original ones."""


@dataclass(frozen=True)
class Reader:
    """Which parts of a checkpoint a model has no use for."""

    surplus: tuple[str, ...]
    """Patterns of names, matched from the beginning, after ``text_encoder.bert.`` lost its ``bert.``."""

    def without(self, *more: str) -> Reader:
        """A reader that drops these too."""
        return Reader((*self.surplus, *more))

    def mapped(self, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of a file → tensors under the names of a model whose tensors are ``own``.

        transformers' layout has no temperature: there the model keeps its own, 0.07.
        """
        foreign = any(name.startswith("vision_model.") for name in tensors)
        named = {_native(name): tensor for name, tensor in tensors.items() if not self._drops(name)}
        if foreign and "temp" in own:
            named.setdefault("temp", own["temp"])
        if _POSITIONS in named and _POSITIONS in own:
            named[_POSITIONS] = resampled(named[_POSITIONS], own[_POSITIONS].shape[1])
        return named

    def _drops(self, name: str) -> bool:
        return any(re.match(pattern, _native(name)) for pattern in self.surplus)


ALBEF = Reader((*_SURPLUS, _WORDS_BACK))
"""``ALBEF.pth`` (names ``text_encoder.bert.*``) and checkpoints fine-tuned from it (``text_encoder.*``)."""
ALBEF_WITHOUT_TOKEN_TYPES = ALBEF.without(_KINDS)
"""As LAVIS reads them."""
BLIP = Reader((*_SURPLUS, _DECODER))
"""``model_base*.pth``, checkpoints of retrieval, and transformers' ``BlipForImageTextRetrieval``."""


def resampled(positions: Tensor, count: int) -> Tensor:
    """Position embeddings 1×(1+h²)×W → 1×``count``×W: the grid bicubically, CLS as it is.

    What is no square grid is given back as it is.
    """
    before, after = round((positions.shape[1] - 1) ** 0.5), round((count - 1) ** 0.5)
    square = positions.shape[1] == 1 + before**2 and count == 1 + after**2
    if before == after or not square or positions.ndim != 3:
        return positions
    start, grid = positions[:, :1].float(), positions[:, 1:].float()
    planes = grid.reshape(1, before, before, -1).permute(0, 3, 1, 2)
    planes = F.interpolate(planes, size=(after, after), mode="bicubic", align_corners=False)
    return torch.cat([start, planes.flatten(2).transpose(1, 2)], dim=1)


def _native(name: str) -> str:
    if name.startswith("text_encoder.bert."):
        return "text_encoder." + name.removeprefix("text_encoder.bert.")
    if name.startswith("vision_model."):
        for pattern, replacement in _FROM_TRANSFORMERS:
            name, changed = re.subn(pattern, replacement, name)
            if changed:
                break
    return name
