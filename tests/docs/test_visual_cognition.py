"""The commands of docs/how-to/visual-cognition.md that make and describe stimuli work as typed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_stimuli_are_made_and_described(repo: Path, tmp_path: Path) -> None:
    page = (repo / "docs/how-to/visual-cognition.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.S) for line in block.splitlines()]
    commands = [words for words in map(shlex.split, lines) if words[:2] == ["rationale", "data"]]
    assert len(commands) == 3
    for _, *words in commands:
        done = subprocess.run(
            [sys.executable, "-m", "rationale_cli", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stderr}"
    assert (tmp_path / "removals" / "stimuli.csv").is_file()
    assert (tmp_path / "folder-sheet.png").is_file()
