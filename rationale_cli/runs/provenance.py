"""Where a result comes from: versions, hardware, revision, hashes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PACKAGES = (
    "rationale",
    "torch",
    "torchvision",
    "open_clip_torch",
    "transformers",
    "timm",
    "accelerate",
    "pluggy",
    "numpy",
    "scipy",
    "pillow",
)
"""Distributions whose versions a run records."""


def versions(distributions: Iterable[str] = ()) -> dict[str, str]:
    """Versions of Python, of ``PACKAGES`` and of the plugins' distributions."""
    found = {"python": platform.python_version()}
    for name in dict.fromkeys((*PACKAGES, *distributions)):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def hardware(device: str, processes: int) -> dict[str, Any]:
    """The machine in the terms that change results or speed."""
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "device": device,
        "processes": processes,
    }


def revision(folder: Path) -> str | None:
    """The git revision of the folder that holds the work, marked where files differ from it."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changed else commit


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
