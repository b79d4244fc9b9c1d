"""What the page on checkpoints of others tells a reader to type works as typed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_page(repo: Path, tmp_path: Path) -> None:
    page = (repo / "docs/how-to/explain-a-checkpoint.md").read_text(encoding="utf-8")
    blocks = dict(FENCE.findall(page))
    commands = [[sys.executable, "-c", blocks["python"]]]
    commands += [
        [sys.executable, "-m", "rationale_cli", *shlex.split(line)[1:]] for line in blocks["sh"].splitlines()
    ]
    assert len(commands) == 4
    for command in commands:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert "probe" in done.stdout
