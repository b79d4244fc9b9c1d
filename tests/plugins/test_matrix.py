"""Every model with every method: a step, a checkpoint, the same logits again, and an explanation."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from rationale_plugins.models._dimensions import Dimensions
from rationale_plugins.models._wordpiece import bert_pieces
from rationale_plugins.models.albef import Albef
from rationale_plugins.models.blip import Blip
from rationale_plugins.models.huggingface import HuggingFace
from rationale_plugins.models.open_clip import OpenClip
from rationale_plugins.models.tiny_clip import TinyClip
from rationale_plugins.models.tiny_fusion import TinyAlbef, TinyBlip
from safetensors.torch import load_file, save_file

from rationale_cli.contracts import PluginOptions, Specification, Task
from rationale_cli.errors import InputError
from rationale_cli.registry import Registry, missing_requirements
from rationale_cli.testing import FakeSupport

from ..repositories import FAMILIES

REGISTRY = Registry.discover()
TASK = Task(("dot", "red bird", "car"), ("a photo of a {}.",))
SMALL = Dimensions(
    image_size=32,
    patch=16,
    width=32,
    depth=2,
    heads=2,
    embedding=16,
    text_layers=3,
    fusion_layer=1,
    text_heads=2,
)


class SmallClip(OpenClip):
    """The adapter of clip-vit-b-32 over a small tower with CLIP's own vocabulary."""

    Options = PluginOptions

    def __init__(self):
        image = CLIPVisionCfg(layers=2, width=16, head_width=8, patch_size=8, image_size=32)
        super().__init__(
            CLIP(8, image, CLIPTextCfg(context_length=16, width=8, heads=2, layers=1), quick_gelu=True)
        )


class SmallAlbef(Albef):
    """The class of albef with BERT's vocabulary."""

    Options = PluginOptions

    def __init__(self):
        super().__init__(SMALL, bert_pieces())


class SmallBlip(Blip):
    """The class of blip with BERT's vocabulary."""

    Options = PluginOptions

    def __init__(self):
        super().__init__(replace(SMALL, fusion_layer=0, longest_text=35), bert_pieces())


def of_transformers(family):
    """A model of that family from a repository made here."""
    with tempfile.TemporaryDirectory() as folder:
        FAMILIES[family](Path(folder))
        model = HuggingFace(HuggingFace.Options(repository=folder))
        model.tokenize(["car"])  # the tokenizer is read when it is first needed
        return model


MODELS = {
    "clip": SmallClip,
    "albef": SmallAlbef,
    "blip": SmallBlip,
    **{f"hf {family}": partial(of_transformers, family) for family in FAMILIES},
    "tiny-clip": lambda: TinyClip(TinyClip.Options()),
    "tiny-albef": lambda: TinyAlbef(TinyAlbef.Options()),
    "tiny-blip": lambda: TinyBlip(TinyBlip.Options()),
}
METHODS = [one.qualified for one in REGISTRY.entries("method")]
SETTINGS = {f"rationale:{name}": {"context": 4, "words": ""} for name in ("coop", "prograd")}
"""Small models read short texts."""
SETTINGS["rationale:dfr"] = {"subsets": 1, "strengths": 2}
LABELS = torch.tensor([0, 1, 2, 1])
ESTIMATORS = [Specification("last", "dot"), Specification("all", "native")]


def fitted(model, method):
    torch.manual_seed(5)
    one = MODELS[model]()
    plugin = REGISTRY.load("method", method)
    lacking = [need for need in plugin.needs if not hasattr(one, need)]
    if lacking:
        pytest.skip(f"{method} needs a model with {lacking}")
    if "prompt_dimensions" in plugin.needs:
        try:
            one.prompt_dimensions()
        except InputError as error:
            pytest.skip(error.what)
    options = plugin.Options(**SETTINGS.get(method, {}))
    torch.manual_seed(5)
    return plugin(options), plugin(options).build(one, TASK)


def tuned(plugin, made, images):
    support = FakeSupport(images, LABELS, len(TASK.classnames))
    made.classifier.eval()
    if hasattr(plugin, "prepare"):
        with torch.no_grad():
            plugin.prepare(made, support)
    if made.step is not None:
        trained = [one for one in made.step.parameters() if one.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-3)
        made.step.train()
        loss = made.step(images, LABELS)
        torch.autograd.backward(loss)
        optimizer.step()
        assert loss.isfinite()
    made.classifier.eval()
    if hasattr(plugin, "finish"):
        with torch.no_grad():
            plugin.finish(made, support)
    return made.classifier


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", MODELS)
def test_tune_save_reload_explain(model, method, tmp_path):
    if missing := missing_requirements(REGISTRY.find("method", method).entry):
        pytest.skip(f"{method} needs {missing}")
    plugin, made = fitted(model, method)
    side = made.classifier.model.preprocessing.size
    torch.manual_seed(6)
    images = torch.randn(4, 3, side, side)
    before = made.classifier.eval()(images).detach()
    classifier = tuned(plugin, made, images)
    with torch.no_grad():
        after = classifier(images)
    assert torch.equal(before, after) == (made.step is None and not hasattr(plugin, "prepare"))

    save_file(classifier.delta(), tmp_path / "delta.safetensors")
    _, again = fitted(model, method)
    again.classifier.eval().load_delta(load_file(tmp_path / "delta.safetensors"))
    with torch.no_grad():
        assert torch.equal(again.classifier(images), after)

    gaa = REGISTRY.load("attribution", "gaa")
    explanation = gaa(gaa.Options()).explain(again.classifier, images, LABELS, ESTIMATORS)
    torch.testing.assert_close(explanation.logits, after, rtol=1e-4, atol=1e-5)
    grid = again.classifier.model.patch_grid(side, side)
    for relevance in explanation.relevance:
        assert relevance.shape == (4, *grid)
        assert bool((relevance >= 0).all())
        # A random model may have no positive relevance in some pictures.
        assert bool((relevance > 0).any())
