"""LAVIS's models by their constructors: its ``load_model`` fetches three files before the weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .attention import fuse, fuse_text
from .compatibility import Lavis, lavis, quiet
from .vocabulary import albef_tokenizer, bert_words, blip_tokenizer


@dataclass(frozen=True)
class Shape:
    """Sizes of a model; the defaults are those of the published ones."""

    image: int = 224
    """Side of the input in pixels."""
    patch: int = 16
    width: int = 768
    """Width of the image tower's tokens."""
    depth: int = 12
    heads: int = 12
    embedding: int = 256
    """Width of the joint space."""
    text: Mapping[str, Any] = field(default_factory=dict)
    """What differs from LAVIS's own configuration of the text encoder."""
    words: Sequence[str] | None = None
    """Vocabulary without BLIP's two tokens; None for that of bert-base-uncased."""


def build_albef(shape: Shape, longest: int) -> nn.Module:
    """LAVIS's ``AlbefFeatureExtractor`` with a matching head and without the head for masked words.

    ``longest``: tokens of a text. Random weights. Raises as ``compatibility.lavis`` does.
    """
    parts = lavis()
    with quiet():
        text: Any = parts.bert.BertForMaskedLM(_configuration(parts, "med_config_albef.json", shape))
    # A quarter of the text encoder, and nothing here asks for words.
    del text.cls
    words = shape.words or bert_words()
    kind = _offline(parts.albef.AlbefFeatureExtractor, lambda: albef_tokenizer(words))
    return _assembled(kind, parts, shape, text, longest)


def build_blip(shape: Shape, longest: int) -> nn.Module:
    """LAVIS's ``BlipFeatureExtractor`` with a matching head. Else as ``build_albef``."""
    parts = lavis()
    configuration = _configuration(parts, "med_config.json", shape)
    text = parts.bert.XBertEncoder(configuration, add_pooling_layer=False)
    words = shape.words or bert_words()
    kind = _offline(parts.blip.BlipFeatureExtractor, lambda: blip_tokenizer(words))
    return _assembled(kind, parts, shape, text, longest)


def _configuration(parts: Lavis, name: str, shape: Shape) -> Any:
    own = json.loads((parts.folder / "configs" / "models" / name).read_text(encoding="utf-8"))
    return parts.bert.BertConfig(**(own | dict(shape.text)))


def _offline(kind: Any, tokenizer: Callable[[], Any]) -> Any:
    """LAVIS's class, except that its tokeniser asks no hub."""
    return type(kind.__name__, (kind,), {"init_tokenizer": classmethod(lambda cls: tokenizer())})


def _assembled(kind: Any, parts: Lavis, shape: Shape, text: Any, longest: int) -> nn.Module:
    tower = parts.vision.VisionTransformerEncoder(
        img_size=shape.image,
        patch_size=shape.patch,
        embed_dim=shape.width,
        depth=shape.depth,
        num_heads=shape.heads,
    )
    tower.vision_width = shape.width
    fuse(tower, parts.vision.Attention)
    fuse_text(text, parts.bert.BertSelfAttention)
    model: nn.Module = kind(tower, text, shape.embedding, longest)
    model.itm_head = nn.Linear(text.config.hidden_size, 2)
    for module in text.modules():
        if isinstance(module, parts.bert.BertEmbeddings):
            # Numbers from 0 on: not weights, and not in every file of weights.
            module.register_buffer("position_ids", module.position_ids, persistent=False)
    return model
