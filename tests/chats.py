"""Folders of generative models of transformers made here: small random ones, all files as real ones."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

TEXTS = [
    "What is in the picture? Answer with one of these: cat, dog.",
    "yes no Yes No",
    "Will any block fall?",
]
TEXTS += ["User: Assistant: cat dog Cat Dog red blue", "a photo of a very small red car in the rain"]
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
LANGUAGE = {
    **SIZES,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}
PICTURES = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}
SIDE = 32
"""Pixels of a picture."""
GRID = 4
"""Rows and columns of its tokens."""

_TURNS = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}PICTURE{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


def tokenizer(*special, **named):
    """Byte pairs of a few sentences: any text has tokens, and a word others after a blank than without."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    ends = ["<pad>", "<end>", *special, *named.values()]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=ends, initial_alphabet=sorted(alphabet), show_progress=False
    )
    backend.train_from_iterator(TEXTS * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        eos_token="<end>",
        extra_special_tokens=named or list(special),
    )


def llava(folder):
    """A picture of 4×4 patches is 16 tokens."""
    tokens = tokenizer("<image>")
    config = LlavaConfig(
        vision_config={**SIZES, "model_type": "clip_vision_model", "patch_size": 8, "image_size": SIDE},
        text_config={**LANGUAGE, "model_type": "llama", "vocab_size": len(tokens)},
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
    )
    pictures = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=SIDE, **PICTURES)
    processor = LlavaProcessor(
        pictures,
        tokens,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=_TURNS.replace("PICTURE", "<image>\n"),
        num_additional_image_tokens=1,
    )
    return saved(LlavaForConditionalGeneration, config, processor, folder)


def qwen(folder):
    """A picture of 8×8 patches is 4×4 tokens."""
    names = ("<|vision_start|>", "<|image_pad|>", "<|video_pad|>", "<|vision_end|>")
    tokens = tokenizer(*names)
    start, image, video, end = tokens.convert_tokens_to_ids(list(names))
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 4,
            "window_size": 16,
            "fullatt_block_indexes": [1],
        },
        text_config={
            **LANGUAGE,
            "vocab_size": len(tokens),
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
        },
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    patches = {"patch_size": 4, "size": {"shortest_edge": 64, "longest_edge": 4096}}
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**patches, **PICTURES),
        tokens,
        Qwen2VLVideoProcessor(**patches),
        chat_template=_TURNS.replace("PICTURE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return saved(Qwen2_5_VLForConditionalGeneration, config, processor, folder)


def idefics(folder):
    """A picture of 8×8 patches is 4×4 tokens by a pixel shuffle."""
    tokens = tokenizer("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    config = Idefics3Config(
        vision_config={**SIZES, "patch_size": 4, "image_size": SIDE},
        text_config={**LANGUAGE, "model_type": "llama", "vocab_size": len(tokens)},
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    pictures = Idefics3ImageProcessor(
        size={"longest_edge": 4 * SIDE}, max_image_size={"longest_edge": SIDE}, **PICTURES
    )
    processor = Idefics3Processor(
        pictures, tokens, image_seq_len=GRID**2, chat_template=_TURNS.replace("PICTURE", "<image>")
    )
    return saved(Idefics3ForConditionalGeneration, config, processor, folder)


def saved(kind, config, processor, folder):
    torch.manual_seed(0)
    model = kind._from_config(config, dtype=torch.float32)
    with torch.no_grad():
        # Their initial values make towers that are nearly constant.
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return model.eval()


FAMILIES = {"llava": llava, "qwen": qwen, "idefics": idefics}
