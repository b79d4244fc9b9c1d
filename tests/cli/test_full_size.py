"""The models of the paper at full size, by the command line: tuned and explained on pictures of two kinds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rationale_cli import load_run

QUICK = ["--epochs", "1", "--limit", "4", "--batch-size", "4"]
FEW = ["--split", "test", "--limit", "4", "--no-audit", "--set", "explain.witness=false"]


@pytest.fixture
def data(request, shared):
    return ["--dataset", "folder", "--data", str(shared / "data" / "generic")]


# ViT-B/32 is tuned on photographs in tests/parity. Each of the others meets one method here, on drawn scenes
# or on photographs; `benchmarks/models.py` runs all of them on either, and the tiny models of the
# same code meet every method in the matrix.
PAIRS = [("clip-vit-b-16", "lp", False), ("albef", "lp", True), ("blip", "ft", False)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "method", "photographs"),
    PAIRS,
    ids=[f"{model}-{method}-{'photographs' if real else 'scenes'}" for model, method, real in PAIRS],
)
def test_tune_and_explain(model, method, photographs, request, rationale, tmp_path):
    source = request.getfixturevalue("data") if photographs else []
    rationale("finetune", "--model", model, "--weights", "none", "--method", method, *QUICK, *source)
    told = json.loads(rationale("explain", *FEW, "--json").stdout)
    (folder,) = (tmp_path / "runs").iterdir()
    run = load_run(folder.name, tmp_path / "runs")
    evidence = run.evidence("test")["gaa-last-dot"]
    heatmaps = evidence.heatmaps()
    assert heatmaps.shape == (4, 14, 14)
    assert np.isfinite(heatmaps).all()
    assert (np.asarray(heatmaps, dtype=np.float32).reshape(4, -1).sum(axis=1) > 0).all()
    assert run.manifest["training"]["steps"] == (method != "zs")
    assert told
    assert Path(run.checkpoint).stat().st_size > 0
