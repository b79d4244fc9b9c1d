"""Run folders as a real quickstart leaves them, made of drawn pictures and drawn heatmaps in a second."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from rationale_cli.runs.evidence import EMPTY_MASK, NO_ANNOTATION, NO_EVIDENCE, OK, EvidenceSpec
from rationale_cli.runs.folder import Run
from rationale_cli.runs.parts import write_set, write_witness
from rationale_cli.runs.predictions import write_predictions

SIZE, GRID = 64, 8
CLASSES = (
    "checks", "dots", "stripes", "waves", "rings", "stars",
    "crosses", "zigzag", "bricks", "scales", "hatching", "spiral",
)  # fmt: skip
ESTIMATORS = tuple((layers, scalar) for layers in ("last", "all") for scalar in ("dot", "native"))
CONTROLS = ("uniform", "center", "random-head-last-dot", "wrong-class-last-dot")


@dataclass(frozen=True)
class Character:
    """What a fabricated model does: accuracies by split, and how much its heatmap favours the object."""

    method: str
    accuracy: dict[str, float]
    focus: dict[str, float]
    """Layers → weight of the object against the background."""
    background: dict[str, float]
    """Split → accuracy on the background alone."""


CHARACTERS = {
    "zs": Character(
        "zs", {"test": 0.74, "shifted": 0.75, "swapped": 0.76}, {"last": 0.62, "all": 0.72},
        {"test": 0.08, "shifted": 0.08, "swapped": 0.08},
    ),
    "ft-shortcut": Character(
        "ft", {"test": 0.95, "shifted": 0.88, "swapped": 0.80}, {"last": 0.44, "all": 0.57},
        {"test": 0.42, "shifted": 0.09, "swapped": 0.02},
    ),
    "ft-clean": Character(
        "ft", {"test": 0.94, "shifted": 0.94, "swapped": 0.94}, {"last": 0.45, "all": 0.58},
        {"test": 0.09, "shifted": 0.08, "swapped": 0.08},
    ),
    "lp-shortcut": Character(
        "lp", {"test": 0.85, "shifted": 0.83, "swapped": 0.81}, {"last": 0.60, "all": 0.70},
        {"test": 0.13, "shifted": 0.08, "swapped": 0.07},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """The pictures of one split, shared by all runs."""

    ids: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    """n×S×S booleans."""
    status: np.ndarray


def fabricate(
    root: Path,
    names: dict[str, str] | None = None,
    splits: tuple[str, ...] = ("test", "shifted", "swapped"),
    n: int = 300,
    classes: tuple[str, ...] = CLASSES,
    witness: bool = True,
    probabilities: bool = True,
) -> list[Run]:
    """Make runs below ``root``: ``names`` maps a folder's name to the key of its character."""
    names = names or {name: name for name in CHARACTERS}
    pictures = {split: _pictures(split, n, len(classes)) for split in splits}
    return [
        _run(root / name, CHARACTERS[key], index, pictures, classes, (witness, probabilities))
        for index, (name, key) in enumerate(names.items())
    ]


def _pictures(split: str, n: int, classes: int) -> Pictures:
    chance = np.random.default_rng(sum(map(ord, split)))
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centre = chance.uniform(20, 44, (2, n, 1, 1))
    radius = chance.uniform(13, 23, (2, n, 1, 1))
    masks = ((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2 <= 1
    status = np.full(n, OK, np.int8)
    if n >= 100:
        status[7], status[31] = NO_ANNOTATION, EMPTY_MASK
    return Pictures(
        np.array([f"{split}/{index:05d}" for index in range(n)], object),
        (np.arange(n) % classes).astype(np.int32),
        masks,
        status,
    )


def _run(path, character, index, pictures, classes, parts) -> Run:
    dataset = {"use": "rationale:scenes", "options": {"seed": 0}}
    train = {"split": "train-clean" if "clean" in path.name else "train", "epochs": 3, "seed": 0}
    run = Run.create(
        path,
        {
            "model": {"use": "rationale:tiny-clip", "options": {}},
            "method": {
                "use": f"rationale:{character.method}",
                "options": {"lr": round(1e-4 * (1 + index), 6)},
            },
            "dataset": dataset,
            "attribution": {"use": "rationale:gaa", "options": {}},
            "train": train,
            "explain": {"layers": ["last", "all"], "scalar": ["dot", "native"]},
            "passed": {"method": {"use": character.method}},
        },
        {
            "splits": list(pictures),
            "versions": {"python": "3.11.9", "rationale": "0.1.0", "torch": "2.9.0"},
            "hardware": {"device": "cpu", "cpus": 2},
            "provenance": {"weights": "sha256:0123abcd", "revision": "fedcba9876"},
            "training": {"steps": 300, "seconds": 61.5, "loss": 0.21},
        },
    ).updated(status="done")
    for split, shown in pictures.items():
        _evidence(run, split, shown, character, index, classes, parts)
    return run


def _evidence(run, split, shown: Pictures, character, index, classes, parts) -> None:
    witness, probabilities = parts
    chance = np.random.default_rng(1000 * index + sum(map(ord, split)))
    n, folder = len(shown.ids), run.path / "evidence" / split
    difficulty = np.random.default_rng(5).random(n)  # shared: runs fail on the same hard pictures
    mixed = 0.7 * difficulty + 0.3 * chance.random(n)
    right = mixed < np.quantile(mixed, character.accuracy[split])
    other = (shown.labels + 1 + chance.integers(0, len(classes) - 1, n)) % len(classes)
    prediction = np.where(right, shown.labels, other).astype(np.int32)
    columns = {
        "id": shown.ids,
        "label": shown.labels,
        "prediction": prediction,
        "confidence": chance.beta(6, 2, n).astype(np.float32),
        "area": np.where(shown.status == NO_ANNOTATION, np.nan, shown.masks.mean(axis=(1, 2))),
    }
    for layers, scalar in ESTIMATORS:
        focus = character.focus[layers] + (0.06 if scalar == "native" else 0) + 0.04 * right
        name = f"gaa-{layers}-{scalar}"
        _write(run, split, name, (layers, scalar), columns | _heat(name, shown, focus, chance), classes)
    for name in CONTROLS:
        specified = ("last", "dot") if name.endswith("dot") else (None, None)
        focus = np.full(n, {"uniform": np.nan, "center": np.inf}.get(name, 0.5))
        _write(run, split, name, specified, columns | _heat(name, shown, focus, chance), classes)
    if witness:
        chances = {"object": 0.9 * character.accuracy[split], "background": character.background[split]}
        chances |= {"box": 0.9 * character.background[split], "exact": character.background[split]}
        altered = {
            f"witness/{kind}": np.where(difficulty < rate, shown.labels, other).astype(np.int32)
            for kind, rate in chances.items()
        }
        unknown = {f"witness/{kind}_effect": np.full(n, np.nan) for kind in ("object", "background")}
        write_witness(folder, columns | altered | unknown)
    if probabilities:
        write_predictions(folder, columns | _probabilities(columns, len(classes)))
    _gallery(folder / "gallery", shown)


def _probabilities(columns: dict[str, np.ndarray], classes: int) -> dict[str, np.ndarray]:
    """What the confidence leaves of 1 is shared by the other classes."""
    confidence = columns["confidence"].astype(np.float64)
    rest = (1 - confidence) / (classes - 1)
    right = columns["prediction"] == columns["label"]
    truth = np.where(right, confidence, rest)
    others = confidence**2 + (classes - 1) * rest**2
    found = {"confidence": confidence, "log_true": np.log(truth), "brier": others - 2 * truth + 1}
    return {f"prediction/{name}": values for name, values in found.items()}


def _heat(name, shown: Pictures, focus, chance) -> dict[str, np.ndarray]:
    n = len(shown.ids)
    cells = shown.masks.reshape(n, GRID, SIZE // GRID, GRID, SIZE // GRID).mean(axis=(2, 4))
    noise = chance.gamma(1.2, 1.0, (n, GRID, GRID))
    rows, columns = np.mgrid[:GRID, :GRID] - (GRID - 1) / 2
    drawn = noise * (np.nan_to_num(focus, posinf=0)[:, None, None] * cells * 2.6 + 0.3 * (1 - cells))
    drawn[np.isposinf(focus)] = np.exp(-(rows**2 + columns**2) / 8)
    drawn[np.isnan(focus)] = 1
    status = shown.status.copy()
    if name.startswith("gaa") and n >= 100:
        status[53], drawn[53] = NO_EVIDENCE, 0
    full = drawn.repeat(SIZE // GRID, axis=1).repeat(SIZE // GRID, axis=2)
    low = full.min(axis=(1, 2), keepdims=True)
    normalised = full if name == "uniform" else full - low
    mass = np.where(status == OK, (normalised * shown.masks).sum(axis=(1, 2)), np.nan)
    with np.errstate(invalid="ignore"):
        rma = mass / np.where(status == OK, normalised.sum(axis=(1, 2)), np.nan)
    return {"rma": rma, "rma_raw": rma, "status": status, "heatmap": drawn.astype(np.float16)}


def _write(run, split, name, specified, columns, classes) -> None:
    attribution = name.split("-last")[0].split("-all")[0]
    spec = EvidenceSpec(
        name=name, split=split, attribution=f"rationale:{attribution}", options={}, layers=specified[0],
        blocks=None if specified[0] is None else ((5, 5) if specified[0] == "last" else (1, 5)),
        scalar=specified[1], target="label", dataset="rationale:scenes", fingerprint="f00dfeed",
        classnames=classes, preprocessing={"size": SIZE}, grid=(GRID, GRID), image_size=SIZE,
        precision="fp32", control=name in CONTROLS,
    )  # fmt: skip
    renamed = {f"{name}/{key}": columns[key] for key in ("rma", "rma_raw", "status", "heatmap")}
    write_set(run.path / "evidence" / split, spec, columns | renamed)


def _gallery(folder: Path, shown: Pictures) -> None:
    folder.mkdir(parents=True)
    items = []
    for index in range(0, min(len(shown.ids), 48 * 5), 5):
        mask = shown.masks[index]
        rows, columns = np.nonzero(mask)
        box = [int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())]
        picture = Image.new("RGB", (SIZE, SIZE), (120, 150 + index % 90, 190))
        drawing = ImageDraw.Draw(picture)
        drawing.rectangle([0, 40, SIZE, SIZE], fill=(90, 120 + index % 60, 70))
        drawing.ellipse(box, fill=(200, 90 + index % 120, 60))
        for offset in range(0, SIZE, 8):
            drawing.line([offset, box[1], offset, box[3]], fill=(60, 40, 40))
        picture.save(folder / f"{len(items):04d}.jpg", quality=85)
        angle = np.linspace(0, 2 * np.pi, 40)
        centre = (box[0] + box[2] + 1) / 2, (box[1] + box[3] + 1) / 2
        reach = (box[2] - box[0] + 1) / 2, (box[3] - box[1] + 1) / 2
        outline = np.stack([centre[0] + reach[0] * np.cos(angle), centre[1] + reach[1] * np.sin(angle)], 1)
        items.append(
            {
                "id": str(shown.ids[index]),
                "label": int(shown.labels[index]),
                "image": f"{len(items):04d}.jpg",
                "outline": [outline.round(1).tolist()],
            }
        )
    (folder / "index.json").write_text(json.dumps({"schema": 1, "size": SIZE, "items": items}))
