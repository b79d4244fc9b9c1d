"""Probabilities on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rationale_cli.errors import InputError
from rationale_cli.runs.predictions import PredictionSet, write_predictions


def columns(ids: list[str], first: float, logits: bool = True) -> dict[str, np.ndarray]:
    n = len(ids)
    values = first + np.arange(n) / 100
    found = {
        "id": np.array(ids),
        "label": np.arange(n, dtype=np.int32),
        "prediction": np.arange(n, dtype=np.int32),
        **{f"prediction/{name}": values for name in ("confidence", "log_true", "brier")},
    }
    return found | ({"prediction/logits": np.full((n, 3), first, np.float32)} if logits else {})


def test_pictures_of_another_pass_stay(tmp_path: Path) -> None:
    write_predictions(tmp_path, columns(["a/long/name/1", "2", "3"], 0.2))
    write_predictions(tmp_path, columns(["2", "4"], 0.7))
    there = PredictionSet.open(tmp_path / "prediction")
    assert there.table.id.tolist() == ["2", "4", "a/long/name/1", "3"]
    assert there.table.confidence.tolist() == [0.7, 0.71, 0.2, 0.22]
    assert there.logits()[:, 0].tolist() == np.float32([0.7, 0.7, 0.2, 0.2]).tolist()


def test_a_pass_without_logits_makes_all_anew(tmp_path: Path) -> None:
    write_predictions(tmp_path, columns(["1", "2"], 0.2))
    write_predictions(tmp_path, columns(["3"], 0.7, logits=False))
    there = PredictionSet.open(tmp_path / "prediction")
    assert there.table.id.tolist() == ["3"] and not there.has_logits
    with pytest.raises(InputError, match="logits"):
        there.logits()
