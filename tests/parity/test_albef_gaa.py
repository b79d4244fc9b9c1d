"""GAA of an ALBEF/BLIP-style tower as the reference computes it: a timm transformer behind an adapter."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from rationale_plugins.attributions.gaa import Gaa
from safetensors.torch import load_file
from torch import nn

from rationale_cli.contracts import Specification
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier
from rationale_cli.toolkit.heatmaps import evidence, heatmaps

transformer = pytest.importorskip("timm.models.vision_transformer")
IMAGES, CLASSES = 3, 5
PATHS = ("zs_last", "zs_all", "head_all")


class Tower(nn.Module):
    """The image side of a model: CLS after the last norm, its projection, and a temperature."""

    def __init__(self, tensors):
        super().__init__()
        self.visual = transformer.VisionTransformer(
            img_size=64,
            patch_size=16,
            embed_dim=64,
            depth=4,
            num_heads=4,
            num_classes=0,
            global_pool="token",
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )
        prefix = "visual_encoder."
        own = {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
        self.visual.load_state_dict(own)
        self.projection = nn.Linear(64, 32)
        self.projection.load_state_dict(
            {"weight": tensors["vision_proj.weight"], "bias": tensors["vision_proj.bias"]}
        )
        self.temperature = nn.Parameter(tensors["temp"])

    @property
    def logit_scale(self):
        return 1 / self.temperature

    def patch_grid(self, height, width):
        return height // 16, width // 16

    def image_features(self, images):
        return self.visual(images)

    def embed_images(self, images):
        return self.projection(self.image_features(images))


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "albef_gaa.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope="module")
def classifiers(shared, golden):
    tensors = load_file(shared / "golden" / "albef_gaa.safetensors")
    model = Tower(tensors)
    vectors = golden["text_hidden_cls"] @ tensors["text_proj.weight"].T + tensors["text_proj.bias"]
    linear = LinearClassifier(model, CLASSES, 64)
    with torch.no_grad():
        linear.head.weight.copy_(tensors["classifier.weight"])
        linear.head.bias.copy_(tensors["classifier.bias"])
    return TextClassifier(model, vectors), linear


@pytest.fixture(scope="module")
def explained(classifiers, golden):
    images = golden["images"].repeat_interleave(CLASSES, dim=0)
    targets = torch.arange(CLASSES).repeat(IMAGES)
    gaa, layers = Gaa(Gaa.Options()), [Specification("last", "native"), Specification("all", "native")]
    text = gaa.explain(classifiers[0], images, targets, layers)
    linear = gaa.explain(classifiers[1], images, targets, layers[1:])
    relevance = zip(PATHS, (*text.relevance, *linear.relevance), strict=True)
    return text.logits, linear.logits, {path: one.view(IMAGES, CLASSES, -1) for path, one in relevance}


def close(found, wanted, rtol=1e-5, atol=1e-5):
    torch.testing.assert_close(found, wanted, rtol=rtol, atol=atol, check_dtype=False)


def test_features_and_logits(classifiers, explained, golden):
    with torch.no_grad():
        close(classifiers[1].features(golden["images"]), golden["cls_features"])
        features = classifiers[0].features(golden["images"])
        close(classifiers[0].score(features, "cosine"), golden["cosine"])
    close(explained[0][::CLASSES], golden["logits"])
    close(explained[1][::CLASSES], golden["head_logits"])


@pytest.mark.parametrize("path", PATHS)
def test_relevance_heatmaps_and_mass(explained, golden, path):
    close(explained[2][path], golden[f"{path}_relevance"], rtol=1e-4)
    relevance = explained[2][path][torch.arange(IMAGES), golden["labels"]].view(IMAGES, 4, 4)
    close(heatmaps(relevance, (224, 224)), golden[f"{path}_heatmap"], rtol=0)
    for index, mask in enumerate(golden["masks"]):
        found = evidence(relevance, mask.expand(IMAGES, -1, -1))
        close(found.rma, golden["rma"][PATHS.index(path), :, index], rtol=0)
