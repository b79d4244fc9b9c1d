"""Explaining stores how near each picture is to those tuned on, and scoring makes PIECE of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rationale_cli import explain, finetune, score
from rationale_cli.engine.batches import Pictures, chunks, loader
from rationale_cli.engine.build import build, restore_checkpoint
from rationale_cli.engine.request import requested
from rationale_cli.measures.calibration import piece, proximity
from rationale_cli.measures.results import to_json
from rationale_cli.registry import Registry
from rationale_cli.reporting.calibration_tables import caveats
from rationale_cli.runs.folder import Run
from rationale_cli.runs.predictions import PredictionSet, write_predictions
from rationale_cli.toolkit.geometry import normalise

SMALL = {"use": "scenes", "train_size": 60, "test_size": 24}
QUICK = {"explain.audit": False, "explain.witness": False, "explain.batch_size": 8}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("runs")
    run = finetune({"method": "zs", "model.weights": "none", "dataset": SMALL}, root=root)
    return explain(run, {**QUICK, "explain.splits": "test,train"})


@pytest.fixture
def fresh(made: Run, tmp_path: Path) -> Run:
    shutil.copytree(made.path, tmp_path / made.name)
    return Run.open(tmp_path / made.name)


def features(run: Run, split: str) -> tuple[list[str], np.ndarray]:
    """Unit features of a split by a forward of their own."""
    built = build(requested(run, Registry.discover()).configuration)
    restore_checkpoint(run, built.classifier)
    pictures = Pictures(built.dataset.split(split), built.preprocessing, evidence=False)
    ids, parts = [], []
    for batch in loader(pictures, chunks(range(len(pictures)), 20), 0):
        found = built.classifier.features(normalise(batch.pixels, built.preprocessing)).detach().numpy()
        ids += batch.ids
        parts.append(found / np.linalg.norm(found, axis=1, keepdims=True))
    return ids, np.concatenate(parts).astype(np.float64)


def near_of(run: Run, split: str) -> dict[str, float]:
    there = run.predictions(split)
    assert there is not None
    stored = there.proximity()
    assert stored is not None
    return dict(zip(map(str, there.table.id), stored.tolist(), strict=True))


def test_they_are_to_the_pictures_trained_on_and_never_to_the_picture_itself(made: Run) -> None:
    _, base = features(made, "train")
    ids, pictures = features(made, "test")
    expected = dict(zip(ids, proximity(pictures, base, 5), strict=True))
    assert near_of(made, "test") == pytest.approx(expected, abs=2e-3)  # the base is kept in half precision
    ids, pictures = features(made, "train")
    others = {
        identifier: proximity(pictures[[row]], np.delete(base, row, axis=0), 5)[0]
        for row, identifier in enumerate(ids)
    }
    assert near_of(made, "train") == pytest.approx(others, abs=2e-3)
    facts = made.predictions("test").near
    assert facts == {"neighbours": 5, "split": "train", "part": "trained on", "pictures": 60}


def test_they_need_no_second_forward_and_the_base_is_looked_at_once(
    fresh: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rationale_cli.toolkit.heads import TextClassifier

    shutil.rmtree(fresh.path / "evidence")
    seen: list[int] = []
    plain = TextClassifier.features
    monkeypatch.setattr(
        TextClassifier, "features", lambda self, images: (seen.append(len(images)), plain(self, images))[1]
    )
    explain(fresh, {**QUICK, "explain.splits": "test"})
    with_base = sum(seen)
    seen.clear()
    shutil.rmtree(fresh.path / "evidence")
    explain(fresh, {**QUICK, "explain.splits": "test", "explain.neighbours": 0})
    assert with_base == sum(seen)
    assert fresh.predictions("test").proximity() is None


def test_old_probabilities_still_score_and_say_what_adds_proximities(fresh: Run) -> None:
    folder = fresh.path / "evidence" / "test"
    shutil.rmtree(fresh.path / "evidence" / "train")
    for name in ("proximity.npy", "proximity.yaml"):
        (folder / "prediction" / name).unlink()
    (table,) = score([fresh.path]).tables
    found = table.rows[0].calibration
    assert "PIECE" not in found.predictions[0].metrics and "ECE" in found.predictions[0].metrics
    (said,) = [line for line in caveats(table) if "PIECE" in line]
    assert f"rationale explain {fresh.name} --set explain.neighbours=5" in said
    explain(fresh, {**QUICK, "explain.splits": "test"})  # nothing asks for them
    assert fresh.predictions("test").proximity() is None
    explain(fresh, {**QUICK, "explain.splits": "test", "explain.neighbours": 5})
    assert fresh.predictions("test").proximity() is not None


def test_piece_is_of_the_stored_proximities_with_its_interval(made: Run) -> None:
    result = score([made.path])
    (table,) = (one for one in result.tables if one.split == "test")
    own = table.rows[0].calibration.predictions[0]
    there = made.predictions("test")
    right = there.table.prediction == there.table.label
    one = own.metrics["PIECE"]
    assert one.value == pytest.approx(piece(there.table.confidence, right, there.proximity(), 15))
    assert 0 <= one.low <= one.high <= 1
    assert own.expected_piece >= own.expected_ece
    assert "PIECE" in json.dumps(to_json(result))
    assert any("5 nearest of 60 pictures of train that were trained on" in line for line in caveats(table))


def test_other_neighbours_are_computed_anew(fresh: Run) -> None:
    before = near_of(fresh, "test")
    explain(fresh, {**QUICK, "explain.splits": "test", "explain.neighbours": 10})
    after = near_of(fresh, "test")
    assert all(after[one] < before[one] for one in before)
    assert fresh.predictions("test").near["neighbours"] == 10


def test_without_pictures_of_the_tuning_there_is_a_reason_and_no_further_pass(
    fresh: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rationale_plugins.datasets.scenes import Scenes

    from rationale_cli.errors import InputError

    plain = Scenes.split

    def only_test(self: Any, name: str) -> Any:
        if name == "train":
            raise InputError("Expected the training pictures but they are not on this machine.")
        return plain(self, name)

    shutil.rmtree(fresh.path / "evidence")
    (fresh.path / "base-features.npz").unlink()
    monkeypatch.setattr(Scenes, "split", only_test)
    asked = {**QUICK, "explain.splits": "test", "explain.neighbours": 5}
    explain(fresh, asked)
    assert fresh.predictions("test").proximity() is None
    (table,) = score([fresh.path]).tables
    assert any("they are not on this machine" in line for line in caveats(table))
    written = (fresh.path / "evidence" / "test" / "prediction" / "table.parquet").stat().st_mtime_ns
    explain(fresh, asked)
    assert (fresh.path / "evidence" / "test" / "prediction" / "table.parquet").stat().st_mtime_ns == written
    monkeypatch.setattr(Scenes, "split", plain)
    explain(fresh, asked)
    assert fresh.predictions("test").proximity() is not None


def test_a_quick_look_looks_at_few_base_pictures(fresh: Run) -> None:
    shutil.rmtree(fresh.path / "evidence")
    explain(fresh, {**QUICK, "explain.splits": "test", "explain.limit": 8})
    assert fresh.predictions("test").near["pictures"] == 8


def test_pictures_held_out_come_before_those_trained_on(tmp_path: Path) -> None:
    settings = {"method": "tip-adapter", "model.weights": "none", "dataset": SMALL, "train.shots": 2}
    run = explain(
        finetune({**settings, "method.passes": 1}, root=tmp_path), {**QUICK, "explain.splits": "test"}
    )
    assert run.predictions("test").near | {"pictures": 24} == {
        "neighbours": 5,
        "split": "train",
        "part": "held out",
        "pictures": 24,
    }


def test_a_damaged_cache_is_made_anew(fresh: Run) -> None:
    before = near_of(fresh, "test")
    shutil.rmtree(fresh.path / "evidence")
    (fresh.path / "base-features.npz").write_bytes(b"PK\x03\x04 not an archive")
    explain(fresh, {**QUICK, "explain.splits": "test"})
    assert near_of(fresh, "test") == pytest.approx(before, abs=1e-6)


def test_pictures_of_another_pass_have_none_to_other_pictures(tmp_path: Path) -> None:
    def columns(ids: list[str], near: float) -> dict[str, np.ndarray]:
        n = len(ids)
        own = {f"prediction/{name}": np.full(n, 0.5) for name in ("confidence", "log_true", "brier")}
        plain = {"id": np.array(ids), "label": np.zeros(n, np.int32), "prediction": np.zeros(n, np.int32)}
        return plain | own | {"prediction/proximity": np.full(n, near)}

    same, other = {"neighbours": 5, "pictures": 9}, {"neighbours": 5, "pictures": 3}
    write_predictions(tmp_path, columns(["1", "2"], 0.1), same)
    write_predictions(tmp_path, columns(["2", "3"], 0.2), same)

    assert PredictionSet.open(tmp_path / "prediction").proximity().tolist() == [0.2, 0.2, 0.1]
    write_predictions(tmp_path, columns(["4"], 0.3), other)
    there = PredictionSet.open(tmp_path / "prediction")
    assert there.table.id.tolist() == ["4", "2", "3", "1"] and there.near == other
    np.testing.assert_array_equal(there.proximity(), [0.3, np.nan, np.nan, np.nan])
