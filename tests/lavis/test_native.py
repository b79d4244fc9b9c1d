"""LAVIS's models and the native ones agree on the same weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.attributions.gaa import Gaa
from rationale_plugins.attributions.matching import ItmGaa, ItmGradCam
from rationale_plugins.models._dimensions import Dimensions
from rationale_plugins.models.albef import Albef, AlbefViTB16
from rationale_plugins.models.blip import Blip, BlipViTB16
from safetensors.torch import save_model

from rationale_cli.contracts import Specification, Task
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier, WordedClassifier
from rationale_cli.toolkit.heatmaps import heatmaps
from rationale_cli.toolkit.words import word_relevance

TEXTS = ("a photo of a bird", "a photo of a red car", "cat")
SPECIFICATIONS = [Specification(layers, scalar) for layers in ("last", "all") for scalar in ("dot", "native")]


def close(one, other):
    """1e-5 of the largest value, in every element."""
    assert one.shape == other.shape
    assert (one - other).abs().max() <= 1e-5 * other.abs().max()


def native(golden, **changes):
    """The native model of the same size and weights."""
    sizes = golden.about["config"]
    dimensions = Dimensions(
        image_size=sizes["image"],
        width=sizes["width"],
        depth=sizes["depth"],
        heads=sizes["heads"],
        embedding=sizes["embed_dim"],
        text_layers=sizes["text_layers"],
        fusion_layer=golden.about.get("fusion_layer", 0),
        text_heads=sizes["heads"],
        positions=sizes["max_pos"],
    )
    if golden.name == "albef":
        model = Albef(dimensions, golden.words, **{"token_types": False, **changes})
    else:
        model = Blip(dimensions, golden.words)
    model.read([golden.file])
    return model.eval()


def compare(one, other, images, size):
    """Features, similarities, matching logits and heatmaps of two models."""
    tokens = [list(model.tokenize(TEXTS).values()) for model in (one, other)]
    assert all(torch.equal(a, b) for a, b in zip(*tokens, strict=True))
    with torch.no_grad():
        close(one.image_features(images), other.image_features(images))
        close(one.embed_images(images), other.embed_images(images))
        vectors, same = (model.embed_texts(model.tokenize(TEXTS)) for model in (one, other))
        close(vectors, same)
        close(one.logit_scale, other.logit_scale)
        texts = TEXTS[: len(images)]
        pairs = (model.match(model.image_tokens(images), model.tokenize(texts)) for model in (one, other))
        close(*pairs)
    torch.manual_seed(0)
    heads = [LinearClassifier(model, 3, vectors_of(model, images)) for model in (one, other)]
    heads[1].head.load_state_dict(heads[0].head.state_dict())
    for first, second in ((TextClassifier(one, vectors), TextClassifier(other, same)), heads):
        close(first(images).detach(), second(images).detach())
        targets = torch.arange(len(images)) % 3
        maps = [
            Gaa(Gaa.Options()).explain(classifier, images, targets, SPECIFICATIONS).relevance
            for classifier in (first, second)
        ]
        for mine, its in zip(*maps, strict=True):
            close(mine, its)
            close(heatmaps(mine, size), heatmaps(its, size))


def vectors_of(model, images):
    """Width of what a linear head reads."""
    with torch.no_grad():
        return model.image_features(images[:1]).shape[-1]


def test_small_models_agree(golden):
    compare(golden.model(), native(golden), golden.arrays["image"], (64, 64))


def test_words_and_the_matching_head_are_explained_alike(golden):
    models, images = (golden.model(), native(golden)), golden.arrays["image"]
    targets = torch.arange(len(images)) % 3
    classifiers = [WordedClassifier(model, Task(("bird", "red car", "cat"))).eval() for model in models]
    with torch.no_grad():
        features = classifiers[0].features(images)
    for mine, its in zip(*(word_relevance(one, features, targets) for one in classifiers), strict=True):
        assert [word for word, _ in mine.words] == [word for word, _ in its.words]
        close(torch.tensor([share for _, share in mine.words]), torch.tensor([one for _, one in its.words]))
    for kind in (ItmGaa, ItmGradCam):
        maps = [kind(kind.Options()).explain(one, images, targets, SPECIFICATIONS[:1]) for one in classifiers]
        close(*(one.relevance[0] for one in maps))


def test_both_prepare_pictures_alike(golden):
    assert golden.model().preprocessing == native(golden).preprocessing


@pytest.mark.parametrize("golden", ["albef"], indirect=True)
def test_token_types_are_the_difference(golden):
    """The original ALBEF adds them; LAVIS does not."""
    lavis, original = golden.model(), native(golden, token_types=True)
    with torch.no_grad():
        mine, its = (
            F.normalize(model.embed_texts(model.tokenize(TEXTS)), dim=-1) for model in (lavis, original)
        )
    assert (mine * its).sum(dim=-1).max() < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["albef", "blip"])
def test_a_checkpoint_of_full_size_fits_both(name, tmp_path):
    """LAVIS's names and shapes of ViT-B/16 are those that the native model reads."""
    from rationale_lavis.models import LavisAlbef, LavisBlip

    kind, own = {"albef": (LavisAlbef, AlbefViTB16), "blip": (LavisBlip, BlipViTB16)}[name]
    torch.manual_seed(0)
    lavis = kind(kind.Options(weights="none")).eval()
    file = tmp_path / "lavis.safetensors"
    save_model(lavis.lavis, str(file))
    options = {"token_type": False} if name == "albef" else {}
    try:
        model = own(own.Options(weights=str(file), **options)).eval()
    finally:
        file.unlink()
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    compare(lavis, model, images, (224, 224))
