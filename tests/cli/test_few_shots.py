"""Few shots through the real command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rationale_cli import finetune, load_run
from rationale_cli.errors import InputError

from .conftest import Command

SHOWN = ("--split", "test", "--limit", "24", "--no-audit")


def test_a_cache_of_few_shots_is_tuned_and_explained(rationale: Command, tmp_path: Path) -> None:
    quick = ("--shots", "2", "--set", "method.passes=2")
    told = rationale("finetune", "--method", "tip-adapter", *quick)
    assert "Found validation accuracy" in told.stdout
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("tiny-clip-tip-adapter-scenes-2-shots-")
    rationale("explain", *SHOWN)
    run = load_run(folder)
    assert load_file(run.checkpoint)["keys"].shape == (24, 128)
    evidence = run.evidence("test")["gaa-last-dot"]
    assert len(evidence.table) == 24
    assert np.isfinite(evidence.table.rma).all()


def test_too_many_shots_are_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"12 of 12 classes have fewer: striped \(200\)"):
        finetune({"method": "lp", "train.shots": 201, "model.weights": "none"}, root=tmp_path)
    assert not list(tmp_path.iterdir())
