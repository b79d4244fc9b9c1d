"""Many attributions of both classes in one go."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rationale_cli import explain, finetune
from rationale_cli.engine.request import requested
from rationale_cli.errors import InputError
from rationale_cli.recipe import Given
from rationale_cli.registry import Registry
from rationale_cli.runs.folder import Run
from rationale_cli.stages.picture import run as explain_picture

FEW = {
    "explain.limit": 8,
    "explain.batch_size": 5,
    "explain.splits": "test",
    "explain.audit": False,
    "explain.witness": False,
    "explain.neighbours": 0,
}
GROUND = ("gaa-last-dot", "rise")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    # Of random weights, most predictions are wrong.
    return finetune({"method": "zs", "model.weights": "none"}, root=tmp_path_factory.mktemp("runs"))


def copied(run: Run, folder: Path) -> Run:
    shutil.copytree(run.path, folder / run.name)
    return Run.open(folder / run.name)


def explained(run: Run, attribution: str, **more: Any) -> Run:
    settings = {**FEW, **{f"explain.{key}": value for key, value in more.items()}}
    settings |= {"attribution.masks": 4} if "rise" in attribution else {}
    return explain(run, settings, attribution=attribution)


def test_both_classes_at_once_are_each_of_them(tuned: Run, tmp_path: Path) -> None:
    many = {"limit": 48, "batch_size": 20}
    both = explained(copied(tuned, tmp_path / "a"), "gaa,rise", target="both", **many).evidence("test")
    alone = explained(copied(tuned, tmp_path / "b"), "gaa,rise", target="prediction", **many).evidence("test")
    assert set(both) == {*GROUND, *(f"{name}@prediction" for name in GROUND)}
    for name in GROUND:
        label, prediction, wanted = both[name], both[f"{name}@prediction"], alone[f"{name}@prediction"]
        assert (label.spec.target, prediction.spec.target) == ("label", "prediction")
        assert prediction.spec == wanted.spec
        np.testing.assert_allclose(prediction.heatmaps(), wanted.heatmaps(), atol=2e-3)
        right = label.table.label == label.table.prediction
        assert 0 < right.sum() < len(right)
        same = (label.heatmaps() == prediction.heatmaps()).all(axis=(1, 2))
        assert same.tolist() == right.tolist()


def test_what_is_there_of_one_class_is_kept(tuned: Run, tmp_path: Path) -> None:
    run = explained(copied(tuned, tmp_path), "gaa")
    written = run.path / "evidence" / "test" / "gaa-last-dot" / "heatmaps.npy"
    before = written.stat().st_mtime_ns
    done = explained(run, "gaa", target="both").evidence("test")
    assert set(done) == {"gaa-last-dot", "gaa-last-dot@prediction"}
    assert written.stat().st_mtime_ns == before


def test_options_that_nobody_has_and_several_for_one_picture_are_refused(tuned: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of these attributions has such an option"):
        explain(tuned, {"attribution.mask": 3}, attribution="gaa,rise")
    with pytest.raises(InputError, match="unknown option of attribution 'rise'"):
        explain(tuned, {"attribution.mask": 3}, attribution="rise")
    layers = {"explain.layers": Given("all", "--layers")}
    with pytest.raises(InputError, match="has no layers"):
        requested(tuned, Registry.discover(), layers, "gaa,rise")
    everything = requested(tuned, Registry.discover(), layers, "all")
    with pytest.raises(InputError, match="one attribution for one picture"):
        explain_picture(everything, tmp_path / "missing.png", None, None)
