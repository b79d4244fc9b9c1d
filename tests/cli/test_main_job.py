"""The main job through the real command: fine-tune, explain, score, report, and what scripts read of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rationale_cli import load_run

from .conftest import Command
from .loading import loaded

QUICK = ("--limit", "128", "--epochs", "1")


def only_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def test_the_four_verbs_as_typed(rationale: Command, tmp_path: Path) -> None:
    rationale("finetune", "--model", "tiny-clip", "--method", "ft", *QUICK)
    explained = rationale("explain", "--limit", "48")
    assert explained.stdout.count("8 evidence sets written") == 3
    scored = rationale("score", "--threshold", "0.5")
    for word in ("accuracy", "PT", "IR", "evidence lift", "background alone"):
        assert word in scored.stdout
    told = rationale("report")
    report = only_run(tmp_path) / "report.html"
    assert str(report.relative_to(tmp_path)) in told.stdout.replace("\n", "")
    assert report.stat().st_size > 20_000
    scores = json.loads((only_run(tmp_path) / "scores.json").read_text())
    assert scores["tables"][0]["rows"][0]["n"] == 48


def test_json_is_one_document_on_standard_output(rationale: Command, tmp_path: Path) -> None:
    tuned = json.loads(rationale("finetune", "--method", "zs", "--run", "base", "--json").stdout)
    assert tuned["run"] == "base"
    words = ("--split", "test", "--limit", "32", "--no-audit")
    explained = json.loads(rationale("explain", "base", *words, "--json").stdout)
    assert explained[0]["written"] == {"test": ["gaa-last-dot"]}
    assert json.loads(rationale("explain", "base", *words, "--json").stdout)[0]["written"] == {"test": []}
    scores = json.loads(rationale("score", "--threshold", "0.5", "--json").stdout)
    assert scores["tables"][0]["rows"][0]["run"] == "base"
    for word in ("score", "report"):
        assert loaded(word, heavy={"torch", "rationale_cli.stages.score"}, cwd=tmp_path) == {
            "rationale_cli.stages.score"
        }, f"{word} reads what is written: it needs no model"


def test_several_estimators_share_one_pass(rationale: Command, tmp_path: Path) -> None:
    rationale("finetune", "--method", "lp", *QUICK, "--run", "probe")
    words = ("--attribution", "gaa", "--layers", "last,all", "--scalar", "dot,native")
    rationale("explain", "probe", *words, "--split", "test", "--limit", "16")
    evidence = load_run("probe", tmp_path / "runs").evidence("test")
    assert set(evidence) == {"gaa-last-dot", "gaa-last-native", "gaa-all-dot", "gaa-all-native"}
    # A linear head differs from its dot product by a constant: the same gradient, the same heatmap.
    np.testing.assert_allclose(
        evidence["gaa-last-dot"].table.rma, evidence["gaa-last-native"].table.rma, atol=1e-5
    )
    assert not np.allclose(evidence["gaa-last-dot"].table.rma, evidence["gaa-all-dot"].table.rma, atol=1e-3)


def test_a_run_is_repeated_from_its_own_record(rationale: Command, tmp_path: Path) -> None:
    rationale("finetune", "--method", "lp", *QUICK, "--seed", "3", "--run", "first")
    rationale("finetune", "--recipe", "runs/first/run.yaml", "--run", "again")
    one, two = (load_run(name, tmp_path / "runs") for name in ("first", "again"))
    assert one.manifest["training"]["checkpoint_sha256"] == two.manifest["training"]["checkpoint_sha256"]


def test_one_photograph(rationale: Command, tmp_path: Path) -> None:
    rationale("finetune", "--method", "zs", "--run", "base")
    picture = np.random.default_rng(0).integers(0, 255, (90, 140, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "photo.png")
    told = rationale("explain", "base", "--image", "photo.png", "--class", "dotted", "-o", "seen.png")
    assert "Prediction:" in told.stdout
    assert "Heatmap of 'dotted'" in told.stdout
    assert "Words of 'dotted': a " in told.stdout and "Logit without each: a " in told.stdout
    overlay = Image.open(tmp_path / "seen.png")
    assert overlay.size == (640, 640)
    assert not np.array_equal(np.asarray(overlay), np.asarray(overlay.convert("L").convert("RGB")))
    answer = json.loads(rationale("explain", "base", "--image", "photo.png", "--json").stdout)
    assert answer["explained"] == answer["prediction"]
    assert sum(one["probability"] for one in answer["ranking"]) <= 1.0001
    words = "a photo of a {} object".format(answer["explained"]).split()
    assert [one["word"] for one in answer["words"]] == words
    assert sum(one["share"] for one in answer["words"]) == pytest.approx(1)
    refused = rationale("explain", "base", "--image", "photo.png", "--class", "dottet", code=2)
    assert "Did you mean 'dotted'?" in refused.stderr
    assert "photo.txt" in rationale("explain", "base", "--image", "photo.txt", code=2).stderr


@pytest.mark.slow
def test_a_recipe_is_run_once(rationale: Command, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(
        "name: small\n"
        "train: {limit: 64, epochs: 1}\n"
        "explain: {splits: [test], limit: 32}\n"
        "grid: {method: [zs, lp]}\n"
    )
    cells = json.loads(rationale("run", "small.yaml", "--dry-run", "--json").stdout)["cells"]
    assert [one["state"] for one in cells] == ["new", "new"]
    first = rationale("run", "small.yaml")
    assert "Report: runs/small.html" in first.stdout
    assert (tmp_path / "runs" / "small.html").is_file()
    done = json.loads(rationale("run", "small.yaml", "--dry-run", "--json").stdout)["cells"]
    assert [one["state"] for one in done] == ["done", "done"]
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("table.parquet")}
    # What is shown is no part of the cells: it may be added once they are done.
    with (tmp_path / "small.yaml").open("a") as recipe:
        recipe.write("show: [{table: rates, metrics: [accuracy], rows: [method], columns: [dataset]}]\n")
    again = rationale("run", "small.yaml")
    assert "scenes" in again.stdout
    assert "Written: runs/small/rates.csv\nWritten: runs/small/rates.tex\n" in again.stdout
    assert (tmp_path / "runs" / "small" / "rates.tex").is_file()
    assert 'id="recipe"' in (tmp_path / "runs" / "small.html").read_text(encoding="utf-8")
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("table.parquet")}
