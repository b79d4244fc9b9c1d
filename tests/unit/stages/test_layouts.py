"""From a recipe's cells to what it shows: every cell by its own estimator, in files and in the report."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from rationale_plugins import register as built_in

from rationale_cli.contracts import PluginOptions
from rationale_cli.errors import InputError
from rationale_cli.hooks import Entry, hookimpl
from rationale_cli.recipe import load_recipe
from rationale_cli.registry import Registry
from rationale_cli.runs.folder import Run
from rationale_cli.stages.entries import EntryRequest, entries
from rationale_cli.stages.grid import Cell, GridRequest, GridResult
from rationale_cli.stages.grid import run as grid
from rationale_cli.stages.layouts import LayoutResult
from rationale_cli.stages.layouts import run as layouts
from rationale_cli.stages.report import of_scored
from rationale_cli.stages.score import ScoreRequest, recorded
from rationale_cli.testing import FakeModel, ToyDataset

from ..reporting.reading import read

RECIPE = """\
name: "../small <b>"
description: What <script>alert(1)</script> shows
model: toy
dataset: {use: squares, pictures: 12}
train: {epochs: 1}
explain: {audit: false, witness: false}
optional: [not-yet]
grid:
  - {setup: [main], method: [zs, not-yet]}
  - {setup: [main], method: [lp], train.seed: [0, 1]}
  - {setup: [gradient], method: [zs], attribution: [grad-attention]}
  - {setup: [main], method: [zs], dataset: [missing]}
show:
  - {table: rates, title: "Rates & <i>", metrics: [accuracy, PT], rows: [setup, method], columns: [dataset]}
  - {curves: under-fog, metrics: [PT]}
  - {gallery: pictures, pictures: 3}
  - tradeoff: rivals
    rows: [setup, method]
    against: {method: lp}
    columns: [accuracy@test, PT@test, PT@test/occlusion, cost@test]
    planes: [[accuracy@test, PT@test]]
"""


class Missing(ToyDataset):
    """A dataset whose pictures are gone."""

    def __init__(self, options):
        raise InputError("Expected pictures but there are none.")


@pytest.fixture(scope="module")
def registry() -> Registry:
    plugins = ModuleType("shown_toys")
    plugins.FakeModel, plugins.ToyDataset, plugins.Missing = FakeModel, ToyDataset, Missing
    plugins.Options = PluginOptions
    sys.modules["shown_toys"] = plugins
    register = ModuleType("shown_toy_register")
    register.rationale_models = hookimpl(lambda: [Entry("toy", "shown_toys:FakeModel", "")])
    register.rationale_datasets = hookimpl(
        lambda: [Entry("squares", "shown_toys:ToyDataset", ""), Entry("missing", "shown_toys:Missing", "")]
    )
    return Registry.from_modules({"rationale": built_in, "toys": register})


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def request_of(work: Path, registry: Registry, text: str) -> GridRequest:
    path = work / "recipe.yaml"
    path.write_text(text)
    return GridRequest(load_recipe(path), registry, {}, work / "runs")


@pytest.fixture(scope="module")
def done(work: Path, registry: Registry) -> tuple[GridRequest, GridResult]:
    request = request_of(work, registry, RECIPE)
    result = grid(request)
    for run in result.runs:
        _also_in_fog(run)
    return request, result


def _also_in_fog(run: Run) -> None:
    """As if the run had been explained on corrupted pictures too, with the same outcome."""
    folder = run.path / "evidence"
    shutil.copytree(folder / "test", folder / "test+fog-3")
    for path in (folder / "test+fog-3").rglob("spec.yaml"):
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"split": "test+fog-3"}))


def placed(request: GridRequest, result: GridResult) -> EntryRequest:
    scored = recorded(ScoreRequest(result.runs, replicates=100, mismatch="separate"))
    return EntryRequest(result.cells, result.runs, scored.result, scored.prepared.groups, request.registry)


@pytest.fixture(scope="module")
def shown(done: tuple[GridRequest, GridResult]) -> LayoutResult:
    request, result = done
    return layouts(request.recipe, placed(request, result), request.root)


def lines(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_files_stand_in_a_folder_of_the_recipes_own(work: Path, shown: LayoutResult) -> None:
    folder = work / "runs" / "small-b"
    names = ["rates.csv", "rates.tex", "under-fog.csv", "pictures.csv", "rivals.csv", "rivals.tex"]
    assert list(shown.files) == [folder / name for name in names]
    assert all(path.is_file() for path in shown.files)


def test_every_cell_is_there_in_its_state(shown: LayoutResult) -> None:
    found = {
        (line["setup"], line["method"], line["dataset"]): line
        for line in lines(shown.files[0])
        if line["metric"] == "accuracy"
    }
    assert {key: line["state"] for key, line in found.items()} == {
        ("main", "zs", "squares"): "measured",
        ("main", "not-yet", "squares"): "waiting",
        ("main", "lp", "squares"): "measured",
        ("gradient", "zs", "squares"): "measured",
        ("main", "zs", "missing"): "failed",
    }
    assert found["main", "lp", "squares"]["seed"] == ""
    assert len(found["main", "lp", "squares"]["runs"].split()) == 2
    assert found["main", "lp", "squares"]["baseline"] == found["main", "zs", "squares"]["runs"]


def test_every_cell_is_scored_by_its_own_estimator(
    done: tuple[GridRequest, GridResult], shown: LayoutResult
) -> None:
    _, result = done
    found = {
        line["setup"]: line
        for line in lines(shown.files[0])
        if line["metric"] == "PT" and line["method"] == "zs" and line["dataset"] == "squares"
    }
    assert found["main"]["runs"] == found["gradient"]["runs"]
    (run,) = (one for one in result.runs if one.name == found["main"]["runs"])
    for setup, name in (("main", "gaa-last-dot"), ("gradient", "grad-attention-last-dot")):
        table = run.evidence("test")[name].table
        right = table.prediction == table.label
        assert found[setup]["specification"] == name
        assert float(found[setup]["value"]) == pytest.approx((table.rma[right] >= 0.5).mean())


def test_curves_hold_the_corrupted_pictures(shown: LayoutResult) -> None:
    found = {(line["method"], line["corruption"], line["severity"]) for line in lines(shown.files[2])}
    assert {("zs", "", "0"), ("zs", "fog", "3"), ("lp", "fog", "3")} <= found


def test_galleries_hold_clean_pictures_only(shown: LayoutResult) -> None:
    found = lines(shown.files[3])
    assert found
    assert {(line["split"], line["corruption"]) for line in found} == {("test", "")}


def test_the_report_shows_it_first(
    done: tuple[GridRequest, GridResult], shown: LayoutResult, tmp_path: Path
) -> None:
    scored = recorded(ScoreRequest(done[1].runs[:1], mismatch="separate"))
    path = of_scored(scored, tmp_path / "r.html", recipe=shown.section).path
    page = read(path.read_text(encoding="utf-8"))
    (main,) = page.find("main")
    sections = [one for one in main.children if one.tag == "section"]
    assert sections[0].attributes["id"] == "recipe"
    section = sections[0]
    assert [one.text for one in section.find("h3")] == [
        "Rates & <i>",
        "under-fog",
        "pictures",
        "rivals",
        "rivals: one measure against another",
    ]
    assert "What <script>alert(1)</script> shows" in section.text
    assert not section.find("script")
    assert not section.find("i")
    table, rivals = section.find("table")
    assert "accuracy, %" in rivals.text and "training time, ×" in rivals.text
    written = {line["value"] for line in lines(shown.files[0]) if line["value"]}
    numbers = {one.text for one in table.all() if "v" in (one.attributes.get("class") or "").split()}
    assert {f"{100 * float(one):.1f}" for one in written} == numbers
    assert {"waiting", "failed"} <= {one.text.strip() for one in table.find("span")}
    assert [
        svg for svg in section.find("svg") if "against severity" in (svg.attributes.get("aria-label") or "")
    ]
    assert [
        svg for svg in section.find("svg") if "a point for each" in (svg.attributes.get("aria-label") or "")
    ]
    pictures = section.find("img")
    assert pictures
    assert all(one.attributes["src"].startswith("data:image/") for one in pictures)


def test_a_recipe_that_shows_nothing_writes_nothing(done: tuple[GridRequest, GridResult], work: Path) -> None:
    request, result = done
    quiet = request_of(work, request.registry, RECIPE.partition("show:")[0])
    found = layouts(quiet.recipe, placed(request, result), work / "elsewhere")
    assert found == LayoutResult(None)
    assert not (work / "elsewhere").exists()


def test_settings_that_are_no_axes_are_never_averaged(work: Path, registry: Registry) -> None:
    text = (
        RECIPE.partition("optional:")[0]
        + "grid: {method: [lp], method.lr: [0.001, 0.1], train.seed: [0, 1]}\n"
    )
    request = request_of(work, registry, text)
    found = entries(placed(request, grid(request)))
    told = {(one.entry.axis("setup"), one.entry.axis("seed")) for one in found}
    assert told == {(f"method.lr={rate}", seed) for rate in ("0.001", "0.1") for seed in ("0", "1")}


def test_pictures_that_were_not_explained_are_missing(
    done: tuple[GridRequest, GridResult], work: Path
) -> None:
    request, result = done
    root = work / "copied"
    shutil.copytree(request.root, root)
    runs = tuple(Run.open(root / run.name) for run in result.runs)
    for run in runs:
        shutil.rmtree(run.path / "evidence" / "test" / "grad-attention-last-dot", ignore_errors=True)
    moved = GridResult(runs, (), tuple(_moved(cell, root) for cell in result.cells))
    found = entries(placed(request, moved))
    states = {(one.entry.axis("setup"), one.entry.axis("corruption")): one.entry.state for one in found
              if one.entry.axis("method") == "zs" and one.entry.axis("dataset") == "squares"}  # fmt: skip
    assert states == {
        ("main", ""): "measured",
        ("main", "fog"): "measured",
        ("gradient", ""): "missing",
        ("gradient", "fog"): "measured",
    }


def _moved(cell: Cell, root: Path) -> Cell:
    return replace(cell, path=root / cell.path.name) if cell.path else cell
