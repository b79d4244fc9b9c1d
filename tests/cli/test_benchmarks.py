"""Benchmarks run, on the smallest model and a few pictures. What they measure then means nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import ENVIRONMENT

BENCHMARKS = {
    "explain": ("--models", "tiny-clip", "tiny-albef", "--no-peers", "--no-memory", "--rounds", "2"),
    "attributions": ("--models", "tiny-clip", "--only", "gaa"),
    "pipeline": ("--model", "tiny-clip", "--pictures", "16", "--batch-size", "8", "--rounds", "1"),
    "scoring": ("--pictures", "200", "--classes", "10", "--rounds", "1"),
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_tells_what_it_measured_and_on_what(repo: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, f"benchmarks/{name}.py", *BENCHMARKS[name], "--json"],
        cwd=repo,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document.pop("machine")["torch"]
    assert all(document.values())
    for row in document.get("rows", []):
        assert row.get("ratio", 1) > 0


def test_a_models_texts_are_as_wide_as_what_they_are_compared_with(repo: Path) -> None:
    # ALBEF's joint embedding is narrower than its features.
    asked = "import torch, subjects; print(*subjects.subject('albef', torch.device('cpu')).plain().shape)"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=repo / "benchmarks",
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["8", "10"], done.stderr
