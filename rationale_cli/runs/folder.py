"""The run folder: where everything about one fine-tuned model is kept.

::

    runs/<name>/
      run.yaml            configuration (resolved, and what the user passed), versions, provenance, status
      checkpoint/         delta.safetensors: the tensors that tuning changed
      state/              what a killed training resumes from; removed when it is done
      log.jsonl           one line a logged step: epoch, step, loss, lr, images_per_second
      evidence/           see ``rationale_cli.runs.evidence``
      base-features.npz   see ``rationale_cli.runs.base_features``
      scores.json  audit.json  report.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import yaml

from ..errors import InputError
from .atomic import write_text
from .evidence import ContextTable, EvidenceSet, WitnessTable
from .plain_yaml import read_yaml, yaml_text
from .predictions import PredictionSet

SCHEMA = 1
ASIDE = ".aside"
"""A file in the evidence of a split: only an audit asked for it."""
INTERPOLATION = "interpolation"
"""Section of the configuration of a run whose weights were interpolated: ``run``, ``alpha`` and that run's
``checkpoint_sha256``."""
IMPORTED = "imported"
"""Section of the configuration of a run that was trained elsewhere: ``format``, and ``files``, their SHA-256
by name."""


@dataclass(frozen=True)
class Run:
    """One run folder. ``manifest`` is the content of ``run.yaml``."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def configuration(self) -> Mapping[str, Any]:
        """Resolved sections ``model method dataset attribution train explain``, and ``passed``."""
        configuration: Mapping[str, Any] = self.manifest["configuration"]
        return configuration

    @property
    def done(self) -> bool:
        """Whether training has finished, so that the checkpoint is final."""
        return bool(self.manifest["status"] == "done")

    @property
    def checkpoint(self) -> Path:
        """The classifier's delta."""
        return self.path / "checkpoint" / "delta.safetensors"

    @property
    def log(self) -> Path:
        """The training log."""
        return self.path / "log.jsonl"

    @classmethod
    def open(cls, reference: str | Path, root: Path = Path("runs")) -> Self:
        """Open a run by path, or by name below ``root``.

        Raises ``InputError`` where there is none, or the folder is no run.
        """
        candidates = [Path(reference), root / reference]
        for path in candidates:
            if (path / "run.yaml").is_file():
                return cls(path, _read_manifest(path / "run.yaml"))
        folder = next((path for path in candidates if path.is_dir()), None)
        if folder is not None:
            raise InputError(
                "Expected a run folder but it holds no run.yaml.",
                where=str(folder),
                next_step="`rationale list runs` shows the runs that there are",
            )
        raise InputError(
            f"Expected a run but there is none called {str(reference)!r}. {_known(root)}",
            where=str(root),
            next_step="`rationale list runs` shows the runs that there are",
        )

    @classmethod
    def create(cls, path: Path, configuration: Mapping[str, Any], facts: Mapping[str, Any]) -> Self:
        """Make a run folder with its manifest; ``facts`` are versions, hardware and provenance.

        Raises ``InputError`` where the folder already holds something else.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(
                "Expected a new or empty folder for the run but it holds other things.",
                where=str(path),
                next_step="choose another name with --run",
            )
        run = cls(
            path,
            {
                "schema": SCHEMA,
                "name": path.name,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "status": "started",
                "configuration": dict(configuration),
                **facts,
            },
        )
        run._write()
        return run

    def updated(self, **changes: Any) -> Self:
        """The run with keys of its manifest changed, on disk too."""
        run = type(self)(self.path, {**self.manifest, **changes})
        run._write()
        return run

    def splits(self) -> list[str]:
        """Splits with at least one evidence set, each with how its pictures were shown (``test+fog-3``).

        What was set aside is not among them: an audit reads it, and nobody asked for a table of it.
        """
        folder = self.path / "evidence"
        if not folder.is_dir():
            return []
        holding = {spec.parent.parent for spec in folder.glob("*/*/spec.yaml")}
        found = [one.name for one in holding if not (one / ASIDE).is_file()]
        wanted: tuple[str, ...] = tuple(self.manifest.get("splits", ()))
        order = {split: place for place, split in enumerate(wanted)}
        return sorted(found, key=lambda name: (order.get(name.partition("+")[0], len(order)), name))

    def evidence(self, split: str) -> dict[str, EvidenceSet]:
        """Evidence sets of one split by name; explanations before controls."""
        folder = self.path / "evidence" / split
        sets = [EvidenceSet.open(spec.parent) for spec in sorted(folder.glob("*/spec.yaml"))]
        return {one.spec.name: one for one in sorted(sets, key=lambda one: one.spec.control)}

    def evidence_set(self, split: str, name: str) -> EvidenceSet:
        """One of them, without reading the others. Raises ``InputError`` where it is missing or damaged."""
        return EvidenceSet.open(self.path / "evidence" / split / name)

    def witness(self, split: str) -> WitnessTable | None:
        """Predictions on altered pictures, where they were made."""
        path = self.path / "evidence" / split / "witness" / "table.parquet"
        return WitnessTable.read(path) if path.is_file() else None

    def contexts(self, split: str) -> ContextTable | None:
        """What the objects of a split stand on, where the data know."""
        path = self.path / "evidence" / split / "contexts" / "table.parquet"
        return ContextTable.read(path) if path.is_file() else None

    def predictions(self, split: str) -> PredictionSet | None:
        """The classifier's own probabilities, where they were stored."""
        path = self.path / "evidence" / split / "prediction"
        return PredictionSet.open(path) if path.is_dir() else None

    def calibrated(self, split: str) -> dict[str, PredictionSet]:
        """Probabilities after post-hoc calibration, by method."""
        folder = self.path / "evidence" / split / "calibrated"
        found = sorted(file.parent for file in folder.glob("*/fit.yaml"))
        return {path.name: PredictionSet.open(path) for path in found}

    def gallery(self, split: str) -> Path | None:
        """Folder of thumbnails and outlines, where there is one."""
        path = self.path / "evidence" / split / "gallery"
        return path if (path / "index.json").is_file() else None

    def _write(self) -> None:
        write_text(self.path / "run.yaml", yaml_text(dict(self.manifest)))


def list_runs(root: Path = Path("runs")) -> list[Run]:
    """All runs below ``root``, oldest first; folders that are no runs are passed over."""
    manifests = sorted(root.glob("*/run.yaml"), key=lambda path: (path.stat().st_mtime_ns, path.parent.name))
    return [Run.open(path.parent) for path in manifests]


def latest(root: Path = Path("runs")) -> Run:
    """The run that was written last. Raises ``InputError`` where there is none."""
    runs = list_runs(root)
    if not runs:
        raise InputError(
            "Expected a run but there is none yet.",
            where=str(root),
            next_step="`rationale finetune --model tiny-clip --method ft` makes one",
        )
    return runs[-1]


def opened(references: Sequence[str | Path], root: Path = Path("runs")) -> tuple[Run, ...]:
    """Runs by path or by name below ``root``, each once; the latest where none is asked for.

    Raises ``InputError`` where there is no such run.
    """
    return distinct(Run.open(one, root) for one in references) or (latest(root),)


def distinct(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Each folder once, however it was written."""
    return tuple({run.path.resolve(): run for run in runs}.values())


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"Expected a run's description but could not read it: {error}", where=str(path)
        ) from error
    if not isinstance(manifest, dict) or not {"schema", "configuration", "status"} <= manifest.keys():
        raise InputError(
            "Expected a run's description (schema, status, configuration) but got something else.",
            where=str(path),
        )
    if manifest["schema"] != SCHEMA:
        raise InputError(
            f"Expected a run folder of schema {SCHEMA} but got {manifest['schema']!r}.", where=str(path)
        )
    return manifest


def _known(root: Path) -> str:
    names = [path.parent.name for path in sorted(root.glob("*/run.yaml"))]
    return f"Known: {', '.join(names)}." if names else "There are no runs yet."
