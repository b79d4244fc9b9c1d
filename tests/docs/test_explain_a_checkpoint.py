"""What the page on checkpoints of others tells a reader to type works as typed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Typed

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_page(repo: Path, typed: Typed, tmp_path: Path) -> None:
    page = (repo / "docs/how-to/explain-a-checkpoint.md").read_text(encoding="utf-8")
    blocks = dict(FENCE.findall(page))
    lines = blocks["sh"].splitlines()
    assert len(lines) == 3
    made = subprocess.run(
        [sys.executable, "-c", blocks["python"]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    outcomes = [typed(line, tmp_path) for line in lines]
    assert "probe" in outcomes[-1].stdout
