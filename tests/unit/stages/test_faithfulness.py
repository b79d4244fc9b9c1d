"""Heatmaps of a real model on drawn scenes, tested."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import ClassVar

import pytest
import torch.nn.functional as F
from torch import Tensor

import rationale_cli
from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Specification, Specified
from rationale_cli.engine.request import requested
from rationale_cli.errors import InputError
from rationale_cli.hooks import Entry
from rationale_cli.measures.faithfulness import Faithfulness
from rationale_cli.recipe import from_mapping
from rationale_cli.registry import Registered, Registry, Source
from rationale_cli.reporting.faithfulness_tables import faithfulness_tables
from rationale_cli.runs.folder import Run
from rationale_cli.stages import explain, faithfulness
from rationale_cli.stages.faithfulness import FaithfulnessRequest, run
from rationale_cli.stages.faithfulness_files import file_of

PICTURES = 16


class Bright:
    """A broken attribution: it says that it explains, looks convincing, and never asks the model."""

    Options = PluginOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[Specified] = False

    def __init__(self, options: PluginOptions) -> None:
        self._options = options

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        grid = classifier.model.patch_grid(images.shape[-2], images.shape[-1])
        light = F.adaptive_avg_pool2d(images.detach().mean(dim=1, keepdim=True), grid).squeeze(1)
        relevance = light - light.amin(dim=(1, 2), keepdim=True)
        return Explanation(None, (relevance,) * len(specifications))


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """All plugins, and the broken one."""
    toys = ModuleType("broken_toys")
    toys.Bright = Bright  # type: ignore[attr-defined]
    sys.modules["broken_toys"] = toys
    broken = Registered("attribution", Entry("bright", "broken_toys:Bright", ""), Source("toys", "1", "toys"))
    yield Registry((*Registry.discover().plugins, broken))
    del sys.modules["broken_toys"]


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Run:
    folder = tmp_path_factory.mktemp("faithful")
    settings = {"method": "zs", "dataset": {"use": "scenes", "test_size": PICTURES}}
    one = rationale_cli.finetune(settings, name="zs", root=folder)
    asked = from_mapping({"explain.splits": ["test"], "explain.audit": False}, "test")
    explain.run(requested(one, registry, asked, "gaa,bright,random,uniform"))
    return one


@pytest.fixture(scope="module")
def found(explained: Run, registry: Registry) -> Faithfulness:
    return run(FaithfulnessRequest(explained, registry, steps=2))


def value(found: Faithfulness, name: str, measure: str) -> float:
    (one,) = (one for one in found.sets if one.name == name)
    told = one.measures[measure].value
    assert told is not None
    return told


def test_a_control_that_never_looks_survives_any_model(found: Faithfulness) -> None:
    """Random maps depend on the picture alone; GAA depends on weights and class."""
    for measure in ("shuffled/100%", "other class"):
        assert value(found, "random", measure) == pytest.approx(1, abs=1e-3)
    assert value(found, "gaa-last-dot", "shuffled/100%") < 0.6
    assert abs(value(found, "random", "mirrored")) < 0.3


def test_a_method_that_ignores_the_model_is_named(found: Faithfulness) -> None:
    assert value(found, "bright", "shuffled/100%") == pytest.approx(1, abs=1e-3)
    told = [line for table in faithfulness_tables(found) for line in table.findings if "shuffled" in line]
    assert [line.split()[0] for line in told] == ["bright"]


def test_gaa_finds_what_the_model_needs_better_than_chance(found: Faithfulness) -> None:
    assert value(found, "gaa-last-dot", "faithful/blur") > value(found, "random", "faithful/blur")
    assert value(found, "gaa-last-dot", "auroc") > value(found, "random", "auroc")


def test_heatmaps_without_contrast_say_nothing(found: Faithfulness) -> None:
    (uniform,) = (one for one in found.sets if one.name == "uniform")
    told = {name: one.value for name, one in uniform.measures.items() if name != "causal"}
    assert set(told.values()) == {None}


def test_backgrounds_of_scenes_are_known(found: Faithfulness) -> None:
    assert found.object_share is not None
    assert found.object_share.value is not None
    assert 0.5 < found.object_share.value <= 1, "zero-shot reads the object"
    assert set(found.ranking()) == {"gaa-last-dot", "bright"}


def test_it_is_kept_and_told(explained: Run, found: Faithfulness) -> None:
    kept = json.loads(file_of(explained, "test").read_text(encoding="utf-8"))
    assert kept["n"] == found.n == PICTURES
    titles = [table.title for table in faithfulness_tables(found)]
    assert len(titles) == 5
    assert all("zs · test · 16 pictures" in title for title in titles[:-1])


def test_an_unknown_split_is_refused(explained: Run, registry: Registry) -> None:
    with pytest.raises(InputError, match=r"on nowhere but there is none\. Known: test"):
        run(FaithfulnessRequest(explained, registry, "nowhere"))


def test_pictures_are_limited(explained: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """And few of them are explained again."""
    monkeypatch.setattr(faithfulness, "AGAIN", 2)
    one = run(FaithfulnessRequest(explained, registry, limit=3, steps=2))
    assert one.n == 3
    (gaa,) = (each for each in one.sets if each.name == "gaa-last-dot")
    assert (gaa.measures["energy"].n, gaa.measures["mirrored"].n) == (3, 2)
