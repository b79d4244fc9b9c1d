"""What the named protocols mean for the built-in plugins (protocol §6)."""

from __future__ import annotations

import pytest

from rationale_cli.contracts import Preprocessing
from rationale_cli.engine.configuration import Configuration
from rationale_cli.engine.configure import configure
from rationale_cli.engine.view import prepared
from rationale_cli.recipe import Draft, from_mapping
from rationale_cli.registry import Registry

CLIP = Preprocessing(224, (0.48, 0.46, 0.41), (0.27, 0.26, 0.28), "bicubic")


def resolved(**sections: object) -> Configuration:
    return configure(Draft(from_mapping(sections, "test")), Registry.discover())


@pytest.mark.parametrize(
    ("dataset", "options", "resize"),
    [
        ("cub", {"mask": "full", "split": "reference"}, 256),
        ("stanford-dogs", {"boxes": "last", "names": "reference"}, 224),
        ("caltech101", {"mask": "reference", "names": "reference", "background": True}, 224),
        ("imagenet", {"names": "reference", "duplicates": "keep"}, 256),
    ],
)
def test_the_reference_on_each_dataset(dataset, options, resize):
    found = resolved(protocol="reference", dataset=dataset, model="clip-vit-b-32", method="zs")
    assert options.items() <= found.dataset.options.model_dump().items()
    seen = prepared(CLIP, found.view)
    assert (seen.resize, seen.interpolation, seen.mean[0]) == (resize, "bilinear", 0.485)
    assert (found.explain.layers, found.explain.scalar) == (("reference",), ("native",))


@pytest.mark.parametrize(
    ("model", "method", "precision"),
    [
        ("clip-vit-b-16", "zs", "fp16"),
        ("clip-vit-b-16", "flcp", "fp16"),
        ("clip-vit-b-16", "ft", "no"),
        ("clip-vit-b-16", "lp", "no"),
        ("albef", "zs", "no"),
    ],
)
def test_half_precision_where_the_reference_used_it(model, method, precision):
    assert resolved(protocol="reference", model=model, method=method).explain.precision == precision


@pytest.mark.parametrize("name", ["paper", "corrected"])
def test_the_others_change_no_data_and_no_view(name):
    found = resolved(protocol=name, dataset="cub", model="clip-vit-b-32")
    assert found.dataset.options == resolved(dataset="cub", model="clip-vit-b-32").dataset.options
    assert prepared(CLIP, found.view) == CLIP
    assert found.explain.layers == ("last",)
    assert found.explain.scalar == (("native",) if name == "paper" else ("dot",))


def test_corrected_is_what_holds_without_a_name():
    named, unnamed = resolved(protocol="corrected"), resolved()
    assert named.explain == unnamed.explain
    assert (named.view, named.train, named.digest()) == (unnamed.view, unnamed.train, unnamed.digest())
