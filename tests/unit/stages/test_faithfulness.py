"""Heatmaps of a real model on drawn scenes, tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rationale_cli
from rationale_cli.errors import InputError
from rationale_cli.measures.faithfulness import Faithfulness
from rationale_cli.registry import Registry
from rationale_cli.reporting.faithfulness_tables import faithfulness_tables
from rationale_cli.runs.folder import Run
from rationale_cli.stages.faithfulness import FaithfulnessRequest, run
from rationale_cli.stages.faithfulness_files import file_of

PICTURES = 16


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("faithful")
    settings = {"method": "zs", "dataset": {"use": "scenes", "test_size": PICTURES}}
    one = rationale_cli.finetune(settings, name="zs", root=folder)
    explain = {"explain.splits": ["test"], "explain.audit": False}
    rationale_cli.explain(one, explain, attribution="gaa,random,uniform")
    return one


@pytest.fixture(scope="module")
def found(explained: Run) -> Faithfulness:
    return run(FaithfulnessRequest(explained, Registry.discover(), steps=2))


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
    assert found.ranking() == ("gaa-last-dot",)


def test_it_is_kept_and_told(explained: Run, found: Faithfulness) -> None:
    kept = json.loads(file_of(explained, "test").read_text(encoding="utf-8"))
    assert kept["n"] == found.n == PICTURES
    titles = [table.title for table in faithfulness_tables(found)]
    assert len(titles) == 5
    assert all("zs · test · 16 pictures" in title for title in titles[:-1])


def test_an_unknown_split_is_refused(explained: Run) -> None:
    with pytest.raises(InputError, match=r"on nowhere but there is none\. Known: test"):
        run(FaithfulnessRequest(explained, Registry.discover(), "nowhere"))


def test_pictures_are_limited(explained: Run, tmp_path: Path) -> None:
    one = run(FaithfulnessRequest(explained, Registry.discover(), limit=3, steps=2))
    assert one.n == 3
