"""The contract of attributions on small real models of every kind: CLS token or attention pool."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from rationale_plugins.attributions.matching import ItmGaa, ItmGradCam
from rationale_plugins.models.huggingface import HuggingFace
from rationale_plugins.models.open_clip import OpenClip
from rationale_plugins.models.tiny_clip import TinyClip
from rationale_plugins.models.tiny_fusion import TinyAlbef, TinyBlip

from rationale_cli.registry import Registry
from rationale_cli.testing import check_attribution
from rationale_cli.toolkit.heads import TextClassifier, embedding_width

from ..repositories import FAMILIES
from .small_open_clip import shallow, tiny
from .test_pixel_attributions import METHODS
from .test_pixel_attributions import MODELS as PIXEL_MODELS

REGISTRY = Registry.discover()


def siglip():
    with tempfile.TemporaryDirectory() as folder:
        FAMILIES["siglip"](Path(folder))
        model = HuggingFace(HuggingFace.Options(repository=folder))
        model.tokenize(["cat"])  # the tokenizer is read when it is first needed
        return model


MODELS = {
    "tiny-clip": lambda: TinyClip(TinyClip.Options()),
    "tiny-albef": lambda: TinyAlbef(TinyAlbef.Options()),
    "tiny-blip": lambda: TinyBlip(TinyBlip.Options()),
    "open_clip": lambda: OpenClip(tiny(context_length=24)),
    "siglip": siglip,
    "clip-vit-b-32": lambda: shallow(3),
}
SLOW = {"clip-vit-b-32", "tiny-blip"}
"""One of full width, and one whose image tower is tiny-albef's."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in MODELS],
)
def classifier(request):
    torch.manual_seed(0)
    model = MODELS[request.param]().eval()
    return TextClassifier(model, torch.randn(3, embedding_width(model)))


def explaining(*, repeated=False):
    """Those that run the classifier once, or many times, and are no controls."""
    for entry in REGISTRY.entries("attribution"):
        plugin = REGISTRY.load("attribution", entry.qualified)
        if not getattr(plugin, "control", False) and hasattr(plugin, "passes") == repeated:
            yield entry.qualified


@pytest.mark.parametrize("name", sorted(explaining()))
def test_the_contract_holds(classifier, name):
    plugin = REGISTRY.load("attribution", name)
    check_attribution(plugin(plugin.Options()), classifier, batch=2)


def test_what_is_left_out_here_is_tried_elsewhere_on_the_same_models():
    elsewhere = {plugin for plugin, _ in METHODS} | {ItmGaa, ItmGradCam}
    assert {REGISTRY.load("attribution", name) for name in explaining(repeated=True)} <= elsewhere
    assert PIXEL_MODELS.keys() == MODELS.keys()
