"""Repositories of the hub made here: small random models of transformers with all the files of real ones."""

from __future__ import annotations

import json

import torch
from open_clip.tokenizer import SimpleTokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipModel,
)

WORDS = [
    "<pad>",
    "</s>",
    "<unk>",
    "a",
    "photo",
    "of",
    "cat",
    "dog",
    "very",
    "small",
    "red",
    "car",
    "in",
    "the",
]
WORDS += ["rain", "word"]
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
VISION = {**SIZES, "num_hidden_layers": 2, "patch_size": 8}
PICTURES = {"do_resize": True, "resample": 3, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}


def words():
    """A tokenizer of a few words that ends each text as SigLIP's does."""
    backend = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, "<unk>"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", WORDS.index("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def byte_pairs():
    """CLIP's own, from the vocabulary that comes with open_clip."""
    simple = SimpleTokenizer()
    ends = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {ends.get(token, token): number for token, number in simple.encoder.items()}
    return CLIPTokenizer(vocab=vocabulary, merges=list(simple.bpe_ranks))


def letters():
    """SigLIP 2's kind of tokenizer with letters and the word "a" alone."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *"abcdefghijklmnopqrstuvwxyz", "▁a"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return Siglip2Tokenizer(vocab=vocabulary, merges=[("▁", "a")])


def clip(folder, **text):
    torch.manual_seed(0)
    config = CLIPConfig(
        projection_dim=8,
        vision_config={**VISION, "image_size": 32},
        text_config={
            **SIZES,
            "num_hidden_layers": 1,
            "vocab_size": 49408,
            "max_position_embeddings": 20,
            "bos_token_id": 49406,
            "eos_token_id": 49407,
            **text,
        },
    )
    pictures = {**PICTURES, "do_center_crop": True, "crop_size": 32, "size": {"shortest_edge": 36}}
    return saved(CLIPModel(config), byte_pairs(), pictures, folder)


def siglip(folder):
    torch.manual_seed(0)
    text = {**SIZES, "num_hidden_layers": 1, "vocab_size": len(WORDS), "max_position_embeddings": 16}
    tokens = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    config = SiglipConfig(
        vision_config={**VISION, "image_size": 32},
        text_config={**text, **tokens, "projection_size": 16},
    )
    pictures = {**PICTURES, "resample": 2, "size": {"height": 32, "width": 32}}
    return saved(SiglipModel(config), words(), pictures, folder)


def naflex(folder):
    torch.manual_seed(0)
    text = {**SIZES, "num_hidden_layers": 1, "vocab_size": 33, "max_position_embeddings": 64}
    tokens = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    config = Siglip2Config(
        vision_config={**VISION, "num_patches": 16},
        text_config={**text, **tokens, "projection_size": 16},
    )
    pictures = {**PICTURES, "max_num_patches": 16, "patch_size": 8}
    return saved(Siglip2Model(config), letters(), pictures, folder)


def saved(model, tokenizer, pictures, folder):
    with torch.no_grad():
        # Their initial values make towers that are nearly constant.
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    return model.eval()


FAMILIES = {"clip": clip, "siglip": siglip, "siglip2": naflex}
