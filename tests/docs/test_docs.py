"""What the documents tell a reader to type works as typed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import Typed

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(path.read_text(encoding="utf-8")) if kind == language]


@pytest.mark.slow
def test_the_tutorial(repo: Path, typed: Typed, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "PICTURE", format="PNG")
    lines = "".join(blocks(repo / "docs/tutorial/first-run.md", "sh")).splitlines()
    assert len(lines) >= 6
    for line in lines:
        typed(line, tmp_path)
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "seen.png").is_file()


@pytest.mark.slow
def test_the_library_page(repo: Path, tmp_path: Path) -> None:
    code = "\n".join(blocks(repo / "docs/how-to/use-the-library.md", "python"))
    outcome = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    assert len(outcome.stdout.splitlines()) == 3
    assert (tmp_path / "report.html").is_file()


def test_bring_your_own_model(repo: Path, tmp_path: Path) -> None:
    (code,) = blocks(repo / "docs/how-to/bring-your-own-model.md", "python")
    outcome = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "torch.Size([2, 2]) torch.Size([2, 7, 7])\n"


def test_links_lead_somewhere(repo: Path) -> None:
    pages = [repo / "README.md", *(repo / "docs").rglob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken
