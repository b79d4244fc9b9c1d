"""One CLIP by open_clip and by transformers: the same numbers from the same random weights."""

from __future__ import annotations

import json

import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.tokenizer import SimpleTokenizer
from rationale_plugins.models.huggingface import HuggingFace
from rationale_plugins.models.open_clip import OpenClip
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPTokenizer

from rationale_cli.contracts import Specification
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier
from rationale_cli.toolkit.relevance import Rule, class_score, explain

TEXTS = ["a photo of a cat", "a photo of a very small red car", "dog"]
WIDTH, LAYERS, HEADS, TEXT_WIDTH, TEXT_LAYERS, CONTEXT, JOINT = 32, 4, 4, 16, 2, 20, 24
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def by_open_clip(quick_gelu):
    torch.manual_seed(0)
    vision = CLIPVisionCfg(layers=LAYERS, width=WIDTH, head_width=WIDTH // HEADS, patch_size=8, image_size=48)
    text = CLIPTextCfg(context_length=CONTEXT, width=TEXT_WIDTH, heads=2, layers=TEXT_LAYERS)
    clip = CLIP(JOINT, vision, text, quick_gelu=quick_gelu).eval()
    with torch.no_grad():
        for parameter in clip.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return clip


def renamed(state):
    """transformers' names of open_clip's tensors."""
    outside = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.ln_pre.": "vision_model.pre_layrnorm.",
        "visual.ln_post.": "vision_model.post_layernorm.",
        "visual.transformer.resblocks.": "vision_model.encoder.layers.",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "ln_final.": "text_model.final_layer_norm.",
        "transformer.resblocks.": "text_model.encoder.layers.",
    }
    inside = {
        "attn": "self_attn",
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "c_fc": "fc1",
        "c_proj": "fc2",
    }
    found = {"logit_scale": state["logit_scale"]}
    found["visual_projection.weight"] = state["visual.proj"].T
    found["text_projection.weight"] = state["text_projection"].T
    for name, tensor in state.items():
        for old, new in outside.items():
            if name.startswith(old):
                parts = [inside.get(part, part) for part in (new + name.removeprefix(old)).split(".")]
                whole = ".".join(parts)
                if "in_proj" in whole:
                    kind = whole.rpartition("_")[2]
                    for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                        found[whole.replace(f"in_proj_{kind}", f"{letter}_proj.{kind}")] = part
                else:
                    found[whole] = tensor
                break
    return {name: tensor.contiguous() for name, tensor in found.items()}


@pytest.fixture(params=["quick_gelu", "gelu"])
def pair(request, tmp_path):
    clip = by_open_clip(request.param == "quick_gelu")
    shared = {"hidden_act": request.param, "layer_norm_eps": 1e-5}
    config = CLIPConfig(
        projection_dim=JOINT,
        vision_config={
            **shared,
            "hidden_size": WIDTH,
            "intermediate_size": 4 * WIDTH,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "image_size": 48,
            "patch_size": 8,
        },
        text_config={
            **shared,
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 4 * TEXT_WIDTH,
            "num_hidden_layers": TEXT_LAYERS,
            "num_attention_heads": 2,
            "vocab_size": 49408,
            "max_position_embeddings": CONTEXT,
            "bos_token_id": 49406,
            "eos_token_id": 49407,
        },
    )
    config.save_pretrained(tmp_path)
    save_file(renamed(clip.state_dict()), tmp_path / "model.safetensors")
    simple = SimpleTokenizer()
    ends = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {ends.get(token, token): number for token, number in simple.encoder.items()}
    CLIPTokenizer(vocab=vocabulary, merges=list(simple.bpe_ranks)).save_pretrained(tmp_path)
    ours = OpenClip(clip)
    pictures = {"image_mean": ours.preprocessing.mean, "image_std": ours.preprocessing.std, "resample": 3}
    pictures |= {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**pictures, "do_center_crop": True}))
    return ours.eval(), HuggingFace(HuggingFace.Options(repository=str(tmp_path))).eval()


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(4, 3, 48, 48)


def text_classifier(model):
    with torch.no_grad():
        return TextClassifier(model, model.embed_texts(model.tokenize(TEXTS))).eval()


def linear_classifier(model):
    torch.manual_seed(3)
    return LinearClassifier(model, 3, JOINT).eval()


def test_geometry_and_scale(pair):
    ours, theirs = pair
    assert ours.preprocessing == theirs.preprocessing
    assert ours.patch_grid(48, 48) == theirs.patch_grid(48, 48) == (6, 6)
    assert torch.equal(ours.logit_scale, theirs.logit_scale)


def test_features_of_pictures_and_texts(pair, images):
    ours, theirs = pair
    torch.testing.assert_close(ours.image_features(images), theirs.image_features(images), **CLOSE)
    found, wanted = (one.embed_texts(one.tokenize(TEXTS)) for one in pair)
    torch.testing.assert_close(found, wanted, **CLOSE)


@pytest.mark.parametrize("classifier", [text_classifier, linear_classifier])
def test_logits_and_heatmaps(pair, images, classifier):
    targets = torch.tensor([0, 1, 2, 0])
    specifications = [
        Specification(layers, scalar) for layers in ("last", "all", "2..3") for scalar in ("dot", "native")
    ]
    results = []
    for model in pair:
        built = classifier(model)
        results.append(explain(built, images, specifications, class_score(built, targets), Rule()))
    ours, theirs = results
    torch.testing.assert_close(ours.logits, theirs.logits, rtol=1e-5, atol=1e-4)
    for one, other in zip(ours.relevance, theirs.relevance, strict=True):
        assert float(one.max()) > 0
        assert float((one - other).abs().max()) <= 1e-5 * float(one.max())
