"""The contract suites over every registered plugin: built-in ones, and whatever is installed beside them."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from rationale_plugins.datasets._official import Official

from rationale_cli.registry import Registry, missing_requirements
from rationale_cli.testing import (
    FakeModel,
    ToyDataset,
    check_attribution,
    check_dataset,
    check_method,
    check_model,
    check_plugin,
    check_regularizer,
    fake_classifier,
)

REGISTRY = Registry.discover()
FULL_SIZE = {"rationale:clip-vit-b-32"}
SAME_CODE = {
    "rationale:clip-vit-b-16": "rationale:clip-vit-b-32",
    "rationale:albef": "rationale:tiny-albef",
    "rationale:blip": "rationale:tiny-blip",
}
"""Models of other sizes whose suite takes minutes and runs the very code that a sibling's runs."""
SAME_STEP = {"rationale:dfr", "rationale:kgcoop", "rationale:lp-ft", "rationale:wise-ft"}
"""Methods that offer what coop and ft offer, by the very code."""
EXAMPLES = {f"rationale:{name}" for name in ("ft", "lp", "coop", "flcp", "promptsrc", "clip-lora")}
"""Methods on which regularizers are tried that ask nothing of a method."""
SMALL = {
    "rationale:dfr": {"subsets": 2, "strengths": 2},
    "rationale:scenes": {"size": 32, "train_size": 14, "test_size": 13},
    "rationale:blocks": {"pixels": 32, "train_size": 2, "test_size": 2},
    "rationale:integrated-gradients": {"steps": 2},
    "rationale:smoothgrad": {"samples": 7},
    "rationale:rise": {"masks": 30},
}
"""Options of plugins that would take their time."""

TOGETHER = ("rationale:itm-gaa", "rationale:itm-grad-cam")
"""Attributions of a score that reads picture and text together, which the fakes lack."""


def every(kind):
    """Each class once, whatever names it has."""
    first = {one.entry.target: one.qualified for one in reversed(REGISTRY.entries(kind))}
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name in FULL_SIZE else [])
        for name in sorted(first.values())
        if name not in SAME_CODE
    ]


def loaded(kind, name):
    missing = missing_requirements(REGISTRY.find(kind, name).entry)
    if missing:
        pytest.skip(f"{name} needs {missing}")
    return REGISTRY.load(kind, name)


def built(kind, name, **settings):
    plugin = loaded(kind, name)
    required = {key for key, field in plugin.Options.model_fields.items() if field.is_required()}
    if required - settings.keys():
        pytest.skip(f"{name} cannot be built without {sorted(required)}")
    return plugin(plugin.Options(**settings))


def test_no_plugin_is_broken():
    assert REGISTRY.problems() == []


def test_what_is_left_out_has_a_sibling():
    tested = {one.values[0] for one in every("model")}
    for name, sibling in SAME_CODE.items():
        ours, theirs = (REGISTRY.load("model", one).__mro__[1] for one in (name, sibling))
        assert ours is theirs
        assert sibling in tested


@pytest.mark.parametrize(
    ("kind", "name"),
    [(one.kind, one.qualified) for one in REGISTRY.plugins],
    ids=lambda value: value.replace(":", "-"),
)
def test_class_and_options(kind, name):
    check_plugin(kind, loaded(kind, name))


@pytest.mark.parametrize("name", every("model"))
def test_models(name):
    plugin = loaded("model", name)
    settings = {"weights": "none"} if "weights" in plugin.Options.model_fields else {}
    torch.manual_seed(0)
    check_model(built("model", name, **settings))


@pytest.mark.parametrize("name", every("method"))
def test_methods(name):
    method, model = built("method", name, **SMALL.get(name, {})), FakeModel()
    lacking = [need for need in method.needs if not hasattr(model, need)]
    if lacking:
        pytest.skip(f"{name} needs a model with {lacking}")
    check_method(method, model, ToyDataset().task)


@pytest.mark.parametrize("name", every("regularizer"))
@pytest.mark.parametrize("method", sorted({one.values[0] for one in every("method")} - SAME_STEP))
def test_regularizers(name, method, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("yellow\nteapot\nRed\n")
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "teal.png")
    given = {"vocabulary": words, "images": tmp_path}
    fields = loaded("regularizer", name).Options.model_fields
    settings = {key: value for key, value in given.items() if key in fields}
    regularizer, tuner = built("regularizer", name, **settings), built("method", method)
    model = built("model", "tiny-clip")
    needed = set(regularizer.needs) - {"images", "masks", *getattr(tuner, "offers", ())}
    lacking = [need for need in tuner.needs if not hasattr(model, need)]
    if not any(need in getattr(tuner, "offers", ()) for need in regularizer.needs) and method not in EXAMPLES:
        pytest.skip(f"{name} asks nothing of {method}: it is tried on others")
    if (name, method) == ("rationale:attention-mass", "rationale:clip-adapter"):
        pytest.skip("its tower rests, and the attention with it")
    if needed or lacking:
        pytest.skip(f"{method} offers no {sorted(needed)}" if needed else f"{method} needs {lacking}")
    check_regularizer(regularizer, tuner, model, ToyDataset().task)


@pytest.mark.parametrize("family", ["text", "linear"])
@pytest.mark.parametrize("name", every("attribution"))
def test_attributions(name, family):
    if name in TOGETHER:
        pytest.skip("test_matching_attributions tries it on ALBEF and BLIP")
    attribution, classifier = built("attribution", name, **SMALL.get(name, {})), fake_classifier(family)
    lacking = [need for need in attribution.needs if not hasattr(classifier, need)]
    if lacking:
        pytest.skip(f"{name} needs a classifier with {lacking}")
    check_attribution(attribution, classifier)


@pytest.fixture
def photographs(tmp_path):
    """A folder of pictures as a dataset may read it: split, class, picture and mask."""
    for split in ("train", "test"):
        for label, name in enumerate(("cat", "dog")):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for index in range(3):
                shade = 60 * label + 20 * index
                Image.new("RGB", (40, 30), (shade, 90, 120)).save(folder / f"{index}.png")
                mask = Image.new("L", (40, 30))
                mask.paste(255, (5, 5, 25, 20))
                mask.save(folder / f"{index}_mask.png")
    return tmp_path


@pytest.mark.parametrize("name", every("dataset"))
def test_datasets(name, photographs):
    if issubclass(loaded("dataset", name), Official):
        pytest.skip(f"{name} reads its official layout alone: its own test makes a miniature of it")
    settings = dict(SMALL.get(name, {}))
    if "root" in loaded("dataset", name).Options.model_fields:
        settings["root"] = photographs
    check_dataset(built("dataset", name, **settings))
