"""GAA of a small CLIP as the field's reference computes it, through the public path."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from rationale_plugins.attributions.attention import RawAttention, Rollout
from rationale_plugins.attributions.gaa import Gaa
from rationale_plugins.attributions.legrad import LeGrad
from rationale_plugins.models import _open_clip_weights as weights
from rationale_plugins.models.open_clip import OpenClip

from rationale_cli.contracts import Specification
from rationale_cli.measures.quadrants import valid
from rationale_cli.toolkit.attention import frozen, record
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier
from rationale_cli.toolkit.heatmaps import evidence, heatmaps

IMAGES, CLASSES = 3, 5
PATHS = ("zs_last", "zs_all", "head_all")


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "clip_gaa.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope="module")
def model(shared):
    shape = json.loads((shared / "golden" / "clip_gaa.json").read_text())["model"]
    vision = CLIPVisionCfg(
        layers=shape["vision_layers"],
        width=shape["vision_width"],
        head_width=shape["vision_width"] // shape["vision_heads"],
        patch_size=shape["vision_patch_size"],
        image_size=shape["image_resolution"],
    )
    text = CLIPTextCfg(
        context_length=shape["context_length"],
        vocab_size=shape["vocab_size"],
        width=shape["transformer_width"],
        heads=shape["transformer_heads"],
        layers=shape["transformer_layers"],
    )
    clip = CLIP(shape["embed_dim"], vision, text, quick_gelu=True)
    file = shared / "golden" / "clip_gaa.safetensors"
    weights.load(clip, weights.read(file), where=str(file))
    return OpenClip(clip)


@pytest.fixture(scope="module")
def zero_shot(model, golden):
    with torch.no_grad():
        return TextClassifier(model, model.embed_texts({"ids": golden["tokens"]}))


@pytest.fixture(scope="module")
def head(model, golden):
    classifier = LinearClassifier(model, CLASSES, golden["head_weight"].shape[1])
    with torch.no_grad():
        classifier.head.weight.copy_(golden["head_weight"])
        classifier.head.bias.copy_(golden["head_bias"])
    return classifier


@pytest.fixture(scope="module")
def explained(zero_shot, head, golden):
    """Path → logits and relevance of every picture for every class."""
    images = golden["images"].repeat_interleave(CLASSES, dim=0)
    targets = torch.arange(CLASSES).repeat(IMAGES)
    gaa, layers = Gaa(Gaa.Options()), [Specification("last", "native"), Specification("all", "native")]
    text = gaa.explain(zero_shot, images, targets, layers)
    linear = gaa.explain(head, images, targets, layers[1:])
    relevance = dict(zip(PATHS, (*text.relevance, *linear.relevance), strict=True))
    return (
        text.logits,
        linear.logits,
        {path: found.view(IMAGES, CLASSES, -1) for path, found in relevance.items()},
    )


def of_labels(relevance, golden):
    return relevance[torch.arange(IMAGES), golden["labels"]].view(IMAGES, 4, 4)


def close(found, wanted, rtol=1e-5, atol=1e-5):
    torch.testing.assert_close(found, wanted, rtol=rtol, atol=atol)


def test_features(model, golden):
    with torch.no_grad():
        close(model.image_features(golden["images"]), golden["image_features"])
        close(model.embed_images(golden["images"]), golden["image_features"])
        close(model.embed_texts({"ids": golden["tokens"]}), golden["text_features"])


def test_logits(explained, golden):
    text, linear, _ = explained
    close(text[::CLASSES], golden["logits_per_image"], atol=2e-5)
    close(linear[::CLASSES], golden["head_logits"])


@pytest.mark.parametrize("whole", [False, True], ids=["adapter", "open_clip's own forward"])
@pytest.mark.parametrize("path", ["zs", "head"])
def test_attention_and_its_gradient(model, zero_shot, head, golden, path, whole):
    classifier = zero_shot if path == "zs" else head
    tower = model.clip.encode_image if whole else model.image_features
    with frozen(classifier), record(range(4)) as recording:
        scores = classifier.logits(tower(golden["images"]))
    chosen = scores[torch.arange(IMAGES), golden["labels"]].sum()
    layers = [recording.layers[index] for index in range(4)]
    gradients = torch.autograd.grad(chosen, [layer.output for layer in layers])
    for index, (layer, gradient) in enumerate(zip(layers, gradients, strict=True)):
        # The adapter computes one row of the last block, that of the CLS token.
        rows = layer.query.shape[-2]
        assert rows == (17 if whole or index < 3 else 1)
        close(layer.probabilities(), golden["attn_probs"][:, index, :, :rows], atol=1e-6)
        close(layer.gradient(gradient), golden[f"attn_grad_{path}"][:, index, :, :rows], rtol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_relevance(explained, golden, path):
    close(explained[2][path], golden[f"{path}_relevance"], rtol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_heatmaps(explained, golden, path):
    close(heatmaps(of_labels(explained[2][path], golden), (224, 224)), golden[f"{path}_heatmap"], rtol=0)


@pytest.mark.parametrize("path", PATHS)
def test_relevant_mass_and_its_flags(explained, golden, path):
    relevance = of_labels(explained[2][path], golden)
    for index, mask in enumerate(golden["masks"]):
        found = evidence(relevance, mask.expand(IMAGES, -1, -1))
        assert not found.constant.any()
        close(found.rma, golden["rma"][PATHS.index(path), :, index], rtol=0)
        flags = valid(found.rma.numpy(), 0.5)
        assert flags.astype(int).tolist() == golden["rma_valid"][PATHS.index(path), :, index].tolist()


def test_half_of_the_mass_is_valid_evidence_as_in_the_reference(golden):
    masks = torch.zeros(1, 224, 224, dtype=torch.uint8)
    masks[:, :, :112] = 1
    relevance = torch.zeros(1, 4, 4)
    relevance[:, 0] = 1
    found = evidence(relevance, masks)
    assert found.rma.tolist() == [0.5]
    assert valid(found.rma.numpy(), 0.5).tolist() == [bool(golden["threshold_equal_flag"])]


def test_a_constant_map_is_no_evidence_unlike_in_the_reference(golden):
    found = evidence(torch.ones(1, 4, 4), golden["masks"][:1])
    assert golden["nan_flag"] == 1
    assert found.constant.all()
    assert not valid(found.rma.numpy(), 0.5).any()


def test_the_last_layer_does_not_depend_on_the_scale_of_the_logit(zero_shot, explained, golden):
    relevance = (
        Gaa(Gaa.Options())
        .explain(zero_shot, golden["images"], golden["labels"], [Specification("last", "cosine")])
        .relevance
    )
    close(heatmaps(relevance[0], (224, 224)), golden["zs_last_heatmap"], rtol=0)


def test_other_readings_of_the_same_attention_and_gradient(zero_shot, golden):
    """IMAGES×layers×heads×T×T, of the annotated class where a class plays a part."""
    attention = golden["attn_probs"].mean(dim=2)
    rolled = torch.eye(attention.shape[-1]).expand_as(attention[:, 0])
    for layer in attention.unbind(dim=1):
        rolled = (0.5 * layer + 0.5 * torch.eye(layer.shape[-1])) @ rolled
    formed = golden["attn_grad_zs"][:, -1].clamp(min=0).mean(dim=1)
    for attribution, specification, wanted in (
        (RawAttention(RawAttention.Options()), Specification("last"), attention[:, -1]),
        (RawAttention(RawAttention.Options()), Specification("all"), attention.mean(dim=1)),
        (Rollout(Rollout.Options()), Specification("all"), rolled),
        (LeGrad(LeGrad.Options(last=1)), Specification("last", "native"), formed),
    ):
        found = attribution.explain(zero_shot, golden["images"], golden["labels"], [specification])
        close(found.relevance[0], wanted[:, 0, 1:].view(IMAGES, 4, 4), rtol=1e-4)
