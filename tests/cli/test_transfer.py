"""``rationale transfer`` after ``rationale run``, on scenes whose landscapes differ from the training's."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Command, Outcome

RECIPE = """\
name: landscapes
description: Does what was learnt beside one's own landscape help on others?
model: tiny-clip
dataset: {use: scenes, train_size: 96, test_size: 48}
train: {epochs: 1, batch_size: 32}
explain: {splits: [test, shifted], audit: false, witness: false, neighbours: 0}
grid:
  - {method: [zs]}
  - {method: [lp], train.seed: [0, 1]}
show:
  - {transfer: sets, title: Other landscapes}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("transfer")
    (made / "small.yaml").write_text(RECIPE)
    (made / "alone.yaml").write_text(RECIPE.replace("  - {method: [zs]}\n", ""))
    return made


@pytest.fixture(scope="module")
def rationale(module_rationale: Command, folder: Path) -> Callable[..., Outcome]:
    return lambda *words, code=0: module_rationale(*words, cwd=folder, code=code)


@pytest.fixture(scope="module")
def shown(rationale: Callable[..., Outcome]) -> str:
    """What the run of the recipe prints."""
    return rationale("run", "small.yaml").stdout


def test_a_run_ends_with_the_matrix_and_a_line_for_each_kind(shown: str, folder: Path) -> None:
    assert "Other landscapes" in shown and "Transfer by kind" in shown
    for title in ("tied", "independent", "other landscapes", "same"):
        assert re.search(rf"^ *.*{title}", shown, re.MULTILINE), title
    page = (folder / "runs" / "landscapes.html").read_text(encoding="utf-8")
    (table,) = re.findall(r'<table class="pivot heat">.*?</table>', page, re.DOTALL)
    assert table.count("<tr><th") == 1 + 2
    assert len(re.findall(r'<td class="\w* own"', table)) == 1


def test_the_command_tells_the_same_of_the_run_folders(
    rationale: Callable[..., Outcome], shown: str, folder: Path
) -> None:
    written = (folder / "runs/landscapes/sets.csv").read_bytes()
    outcome = rationale("transfer", "small.yaml")
    assert outcome.stdout.split("Written:")[0] in shown
    assert (folder / "runs/landscapes/sets.csv").read_bytes() == written
    with (folder / "runs/landscapes/sets-kinds.csv").open(encoding="utf-8", newline="") as text:
        assert {row["kind"] for row in csv.DictReader(text)} == {"same", "landscapes"}


def test_json_is_one_document(rationale: Callable[..., Outcome], shown: str) -> None:
    found = json.loads(rationale("transfer", "small.yaml", "--json").stdout)
    assert [row["method"] for row in found["rows"]] == ["zs", "lp"]
    assert [len(cell["runs"]) for cell in found["rows"][1]["cells"]] == [2, 2]
    assert found["summaries"][0]["conclusion"]
    assert len(found["files"]) == 3


def test_without_runs_or_an_un_tuned_model_the_next_step_is_told(
    rationale: Callable[..., Outcome], shown: str
) -> None:
    refused = rationale("transfer", "small.yaml", "--runs-dir", "elsewhere", code=2).stderr
    assert "none is finished" in refused and "rationale run small.yaml" in refused
    assert "zs" in rationale("transfer", "alone.yaml", code=2).stderr
    assert "threshold" in rationale("transfer", "small.yaml", "--threshold", "2", code=2).stderr
