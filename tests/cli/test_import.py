"""A checkpoint that was trained elsewhere, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from rationale_cli import load_run

from .conftest import Command

QUICK = ("--split", "test", "--limit", "12", "--no-audit", "--set", "explain.witness=false")


def head(folder: Path) -> Path:
    torch.manual_seed(0)
    torch.save(torch.nn.Linear(128, 12).state_dict(), folder / "head.pt")
    return folder / "head.pt"


def test_explain_a_checkpoint(rationale: Command, tmp_path: Path) -> None:
    head(tmp_path)
    rationale("explain", "--checkpoint", "head.pt", "--model", "tiny-clip", *QUICK)
    (folder,) = (tmp_path / "runs").iterdir()
    run = load_run(folder)
    assert len(run.evidence("test")["gaa-last-dot"].table.rma) == 12
    assert len(run.manifest["provenance"]["checkpoint"]["files"]["head.pt"]["sha256"]) == 64
    facts = json.loads(rationale("import", "head.pt", "--model", "tiny-clip", "--json").stdout)
    assert (facts["run"], facts["format"], facts["method"]) == (run.name, "linear", "rationale:lp")


def test_what_does_not_go_together_is_told(rationale: Command, tmp_path: Path) -> None:
    head(tmp_path)
    assert "add --checkpoint FILE" in rationale("explain", "--model", "tiny-clip", code=2).stderr
    assert "got both" in rationale("explain", "a-run", "--checkpoint", "head.pt", code=2).stderr
    assert "Did you mean 'linear'" in rationale("import", "head.pt", "--format", "linaer", code=2).stderr
