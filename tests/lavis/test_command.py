"""The plugin in real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rationale_cli import load_run

WITHOUT_LAVIS = """
import importlib.metadata as metadata
found = metadata.distribution
def distribution(name):
    if name == "salesforce-lavis":
        raise metadata.PackageNotFoundError(name)
    return found(name)
metadata.distribution = distribution
"""


def rationale(
    folder: Path, *words: str, code: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RATIONALE_")}
    done = subprocess.run(
        [sys.executable, "-m", "rationale_cli", *words],
        cwd=folder,
        env={**kept, "COLUMNS": "160", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    told = f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == code, told
    assert "Traceback" not in done.stderr, told
    return done


def test_both_models_are_listed(tmp_path):
    listed = rationale(tmp_path, "list", "models").stdout
    assert "lavis-albef" in listed
    assert "lavis-blip" in listed


def test_without_lavis_the_line_for_pip_is_told(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_LAVIS)
    words = ("finetune", "--model", "lavis-albef", "--method", "zs", "--weights", "none", "--limit", "4")
    done = rationale(tmp_path, *words, code=2, PYTHONPATH=str(tmp_path))
    assert "pip install --no-deps salesforce-lavis==1.0.2" in done.stderr
    assert "not installed" in done.stderr
    options = rationale(tmp_path, "info", "model", "lavis-blip", PYTHONPATH=str(tmp_path)).stdout
    assert "image_size" in options


@pytest.mark.slow
@pytest.mark.parametrize(("model", "method"), [("lavis-albef", "ft"), ("lavis-blip", "flcp")])
def test_full_size_models_are_tuned_and_explained(tmp_path, model, method):
    words = ("--weights", "none", "--limit", "4", "--batch-size", "4", "--epochs", "1", "--run", "one")
    tuned = rationale(tmp_path, "finetune", "--model", model, "--method", method, *words)
    assert "transformers" not in tuned.stderr.lower(), "LAVIS's age is nothing to tell the user"
    rationale(tmp_path, "explain", "one", "--split", "test", "--limit", "4", "--batch-size", "4")
    run = load_run("one", tmp_path / "runs")
    evidence = run.evidence("test")["gaa-last-dot"]
    assert len(evidence.table.id) == 4
    assert evidence.heatmaps().std() > 0
