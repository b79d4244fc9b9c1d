"""tiny-chat: a small generative model of the LLaVA architecture that needs no download.

As LLaVA is made: the image tower of a CLIP, here tiny-clip's with its weights, up to its last block but one;
a projector; and a language model, here two blocks of Llama, 64 wide, with random weights. It is there to be
tuned: as it comes it knows no word.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import ascii_lowercase, digits
from typing import Any, ClassVar

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from rationale_cli.contracts import PluginOptions
from rationale_cli.toolkit.weights import load, locate, read_tensors

from ._chat import ChatModel
from ._tiny_towers import HEADS, IMAGE_SIZE, PATCH, WIDTH, ImageTower
from ._words import WORDS
from .tiny_clip import SHIPPED

LANGUAGE_WIDTH, CONTEXT = 64, 256
_PAD, _UNKNOWN, _START, _END, _IMAGE = _SPECIAL = ("[PAD]", "[UNK]", "[START]", "[END]", "[IMAGE]")
_SIGNS = ascii_lowercase + digits
_ASKING = (
    *("what", "which", "is", "are", "will", "would", "does", "any", "if", "when", "this", "that", "it", "to"),
    *("answer", "one", "these", "letter", "alone", "or", "user", "assistant", "yes", "no", "not"),
    *("block", "blocks", "tower", "red", "fall", "falls", "stay", "stays", "stable", "unstable", "removed"),
)
PIECES: tuple[str, ...] = (
    *_SPECIAL,
    *_SIGNS,
    *(f"##{sign}" for sign in _SIGNS),
    *"-_'.,:;!?()/&+",
    *(word for word in (*WORDS, *_ASKING) if len(word) > 1),
)
"""The vocabulary; its order is part of the weights. What is no known word is spelled."""
_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}" + _IMAGE + "{% else %}{{ part['text'] }}{% endif %} {% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


class TinyChatOptions(PluginOptions):
    """Options of tiny-chat."""

    weights: str = "default"
    """``default`` (those of tiny-clip in the image tower, else random), ``none`` (all random, from the run's
    seed) or a safetensors file."""
    question: str | None = None
    """What is asked about each picture; by default what the dataset's task asks."""


class TinyChat(ChatModel):
    """A generative model small enough to tune on a laptop in minutes."""

    Options = TinyChatOptions
    recommended: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ft": {"method.lr": 1e-3, "train.epochs": 10, "train.batch_size": 64},
        "lora": {"method.lr": 3e-3, "train.epochs": 10, "train.batch_size": 32},
        "lp": {"method.lr": 1e-3, "train.epochs": 20, "train.batch_size": 64},
    }
    """Rates that suit a model of this size whose weights are random."""

    def __init__(self, options: TinyChatOptions) -> None:
        model = LlavaForConditionalGeneration._from_config(
            _config(), attn_implementation="sdpa", dtype=torch.float32
        )
        tower = model.model.vision_tower = _Tower()
        super().__init__(model, _processor(), IMAGE_SIZE, options.question, "tiny-chat")
        self.weights_files: tuple[Path, ...] = (SHIPPED,)
        if options.weights == "default":
            tensors = read_tensors(SHIPPED)
            own = {name: one for name, one in tensors.items() if name.startswith("image.")}
            load(tower, own, where=str(SHIPPED))
            return
        self.weights_files = locate(options.weights, {}, "tiny-chat")
        if self.weights_files:
            load(self, read_tensors(self.weights_files), where=str(self.weights_files[0]))


class _Tower(nn.Module):
    """tiny-clip's image tower as LLaVA asks a vision tower: the tokens before each block."""

    def __init__(self) -> None:
        super().__init__()
        self.image = ImageTower()

    def forward(self, pixel_values: Tensor, **_: object) -> BaseModelOutputWithPooling:
        """B×3×64×64 → states B×65×128, CLS first; the last are those that the last block reads."""
        states: list[Tensor] = []

        def seen(index: int, tokens: Tensor) -> Tensor:
            states.append(tokens)
            return tokens

        self.image(pixel_values, seen)
        return BaseModelOutputWithPooling(last_hidden_state=states[-1], hidden_states=tuple(states))


def _config() -> LlavaConfig:
    return LlavaConfig(
        # Of the tower that is exchanged only the width matters.
        vision_config={
            "model_type": "clip_vision_model",
            "hidden_size": WIDTH,
            "num_attention_heads": HEADS,
            "num_hidden_layers": 1,
        },
        text_config={
            "model_type": "llama",
            "hidden_size": LANGUAGE_WIDTH,
            "intermediate_size": 2 * LANGUAGE_WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": len(PIECES),
            "max_position_embeddings": CONTEXT,
            # By the width: with that of large models, no token could become likely.
            "initializer_range": LANGUAGE_WIDTH**-0.5,
            "pad_token_id": PIECES.index(_PAD),
            "bos_token_id": PIECES.index(_START),
            "eos_token_id": PIECES.index(_END),
        },
        image_token_index=PIECES.index(_IMAGE),
        vision_feature_layer=-1,
    )


def _processor() -> LlavaProcessor:
    backend = Tokenizer(
        models.WordPiece({piece: place for place, piece in enumerate(PIECES)}, unk_token=_UNKNOWN)
    )
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=_PAD,
        unk_token=_UNKNOWN,
        bos_token=_START,
        eos_token=_END,
        extra_special_tokens=[_IMAGE],
    )
    pictures = CLIPImageProcessor(
        size={"shortest_edge": IMAGE_SIZE},
        crop_size=IMAGE_SIZE,
        resample=2,
        image_mean=(0.5, 0.5, 0.5),
        image_std=(0.25, 0.25, 0.25),
    )
    return LlavaProcessor(
        pictures,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        chat_template=_TEMPLATE,
        image_token=_IMAGE,
        num_additional_image_tokens=1,
    )
