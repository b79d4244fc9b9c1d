"""The tool on trial: on the scenes the truth is known, and the witness must tell it.

A reduced setting of the quickstart: the same model tuned with and without the planted shortcut.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from .conftest import Command

RECIPE = """
name: control
model: tiny-clip
dataset: {use: scenes, train_size: 1200, test_size: 300}
train: {epochs: 3}
explain: {splits: [test, swapped], audit: false}
grid:
  - method: [zs]
  - method: [ft]
    train.split: [train, train-clean]
"""


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory, module_rationale: Command) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("control")
    (folder / "control.yaml").write_text(RECIPE)
    outcome = module_rationale("run", "control.yaml", "--json", cwd=folder)
    return cast(dict[str, Any], json.loads(outcome.stdout)["scores"])


def row(scores: dict[str, Any], split: str, title: str) -> dict[str, Any]:
    (table,) = (one for one in scores["tables"] if one["split"] == split)
    (found,) = (one for one in table["rows"] if one["title"] == title)
    return found


def difference(scores: dict[str, Any], split: str, title: str, metric: str) -> dict[str, Any]:
    (table,) = (one for one in scores["tables"] if one["split"] == split)
    run = row(scores, split, title)["run"]
    (comparison,) = (one for one in table["comparisons"] if one["run"] == run)
    return comparison["differences"][metric]


@pytest.mark.slow
def test_tuning_with_the_shortcut_raises_accuracy_where_the_shortcut_holds(scores: dict[str, Any]) -> None:
    gain = difference(scores, "test", "ft · train", "accuracy")
    assert gain["significant"]
    assert gain["low"] > 0


@pytest.mark.slow
def test_the_witness_finds_the_shortcut(scores: dict[str, Any]) -> None:
    exact = row(scores, "test", "ft · train")["witness"]["exact"]["accuracy"]
    assert exact["low"] > 2 / 12
    rise = difference(scores, "test", "ft · train", "witness:exact")
    assert rise["significant"]
    assert rise["low"] > 0


@pytest.mark.slow
def test_accuracy_falls_where_the_shortcut_misleads(scores: dict[str, Any]) -> None:
    tuned = row(scores, "test", "ft · train")["run"]
    (shift,) = (one for one in scores["shifts"] if one["run"] == tuned and one["split"] == "swapped")
    assert shift["significant"]
    assert shift["high"] < 0
    assert shift["beyond_baseline"]["high"] < 0


@pytest.mark.slow
def test_tuning_without_the_shortcut_does_none_of_this(scores: dict[str, Any]) -> None:
    exact = row(scores, "test", "ft · train-clean")["witness"]["exact"]["accuracy"]
    assert exact["low"] < 1.5 / 12
    rise = difference(scores, "test", "ft · train-clean", "witness:exact")
    assert not rise["significant"]
    clean = row(scores, "test", "ft · train-clean")["run"]
    (shift,) = (one for one in scores["shifts"] if one["run"] == clean and one["split"] == "swapped")
    assert not shift["significant"]
