"""Regularizers through the real command."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rationale_cli import load_run

from .conftest import Command

QUICK = ("--method", "coop", "--set", "method.context=4", "--epochs", "2", "--limit", "64")
SHOWN = ("--split", "test", "--limit", "24", "--no-audit")


def test_prompts_are_tuned_beside_outliers_and_explained(rationale: Command, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("teapot\nbanana\nriver\nStriped\nlion\n")
    asked = ("--regularizer", "dor", "--vocabulary", "words.txt", "--set", "regularizer.per_step=2")
    rationale("finetune", *QUICK, *asked)
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("tiny-clip-coop-dor-scenes-")
    (tmp_path / "words.txt").unlink()
    rationale("explain", *SHOWN)
    run = load_run(folder)
    (recorded,) = run.configuration["regularizer"]
    assert (recorded["use"], recorded["options"]["per_step"]) == ("rationale:dor", 2)
    assert list(run.manifest["provenance"]["regularizer_files"]) == ["words.txt"]
    assert np.isfinite(run.evidence("test")["gaa-last-dot"].table.rma).all()
