"""A checkpoint that was trained elsewhere, from the file to the scores."""

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


def test_explain_and_score_a_checkpoint(rationale: Command, tmp_path: Path) -> None:
    head(tmp_path)
    told = rationale("import", "head.pt", "--run", "probe", "--json").stdout
    facts = json.loads(told)
    assert (facts["format"], facts["method"]) == ("linear", "rationale:lp")
    rationale("explain", "probe", *QUICK)
    rationale("explain", "--checkpoint", "head.pt", "--model", "tiny-clip", *QUICK)
    other = next(path for path in (tmp_path / "runs").iterdir() if path.name != "probe")
    tables = [
        load_run(run).evidence("test")["gaa-last-dot"].table for run in (tmp_path / "runs/probe", other)
    ]
    assert (tables[0].rma == tables[1].rma).all()
    assert "probe" in rationale("score", "probe").stdout
    recorded = load_run(other).manifest["provenance"]["checkpoint"]["files"]["head.pt"]
    assert len(recorded["sha256"]) == 64


def test_what_does_not_go_together_is_told(rationale: Command, tmp_path: Path) -> None:
    head(tmp_path)
    assert "add --checkpoint FILE" in rationale("explain", "--model", "tiny-clip", code=2).stderr
    assert "got both" in rationale("explain", "a-run", "--checkpoint", "head.pt", code=2).stderr
    assert "Did you mean 'linear'" in rationale("import", "head.pt", "--format", "linaer", code=2).stderr
