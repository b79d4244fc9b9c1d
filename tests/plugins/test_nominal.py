"""What official datasets say they hold, by which dry runs count."""

from __future__ import annotations

import pytest

from rationale_cli.registry import Registry

REGISTRY = Registry.discover()
COUNTS = {
    "imagenet": ({"train": 1_281_167, "val": 50_000}, ("val",), 1000),
    "caltech101": ({"train": 6941, "test": 1736}, ("test",), 101),
    "stanford-dogs": ({"train": 12_000, "test": 8580}, ("test",), 120),
    "cub": ({"train": 5994, "test": 5794}, ("test",), 200),
    "oxford-pets": ({"train": 3680, "test": 3669}, ("test",), 37),
    "waterbirds": ({"train": 4795, "val": 1199, "test": 5794}, ("test",), 2),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_counts_are_those_of_the_publications(name):
    plugin = REGISTRY.load("dataset", name)
    assert tuple(plugin.nominal(plugin.Options())) == COUNTS[name]


def test_imagenet_c_counts_the_chosen_corruptions():
    plugin = REGISTRY.load("dataset", "imagenet-c")
    every = plugin.nominal(plugin.Options())
    assert (len(every.splits), set(every.splits.values()), every.classes) == (19 * 5, {50_000}, 1000)
    some = plugin.nominal(plugin.Options(corruptions=("fog", "snow"), severities=(3,)))
    assert some.splits == {"fog-3": 50_000, "snow-3": 50_000}
    assert some.evaluation == ("fog-3", "snow-3")


def test_what_changes_the_counts_is_heeded():
    caltech = REGISTRY.load("dataset", "caltech101")
    assert caltech.nominal(caltech.Options(background=True)).classes == 102
    birds = REGISTRY.load("dataset", "waterbirds")
    assert birds.nominal(birds.Options(groups=("landbird-land",))) is None
