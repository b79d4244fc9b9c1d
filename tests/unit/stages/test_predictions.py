"""What explaining stores of every picture's probabilities."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rationale_cli import calibrate, explain, finetune
from rationale_cli.errors import InputError
from rationale_cli.runs.folder import Run

FEW = {
    "explain.limit": 20,
    "explain.batch_size": 8,
    "explain.splits": "test,shifted",
    "explain.audit": False,
    "explain.witness": False,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("runs")
    run = finetune({"method": "zs", "model.weights": "none"}, root=root)
    return explain(run, FEW)


@pytest.fixture
def fresh(made: Run, tmp_path: Path) -> Run:
    shutil.copytree(made.path, tmp_path / made.name)
    return Run.open(tmp_path / made.name)


def again(run: Run, **changes: Any) -> None:
    explain(run, {**FEW, **{f"explain.{key}": value for key, value in changes.items()}})


def test_probabilities_are_the_softmax_of_the_logits(made: Run) -> None:
    there = made.predictions("test")
    table, logits = there.table, np.array(there.logits(), np.float64)
    assert logits.shape == (20, 12) and there.logits().dtype == np.float32
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    rows = np.arange(20)
    np.testing.assert_array_equal(table.prediction, logits.argmax(axis=1))
    np.testing.assert_allclose(table.confidence, chances.max(axis=1), rtol=1e-12)
    np.testing.assert_allclose(table.log_true, np.log(chances[rows, table.label]), rtol=1e-12)
    np.testing.assert_allclose(
        table.brier, ((chances - np.eye(12)[table.label]) ** 2).sum(axis=1), rtol=1e-12
    )
    evidence = made.evidence("test")["gaa-last-dot"].table
    np.testing.assert_array_equal(table.id, evidence.id)
    np.testing.assert_array_equal(evidence.prediction, table.prediction)
    np.testing.assert_array_equal(evidence.confidence, table.confidence.astype(np.float32))


def test_probabilities_that_lack_are_added_and_nothing_else(fresh: Run) -> None:
    folder = fresh.path / "evidence" / "test"
    before, logits = fresh.predictions("test").table, np.array(fresh.predictions("test").logits())
    shutil.rmtree(folder / "prediction")
    heatmaps = (folder / "gaa-last-dot" / "heatmaps.npy").stat().st_mtime_ns
    again(fresh)
    np.testing.assert_array_equal(fresh.predictions("test").table.log_true, before.log_true)
    np.testing.assert_array_equal(fresh.predictions("test").logits(), logits)
    assert (folder / "gaa-last-dot" / "heatmaps.npy").stat().st_mtime_ns == heatmaps


def test_logits_are_kept_as_asked_for(fresh: Run) -> None:
    shutil.rmtree(fresh.path / "evidence" / "test" / "prediction")
    again(fresh, logits=False)
    assert not fresh.predictions("test").has_logits
    again(fresh)
    assert not fresh.predictions("test").has_logits
    again(fresh, logits=True)
    assert fresh.predictions("test").has_logits


def test_another_sample_of_pictures_joins_those_that_are_there(fresh: Run) -> None:
    before = fresh.predictions("test").table
    explain(fresh, {**FEW, "explain.limit": 7}, attribution="center")
    there = fresh.predictions("test")
    ids = [str(one) for one in there.table.id]
    assert len(ids) == len(set(ids)) > 20 and set(before.id) < set(ids)
    rows = [ids.index(str(one)) for one in before.id]
    np.testing.assert_allclose(there.table.log_true[rows], before.log_true, rtol=1e-4)
    np.testing.assert_array_equal(there.table.prediction, there.logits().argmax(axis=1))


def test_dac_embeds_the_class_names(made: Run, fresh: Run) -> None:
    result = calibrate(fresh, "shifted", "dac")
    # Zero-shot class vectors did not move, and every class occurs or is as near as it was.
    assert all(factor == pytest.approx(1) for factor in result.made.parameters["factors"].values())
    assert result.splits[0].after.metrics["NLL"].value == pytest.approx(
        result.splits[0].before.metrics["NLL"].value
    )


def test_dac_of_classes_that_were_not_tuned_on(tmp_path: Path) -> None:
    dataset = {"use": "scenes", "train_size": 48, "test_size": 48, "classes": "base-to-new"}
    settings = {"dataset": dataset, "method": "flcp", "train.epochs": 2, "method.lr": 1e-3}
    run = explain(finetune(settings, root=tmp_path), {"explain.audit": False, "explain.witness": False})
    result = calibrate(run, "test-base", "dac")
    new = run.evidence("test-new")["gaa-last-dot"].spec.classnames
    factors = result.made.parameters["factors"]
    assert set(factors) == set(new) and not np.allclose(list(factors.values()), 1, atol=1e-3)
    before, after = run.predictions("test-new"), run.calibrated("test-new")["dac"]
    np.testing.assert_array_equal(after.table.prediction, before.table.prediction)
    by_class = np.array([factors[name] for name in new])
    scaled = before.logits() * by_class[before.table.prediction][:, None].astype(np.float64)
    chances = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    expected = chances.max(axis=1) / chances.sum(axis=1)
    np.testing.assert_allclose(after.table.confidence, expected, rtol=1e-9)


def test_dac_refuses_a_linear_head(tmp_path: Path) -> None:
    run = finetune(
        {"method": "lp", "model.weights": "none", "train.limit": 16, "train.epochs": 1}, root=tmp_path
    )
    explain(run, FEW)
    with pytest.raises(InputError, match="linear head"):
        calibrate(run, "shifted", "dac")
