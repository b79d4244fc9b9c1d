"""What scores and reports of fifty thousand pictures cost: seconds of each stage.

    python benchmarks/scoring.py [--pictures 50000] [--classes 1000] [--rounds 5] [--json] [--profile STAGE]

Two run folders are made up, a zero-shot and a tuned one, each with what ``rationale explain`` leaves behind:
four estimators, three controls, witnesses, probabilities, thumbnails. All stages are timed in turn within
each round; the clock stands beside processor time, which other work on the machine moves less. ``score`` and
``report`` are the commands' whole work; the last two lines have the start of a process too. Aims: scores,
bootstrap and curves a second each, the report five.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import machine
from PIL import Image

from rationale_cli.measures.bootstrap import Resampling, estimates
from rationale_cli.measures.calibration_comparing import compare_calibration
from rationale_cli.measures.calibration_scoring import CalibrationSettings, score_calibration
from rationale_cli.measures.comparing import compare
from rationale_cli.measures.scoring import score_run
from rationale_cli.runs.evidence import NO_EVIDENCE, OK, WITNESSES, EvidenceSpec
from rationale_cli.runs.folder import Run
from rationale_cli.runs.parts import whole_folder, write_set, write_witness
from rationale_cli.runs.predictions import write_predictions
from rationale_cli.stages.report import ReportRequest
from rationale_cli.stages.report import run as report
from rationale_cli.stages.score import ScoreRequest, curves, prepare
from rationale_cli.stages.score import run as score

Columns = dict[str, npt.NDArray[Any]]

ESTIMATORS = tuple((layers, scalar) for layers in ("last", "all") for scalar in ("dot", "native"))
CONTROLS = ("center", "random-head-last-dot", "wrong-class-last-dot")
RUNS = {"zs": 0.63, "ft": 0.74}
"""Method → accuracy."""

SPLIT, GRID, THUMBNAILS = "test", 7, 80
TAU = 0.5


@dataclass(frozen=True)
class Timing:
    """One stage; medians over the rounds, in seconds."""

    stage: str
    clock: float
    slowest: float
    """By the clock."""
    processor: float


def pictures(n: int, classes: int) -> Columns:
    """What both runs share: identifiers, labels, areas of masks, how easy each picture is."""
    rng = np.random.default_rng(0)
    return {
        "id": np.array([f"ILSVRC2012_val_{number:08}" for number in range(n)], dtype=object),
        "label": rng.integers(0, classes, n).astype(np.int32),
        "area": rng.beta(2, 3, n),
        "ease": rng.random(n),
        "clarity": rng.beta(3, 3, n),
    }


def make_run(root: Path, method: str, shared: Mapping[str, npt.NDArray[Any]], classes: int) -> Run:
    """A run folder of one method, explained on one split."""
    n, rng = len(shared["id"]), np.random.default_rng(len(method) + sum(map(ord, method)))
    right = shared["ease"] + 0.1 * rng.standard_normal(n) < RUNS[method]
    label = shared["label"]
    prediction = np.where(right, label, (label + rng.integers(1, classes, n)) % classes).astype(np.int32)
    confidence = np.clip(rng.beta(5, 2, n) * np.where(right, 1.0, 0.7), 2 / classes, 1 - 1e-6)
    columns: Columns = {
        **{name: shared[name] for name in ("id", "label", "area")},
        "prediction": prediction,
        "confidence": confidence.astype(np.float32),
        "prediction/confidence": confidence,
        "prediction/log_true": np.log(np.where(right, confidence, (1 - confidence) / classes)),
        "prediction/brier": np.where(right, (1 - confidence) ** 2, 1 + confidence**2),
        "prediction/proximity": rng.random(n),
    }
    run = Run.create(root / method, _configuration(method), {"splits": [SPLIT]}).updated(status="done")
    folder = run.path / "evidence" / SPLIT
    for name in [f"gaa-{layers}-{scalar}" for layers, scalar in ESTIMATORS] + list(CONTROLS):
        mass = np.clip(shared["clarity"] + 0.1 * rng.standard_normal(n), 0, 1)
        status = np.where(rng.random(n) < 0.001, NO_EVIDENCE, OK).astype(np.int8)
        known = np.where(status == OK, mass, np.nan)
        heatmaps = rng.random((n, GRID, GRID), np.float32).astype(np.float16)
        own = {"rma": known, "rma_raw": known, "status": status, "heatmap": heatmaps}
        write_set(folder, _specification(name, classes), columns | _prefixed(name, own))
    altered = {kind: _altered(prediction, rng, classes) for kind in WITNESSES}
    effects = {f"{what}_effect": rng.standard_normal(n) for what in ("object", "background")}
    write_witness(folder, columns | _prefixed("witness", altered | effects))
    write_predictions(folder, columns, {"neighbours": 5, "split": "train", "part": "train", "pictures": n})
    _gallery(folder, columns, rng)
    return run


def _altered(
    prediction: npt.NDArray[np.int32], rng: np.random.Generator, classes: int
) -> npt.NDArray[np.int32]:
    n = len(prediction)
    return np.where(rng.random(n) < 0.6, prediction, rng.integers(0, classes, n)).astype(np.int32)


def _prefixed(name: str, columns: Mapping[str, npt.NDArray[Any]]) -> Columns:
    return {f"{name}/{key}": values for key, values in columns.items()}


def _configuration(method: str) -> dict[str, Any]:
    return {
        "model": {"use": "rationale:clip-vit-b-32", "options": {}},
        "method": {"use": f"rationale:{method}", "options": {}},
        "dataset": {"use": "rationale:imagenet", "options": {}},
        "train": {"split": "train", "epochs": 10, "seed": 0},
    }


def _specification(name: str, classes: int) -> EvidenceSpec:
    control = name in CONTROLS
    attribution, layers, scalar = (name, None, None) if name == "center" else name.rsplit("-", 2)
    return EvidenceSpec(
        name=name,
        split=SPLIT,
        attribution=f"rationale:{attribution}",
        options={},
        layers=layers,
        blocks=None if layers is None else (12, 12) if layers == "last" else (1, 12),
        scalar=scalar,
        target="label",
        dataset="rationale:imagenet",
        fingerprint="f00d",
        classnames=tuple(f"class {number}" for number in range(classes)),
        preprocessing={"size": 224, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        grid=(GRID, GRID),
        image_size=224,
        precision="no",
        control=control,
    )


def _gallery(folder: Path, columns: Columns, rng: np.random.Generator) -> None:
    circle = np.linspace(0, 2 * np.pi, 200)
    line = np.stack([112 + 60 * np.cos(circle), 112 + 60 * np.sin(circle)], axis=1).round(1).tolist()
    rows = rng.choice(len(columns["id"]), min(THUMBNAILS, len(columns["id"])), replace=False)
    items = []
    with whole_folder(folder / "gallery") as staging:
        for number, row in enumerate(rows.tolist()):
            noise = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            picture = Image.fromarray(noise).resize((160, 160), Image.Resampling.BICUBIC)
            picture.save(staging / f"{number:04}.jpg", quality=85)
            label = int(columns["label"][row])
            items.append({"id": columns["id"][row], "label": label, "image": f"{number:04}.jpg"})
        shown = [{**item, "outline": [line]} for item in items]
        (staging / "index.json").write_text(json.dumps({"schema": 1, "size": 224, "items": shown}))


def stages(runs: tuple[Run, ...]) -> dict[str, Callable[[], object]]:
    """What is timed, by name, with the replicates that the commands draw."""
    request, how = ScoreRequest(runs), Resampling()
    prepared = prepare(request)
    (group,) = prepared.groups
    zero, tuned = group.measured
    settings = CalibrationSettings()
    codes = tuned.outcomes.codes(TAU)
    return {
        "reading": lambda: prepare(request),
        "scores of a run": lambda: score_run(tuned, TAU, how),
        "bootstrap": lambda: estimates(codes, how),
        "threshold curves": lambda: curves(prepared),
        "calibration of a run": lambda: score_calibration(tuned, TAU, settings, how),
        "comparison": lambda: compare(tuned, zero, TAU, how),
        "comparison, calibration": lambda: compare_calibration(tuned, zero, settings.bins, how),
        "score": lambda: score(request),
        "report": lambda: report(ReportRequest(runs)),
    }


def processes(root: Path) -> dict[str, Callable[[], object]]:
    """The commands as they are typed."""

    def command(*words: str) -> Callable[[], object]:
        line = [sys.executable, "-m", "rationale_cli", *words, "--runs-dir", str(root)]
        environment = {**os.environ, "NO_COLOR": "1"}
        return lambda: subprocess.run(line, check=True, capture_output=True, env=environment)

    return {"rationale score": command("score", *RUNS), "rationale report": command("report", *RUNS)}


def measure(root: Path, runs: tuple[Run, ...], rounds: int) -> list[Timing]:
    """Every stage in turn, ``rounds`` times after one for warming up."""
    spent: dict[str, list[tuple[float, float]]] = {}
    todo = stages(runs) | processes(root)
    for turn in range(rounds + 1):
        for name, do in todo.items():
            clock, processor = time.perf_counter(), _processor()
            do()
            one = time.perf_counter() - clock, _processor() - processor
            if turn:
                spent.setdefault(name, []).append(one)
    return [
        Timing(
            name,
            median(clock for clock, _ in found),
            max(clock for clock, _ in found),
            median(processor for _, processor in found),
        )
        for name, found in spent.items()
    ]


def _processor() -> float:
    """Seconds of this process and of those that it waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def profile(runs: tuple[Run, ...], stage: str) -> str:
    """Where the time of one stage goes: the functions that take most, with all that they call."""
    do = stages(runs)[stage]
    do()
    profiler = cProfile.Profile()
    profiler.runcall(do)
    told = io.StringIO()
    pstats.Stats(profiler, stream=told).sort_stats("cumulative").print_stats(45)
    return told.getvalue()


def main() -> None:
    """Make the runs up, measure and print."""
    parser = argparse.ArgumentParser(description="Seconds of scoring and reporting.")
    parser.add_argument("--pictures", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5, help="times that each stage is measured")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--profile", metavar="STAGE", help="tell where the time of this stage goes instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        shared = pictures(arguments.pictures, arguments.classes)
        runs = tuple(make_run(root, method, shared, arguments.classes) for method in RUNS)
        if arguments.profile:
            print(profile(runs, arguments.profile))
            return
        timings = measure(root, runs, max(arguments.rounds, 1))
        sizes = {
            "report.html": (root / "report.html").stat().st_size,
            "scores.json": (runs[-1].path / "scores.json").stat().st_size,
        }
    if arguments.json:
        document = {"machine": machine(), "pictures": arguments.pictures, "bytes": sizes}
        print(json.dumps({**document, "timings": [asdict(one) for one in timings]}, indent=2))
        return
    print(f"{'stage':<24} {'seconds':>8} {'slowest':>8} {'processor':>10}")
    for one in timings:
        print(f"{one.stage:<24} {one.clock:>8.3f} {one.slowest:>8.3f} {one.processor:>10.3f}")
    print(", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in sizes.items()))


if __name__ == "__main__":
    main()
