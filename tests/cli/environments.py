"""Virtual environments of their own, which see the packages of the running one."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .conftest import ENVIRONMENT, Outcome


@dataclass(frozen=True)
class VirtualEnvironment:
    """An environment that a test may install plugins into."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> VirtualEnvironment:
        """Make one. Its packages are the running interpreter's, by a path file, so nothing is downloaded."""
        venv.create(path, with_pip=False, symlinks=os.name != "nt")
        made = cls(path)
        ours = sysconfig.get_paths()["purelib"]
        # addsitedir and not the bare path: an editable installation is a path file over there.
        (made.packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        return made

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        scheme = sysconfig.get_paths(vars={"base": str(self.path), "platbase": str(self.path)})
        return Path(scheme["purelib"])

    def install(self, folder: Path) -> None:
        """Install a distribution from its folder, offline, as a user would."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        offline = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *offline, str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def add(self, name: str, files: Mapping[str, str], entry: str) -> None:
        """Lay a distribution down by hand: its modules, and metadata with one entry point."""
        for file, source in files.items():
            (self.packages / file).write_text(source)
        metadata = self.packages / f"{name.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[rationale]\nplugin = {entry}\n")

    def rationale(self, *words: str, cwd: Path, code: int = 0, **environment: str) -> Outcome:
        """Run ``rationale`` in this environment."""
        done = subprocess.run(
            [str(self.python), "-m", "rationale_cli", *words],
            cwd=cwd,
            env={**ENVIRONMENT, **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        told = f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, told
        assert "Traceback" not in done.stderr, told
        return done
