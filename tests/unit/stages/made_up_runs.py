"""Run folders whose every number the test decides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml

from rationale_cli.runs.evidence import EvidenceSpec, EvidenceTable, WitnessTable
from rationale_cli.runs.folder import Run
from rationale_cli.runs.predictions import write_predictions

CLASSES = ("checks", "dots", "rings", "stripes")
CONTROLS = ("uniform", "center", "random", "random-head", "wrong-class")
GRID = ("gaa-last-dot", "gaa-last-native", "gaa-all-dot", "gaa-all-native")


def grid_and_controls(
    clarity: np.ndarray, shift: float | Mapping[str, float], names: tuple[str, ...] = GRID
) -> dict[str, np.ndarray]:
    """Evidence of an audit: each picture's clarity, shifted (by layers where told so), and controls."""
    shifts = shift if isinstance(shift, Mapping) else dict.fromkeys(("last", "all"), shift)
    sets = {name: np.clip(clarity + shifts[name.rsplit("-", 2)[1]], 0, 1) for name in names}
    controls = ("center", "random-head-last-dot", "wrong-class-last-dot")
    return sets | {name: np.clip(clarity[::-1] * 0.8 + 0.1, 0, 1) for name in controls}


def make_run(
    root: Path,
    name: str,
    right: np.ndarray,
    rma: Mapping[str, np.ndarray],
    *,
    method: str = "ft",
    model: str = "tiny-clip",
    split: str = "test",
    seed: int = 0,
    ids: np.ndarray | None = None,
    label: np.ndarray | None = None,
    area: np.ndarray | float = 0.3,
    status: np.ndarray | None = None,
    witness: Mapping[str, np.ndarray] | None = None,
    confidence: np.ndarray | None = None,
    logits: bool = True,
    **spec: Any,
) -> Run:
    """Write one split of one run; a second call with another split adds to it.

    ``rma`` maps names of evidence sets (``gaa-last-dot``, ``center``) to n values; ``witness`` kinds to
    flags of right predictions; ``spec`` are fields of the description that differ from the usual. With a
    ``confidence`` (above a half) probabilities are stored: what is left of 1 is shared by the other classes.
    """
    n = len(right)
    ids = np.array([f"{index:04d}" for index in range(n)], dtype=object) if ids is None else ids
    label = np.arange(n) % len(CLASSES) if label is None else label
    status = np.zeros(n, np.int8) if status is None else status.astype(np.int8)
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.yaml").write_text(yaml.safe_dump(_manifest(name, model, method, seed)), encoding="utf-8")
    for one, values in rma.items():
        target = folder / "evidence" / split / one
        target.mkdir(parents=True)
        table = EvidenceTable(
            id=ids,
            label=label.astype(np.int32),
            prediction=predicted(label, right),
            confidence=np.full(n, 0.9, np.float32),
            rma=np.where(status == 0, values, np.nan),
            rma_raw=np.where(status == 0, values / 2, np.nan),
            area=np.where(np.isin(status, (0, 3)), area, np.nan),
            status=status,
        )
        pq.write_table(table.to_arrow(), target / "table.parquet")
        (target / "spec.yaml").write_text(_spec(one, split, spec).to_yaml(), encoding="utf-8")
    if witness is not None:
        _write_witness(folder / "evidence" / split / "witness", ids, label, witness)
    if confidence is not None:
        columns = {"id": ids, "label": label.astype(np.int32), "prediction": predicted(label, right)}
        write_predictions(folder / "evidence" / split, columns | _probabilities(columns, confidence, logits))
    return Run.open(folder)


def predicted(label: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The label where right, the next class where wrong."""
    return np.where(right, label, (label + 1) % len(CLASSES)).astype(np.int32)


def _probabilities(
    columns: Mapping[str, np.ndarray], confidence: np.ndarray, logits: bool
) -> dict[str, np.ndarray]:
    n, others = len(confidence), len(CLASSES) - 1
    chances = np.repeat(((1 - confidence) / others)[:, None], len(CLASSES), axis=1)
    chances[np.arange(n), columns["prediction"]] = confidence
    truth = np.eye(len(CLASSES))[columns["label"]]
    found = {
        "confidence": confidence,
        "log_true": np.log(chances[np.arange(n), columns["label"]]),
        "brier": ((chances - truth) ** 2).sum(axis=1),
    }
    kept = {"logits": np.log(chances).astype(np.float32)} if logits else {}
    return {f"prediction/{name}": values for name, values in (found | kept).items()}


def _write_witness(folder: Path, ids: np.ndarray, label: np.ndarray, kinds: Mapping[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    columns = {
        kind: predicted(label, kinds[kind]) if kind in kinds else np.full(len(ids), -1, np.int32)
        for kind in ("object", "background", "box", "exact")
    }
    effects = {
        name: kinds.get(name, np.full(len(ids), np.nan)) for name in ("object_effect", "background_effect")
    }
    table = WitnessTable(id=ids, label=label.astype(np.int32), **columns, **effects)
    pq.write_table(table.to_arrow(), folder / "table.parquet")


def _manifest(name: str, model: str, method: str, seed: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": name,
        "status": "done",
        "configuration": {
            "model": {"use": f"rationale:{model}", "options": {}},
            "method": {"use": f"rationale:{method}", "options": {}},
            "dataset": {"use": "rationale:scenes", "options": {}},
            "train": {"split": "train", "epochs": 3, "seed": seed},
        },
        "splits": ["test", "shifted", "swapped"],
    }


def _spec(name: str, split: str, changes: Mapping[str, Any]) -> EvidenceSpec:
    control = next((one for one in sorted(CONTROLS, key=len, reverse=True) if name.startswith(one)), None)
    parts = name.rsplit("-", 2)
    specified = len(parts) == 3 and name != control
    fields: dict[str, Any] = {
        "name": name,
        "split": split,
        "attribution": f"rationale:{parts[0] if specified else name}",
        "options": {},
        "layers": parts[1] if specified else None,
        "blocks": (1, 5) if specified else None,
        "scalar": parts[2] if specified else None,
        "target": "label",
        "dataset": "rationale:scenes",
        "fingerprint": "f00d",
        "classnames": CLASSES,
        "preprocessing": {"size": 64, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        "grid": (8, 8),
        "image_size": 64,
        "precision": "fp32",
        "control": control is not None,
    }
    return EvidenceSpec(**{**fields, **changes})
