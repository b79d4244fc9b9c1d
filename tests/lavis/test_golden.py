"""The plugin's models against what LAVIS computed in the environment that it pins."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.attributions.gaa import Gaa

from rationale_cli.contracts import Specification
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier
from rationale_cli.toolkit.heatmaps import heatmaps

LAYERS = ("last", "all")


def close(one, other):
    """1e-5 of the largest value, in every element."""
    assert one.shape == other.shape
    assert (one - other).abs().max() <= 1e-5 * other.abs().max()


def explained(classifier, images, targets, scalar):
    """Relevance of the last and of all layers, a row of patches a picture."""
    specifications = [Specification(layers, scalar) for layers in LAYERS]
    return Gaa(Gaa.Options()).explain(classifier, images, torch.tensor(targets), specifications).relevance


def test_features_of_pictures_and_texts(golden):
    model, arrays = golden.model(), golden.arrays
    tokens = model.tokenize(golden.about["texts"])
    for name in ("input_ids", "attention_mask"):
        assert torch.equal(tokens[name], arrays[name])
    with torch.no_grad():
        close(model.image_tokens(arrays["image"]), arrays["vision_tokens"])
        close(model.image_features(arrays["image"]), arrays["vision_cls"])
        images = F.normalize(model.embed_images(arrays["image"]), dim=-1)
        texts = F.normalize(model.embed_texts(tokens), dim=-1)
        close(images, arrays["image_features"])
        close(texts, arrays["text_features"])
        close(model.logit_scale * images @ texts.T, arrays["logits_per_image"])


def test_matching(golden):
    model, arrays = golden.model(), golden.arrays
    tokens = model.tokenize(golden.about["texts"])
    with torch.no_grad():
        pictures = model.image_tokens(arrays["image"])
        close(model.pool_images(pictures), model.embed_images(arrays["image"]))
        logits = [model.match(one.expand(len(tokens["input_ids"]), -1, -1), tokens) for one in pictures]
    close(torch.stack(logits), arrays["itm_logits"])


@pytest.mark.parametrize("scalar", ["native", "cosine"])
def test_heatmaps_of_a_text_classifier(golden, scalar):
    model, arrays = golden.model(), golden.arrays
    with torch.no_grad():
        vectors = model.embed_texts(model.tokenize(golden.about["texts"]))
    classifier = TextClassifier(model, vectors)
    close(classifier(arrays["image"]), arrays["logits_per_image"])
    targets = golden.about["text_per_image_for_gaa"]
    prefix = {"native": "gaa_logit", "cosine": "gaa_cos"}[scalar]
    for layers, relevance in zip(
        LAYERS, explained(classifier, arrays["image"], targets, scalar), strict=True
    ):
        expected = arrays[f"{prefix}_{layers}"].view_as(relevance)
        assert expected.std() > 1e-4
        close(relevance, expected)
        close(heatmaps(relevance, (64, 64)), heatmaps(expected, (64, 64)))


def test_heatmaps_of_a_linear_head(golden):
    model, arrays = golden.model(), golden.arrays
    weight, bias = arrays["linear_w"], arrays["linear_b"]
    classifier = LinearClassifier(model, *weight.shape)
    classifier.head.load_state_dict({"weight": weight, "bias": bias})
    close(classifier(arrays["image"]), arrays["linear_logits"])
    maps = explained(classifier, arrays["image"], golden.about["linear_target"], "native")
    for layers, relevance in zip(LAYERS, maps, strict=True):
        expected = arrays[f"gaa_linear_{layers}"].view_as(relevance)
        close(relevance, expected)
        close(heatmaps(relevance, (64, 64)), heatmaps(expected, (64, 64)))


def test_positions_are_interpolated_to_another_size(golden, capsys):
    model, arrays = golden.model(image=96), golden.arrays
    close(model.lavis.visual_encoder.pos_embed.detach(), arrays["pos_embed96"])
    with torch.no_grad():
        close(model.image_tokens(arrays["image96"]), arrays["image96_tokens"])
    # LAVIS prints while it interpolates, which would spoil a command's JSON.
    assert capsys.readouterr().out == ""


def test_fused_attention_equals_the_eager_one(golden):
    model = golden.model()
    attention = model.lavis.visual_encoder.blocks[1].attn
    tokens = torch.randn(2, 17, 64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    fused, eager = attention(tokens), type(attention).forward(attention, tokens)
    close(fused, eager)
    close(*(torch.autograd.grad(one.square().sum(), tokens)[0] for one in (fused, eager)))


def test_lavis_own_way_to_keep_the_attention_still_works(golden):
    model, arrays = golden.model(), golden.arrays
    tower = model.lavis.visual_encoder
    tower.forward_features(arrays["image"][2:], register_blk=2)
    close(tower.blocks[2].attn.get_attention_map().detach(), arrays["attn_block2"])


def test_a_deep_copy_attends_with_its_own_weights(golden):
    model, images = golden.model(), golden.arrays["image"]
    before = model.image_features(images)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.lavis.visual_encoder.blocks[0].attn.qkv.weight.mul_(0)
        assert torch.equal(model.image_features(images), before)
        assert not torch.allclose(twin.image_features(images), before, atol=1e-3)


def test_lavis_own_extractor_is_inside(golden):
    model, texts = golden.model(), golden.about["texts"]
    features = model.lavis.extract_features({"image": None, "text_input": texts}, mode="text")
    close(features.text_embeds_proj[:, 0], golden.arrays["text_features"])
