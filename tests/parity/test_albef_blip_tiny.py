"""Small ALBEF and BLIP as LAVIS 1.0.2 computes them: checkpoint → model → classifier → attribution."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.attributions.gaa import Gaa
from rationale_plugins.models._dimensions import Dimensions
from rationale_plugins.models.albef import Albef
from rationale_plugins.models.blip import Blip

from rationale_cli.contracts import Specification
from rationale_cli.toolkit.attention import frozen, record
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier

IMAGES, TEXTS, LAYERS = 3, 5, 4
SMALL = Dimensions(
    image_size=64,
    width=64,
    depth=LAYERS,
    heads=4,
    embedding=32,
    text_layers=LAYERS,
    fusion_layer=2,
    text_heads=4,
    positions=40,
)


@dataclass
class Golden:
    """What the reference gave, and the checkpoint that it gave it for."""

    name: str
    arrays: dict[str, torch.Tensor]
    facts: dict[str, Any]
    pieces: list[str]
    file: Path

    def build(self, **changes):
        """The native model with the golden weights; LAVIS's ALBEF has no token types."""
        if self.name == "blip":
            model = Blip(replace(SMALL, fusion_layer=0, **changes), self.pieces)
        else:
            types = changes.pop("token_types", False)
            model = Albef(replace(SMALL, **changes), self.pieces, token_types=types)
        model.read([self.file])
        return model.eval()

    def close(self, found, name):
        """1e-5 of the largest value, in every element."""
        wanted = self.arrays[name]
        assert found.shape == wanted.shape
        assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max(), name


@pytest.fixture(scope="module", params=["albef", "blip"])
def golden(request, shared):
    folder = shared / "golden"
    with np.load(folder / f"{request.param}_tiny.npz") as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    facts = json.loads((folder / f"{request.param}_tiny.json").read_text())
    pieces = (folder / facts["config"]["vocab_file"]).read_text().splitlines()
    return Golden(request.param, arrays, facts, pieces, folder / f"{request.param}_tiny.safetensors")


@pytest.fixture(scope="module")
def model(golden):
    return golden.build()


@pytest.fixture(scope="module")
def tokens(model, golden):
    return model.tokenize(golden.facts["texts"])


@pytest.fixture(scope="module")
def text_classifier(model, tokens):
    with torch.no_grad():
        return TextClassifier(model, model.embed_texts(tokens))


@pytest.fixture(scope="module")
def linear_classifier(model, golden):
    weight, bias = golden.arrays["linear_w"], golden.arrays["linear_b"]
    classifier = LinearClassifier(model, *weight.shape)
    classifier.head.load_state_dict({"weight": weight, "bias": bias})
    return classifier


def test_tokens(tokens, golden):
    assert torch.equal(tokens["ids"], golden.arrays["input_ids"])
    assert torch.equal(tokens["mask"], golden.arrays["attention_mask"])


@torch.no_grad()
def test_image_side(model, golden):
    images = golden.arrays["image"]
    states = model.image_tokens(images)
    golden.close(states, "vision_tokens")
    golden.close(model.image_features(images), "vision_cls")
    golden.close(F.normalize(model.embed_images(images), dim=-1), "image_features")
    golden.close(F.normalize(model.pool_images(states), dim=-1), "image_features")


@torch.no_grad()
def test_text_side(model, tokens, golden):
    golden.close(model.text_states(tokens), "text_hidden")
    golden.close(F.normalize(model.embed_texts(tokens), dim=-1), "text_features")


@torch.no_grad()
def test_similarity_and_logits(text_classifier, linear_classifier, golden):
    features = text_classifier.features(golden.arrays["image"])
    golden.close(text_classifier.score(features, "cosine"), "cosine")
    golden.close(text_classifier.logits(features), "logits_per_image")
    golden.close(linear_classifier(golden.arrays["image"]), "linear_logits")


def pairs(model, tokens, golden):
    """Image tokens and text tokens of every picture with every text."""
    states = model.image_tokens(golden.arrays["image"]).repeat_interleave(TEXTS, dim=0)
    return states, {name: one.repeat(IMAGES, 1) for name, one in tokens.items()}


@torch.no_grad()
def test_matching(model, tokens, golden):
    states, texts = pairs(model, tokens, golden)
    golden.close(model.match(states, texts).view(IMAGES, TEXTS, 2), "itm_logits")
    fused = model.fuse(states, texts)[:, 0].view(IMAGES, TEXTS, -1)
    chosen = torch.tensor(golden.facts["text_per_image_for_gaa"])
    golden.close(fused[torch.arange(IMAGES), chosen], "multimodal_cls_pairs")


@torch.no_grad()
def test_positions_interpolated_to_a_larger_picture(golden):
    larger = golden.build(image_size=96)
    golden.close(larger.visual_encoder.pos_embed, "pos_embed96")
    golden.close(larger.image_tokens(golden.arrays["image96"]), "image96_tokens")


def test_attention_of_the_last_picture(model, golden):
    with torch.no_grad(), frozen(model), record(range(LAYERS)) as recording:
        model.image_tokens(golden.arrays["image"][-1:])
    for index in range(LAYERS):
        golden.close(recording.layers[index].probabilities(), f"attn_block{index}")


@pytest.mark.parametrize("layers", ["last", "all"])
@pytest.mark.parametrize("score", ["cos", "logit", "linear"])
def test_relevance(text_classifier, linear_classifier, golden, score, layers):
    linear = score == "linear"
    classifier = linear_classifier if linear else text_classifier
    targets = torch.tensor(golden.facts["linear_target" if linear else "text_per_image_for_gaa"])
    scalar = "cosine" if score == "cos" else "native"
    images = golden.arrays["image"]
    found = Gaa(Gaa.Options()).explain(classifier, images, targets, [Specification(layers, scalar)])
    golden.close(found.relevance[0].flatten(1), f"gaa_{score}_{layers}")
    with torch.no_grad():
        scores = classifier.score(classifier.features(images), scalar)
    golden.close(scores[torch.arange(IMAGES), targets], f"score_{score}")


# -- what would not agree ----------------------------------------------------------------------------


def apart(one, other):
    return (one - other).abs().max().item()


@torch.no_grad()
def test_token_types_are_those_of_the_original_albef_and_matter(golden, tokens):
    if golden.name == "blip":
        pytest.skip("BLIP has no token types")
    original = golden.build(token_types=True)
    golden.close(original.text_states(tokens), "text_hidden_token_type")
    golden.close(F.normalize(original.embed_texts(tokens), dim=-1), "text_features_token_type")
    assert apart(original.text_states(tokens), golden.arrays["text_hidden"]) > 1


@torch.no_grad()
def test_the_first_token_matters_for_matching(model, tokens, golden):
    if golden.name == "albef":
        pytest.skip("ALBEF reads pictures with [CLS]")
    assert torch.equal(golden.arrays["input_ids_enc"][:, 1:], tokens["ids"][:, 1:])
    states, texts = pairs(model, tokens, golden)
    embedded = model.text_encoder.embed(texts["ids"])
    fused = model.text_encoder.run(embedded, texts["mask"], slice(None), states)
    logits = model.itm_head(fused[:, 0]).view(IMAGES, TEXTS, 2)
    assert apart(logits, golden.arrays["itm_logits"]) > 0.01


def test_the_kind_of_interpolation_matters(golden):
    small = golden.build().visual_encoder.pos_embed[:, 1:]
    planes = small.detach().reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
    linear = F.interpolate(planes, size=(6, 6), mode="bilinear", align_corners=False)
    assert apart(linear.flatten(2).transpose(1, 2), golden.arrays["pos_embed96"][:, 1:]) > 0.01


def test_relevance_of_the_cosine_is_not_that_of_the_logit(golden):
    cosine, logit = golden.arrays["gaa_cos_all"], golden.arrays["gaa_logit_all"]
    assert apart(cosine / cosine.max(), logit / logit.max()) > 1e-3
